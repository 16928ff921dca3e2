"""Deletion and insertion: does the score go where the explanation says it is?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class DeletionInsertion:
    """The two curves of one image.

    Attributes:
        shares: float64 `[steps + 1]`, 0 to 1: share of the image's area that is hidden (deletion)
            or shown (insertion).
        deletion, insertion: float64 `[steps + 1]`, the score at each share.
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_area(self) -> float:
        """Area below the deletion curve; lower is better."""
        return curve_area(self.shares, self.deletion)

    @property
    def insertion_area(self) -> float:
        """Area below the insertion curve; higher is better."""
        return curve_area(self.shares, self.insertion)

    @property
    def advantage(self) -> float:
        """Insertion area less deletion area, in units of whole image less hidden image.

        The two end points do not depend on the explanation. NaN where hiding everything does not
        lower the score: such an image tells nothing.
        """
        whole, nothing = self.deletion[0], self.deletion[-1]
        if not whole > nothing:
            return float("nan")
        return (self.insertion_area - self.deletion_area) / (whole - nothing)


def curve_area(shares: ArrayLike, scores: ArrayLike) -> float:
    """Area below a curve by the trapezoidal rule, divided by the width of `shares`.

    Args:
        shares: float `[points]`, ascending.
        scores: float `[points]`.
    """
    shares, scores = np.asarray(shares, "float64"), np.asarray(scores, "float64")
    if shares.ndim != 1 or shares.shape != scores.shape or (np.diff(shares) <= 0).any():
        raise ValueError(
            "Arguments `shares` and `scores` of curve_area must be two lists of one length, the "
            f"shares ascending. Received: shares of shape {shares.shape}, scores of shape "
            f"{scores.shape}"
        )
    area = float((np.diff(shares) * (scores[1:] + scores[:-1]) / 2).sum())
    return area / float(shares[-1] - shares[0])


def cell_order(saliency: ArrayLike, cells: int = 14, seed: int = 0) -> np.ndarray:
    """The cells of an image, the most salient first.

    Regions are equal for every method: a grid of `cells x cells`, so that a fine map has no
    advantage over a coarse one, and single pixels no effect of their own.

    Args:
        saliency: float `[height, width]`, at least one pixel a cell.
        cells: cells along each side.
        seed: of the order among equal cells.

    Returns:
        int `[cells * cells]`, numbers row by row.
    """
    saliency = np.asarray(saliency, "float64")
    check.whole_number(cells, "cells", "cell_order", at_least=1)
    if saliency.ndim != 2 or min(saliency.shape) < cells:
        raise ValueError(
            f"Argument `saliency` of cell_order must have the shape [height, width], at least "
            f"{cells} pixels each. Received: saliency.shape={saliency.shape}"
        )
    of_pixel = cell_numbers(saliency.shape, cells).ravel()
    pixels = np.bincount(of_pixel, minlength=cells * cells)
    means = np.bincount(of_pixel, saliency.ravel(), cells * cells) / pixels
    shuffled = np.random.default_rng(seed).permutation(cells * cells)
    return shuffled[np.argsort(-means[shuffled], kind="stable")]


def cell_numbers(size, cells):
    """The number of the cell that each pixel is in: int `[height, width]`."""
    rows, columns = (np.arange(n) * cells // n for n in size)
    return rows[:, None] * cells + columns


def mixed_images(image, base, order, counts, cells):
    """Images in which the first so many cells of an order come from `base`.

    Args:
        image, base: `[height, width, channels]`.
        order: int `[cells * cells]`.
        counts: how many cells, an image each.
        cells: cells along each side.

    Returns:
        float32 `[len(counts), height, width, channels]`.
    """
    rank = np.empty(len(order), int)
    rank[np.asarray(order)] = np.arange(len(order))
    rank = rank[cell_numbers(image.shape[:2], cells)]
    hidden = rank[None] < np.asarray(counts)[:, None, None]
    return np.where(hidden[..., None], base[None], image[None]).astype("float32")


def deletion_insertion(
    score: Callable[[np.ndarray], np.ndarray],
    image: ArrayLike,
    base: ArrayLike,
    order: ArrayLike,
    *,
    steps: int = 10,
) -> DeletionInsertion:
    """Hides an image's cells in an order, and shows them in that order, and follows the score.

    Args:
        score: function of images float32 `[n, height, width, channels]` that gives `[n]`.
        image: `[height, width, channels]`.
        base: the image with nothing to see, shaped as it: `blurred` or `mean_filled`.
        order: int `[cells * cells]` from `cell_order`.
        steps: in how many equal steps.

    Returns:
        `DeletionInsertion`.

    Reference:
        Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box
        models", BMVC 2018, section 4.1. There pixels are hidden one by one; here cells.
    """
    shares, images = curve_images(image, base, order, steps=steps)
    return curves_of(shares, score(images))


def curve_images(
    image: ArrayLike, base: ArrayLike, order: ArrayLike, *, steps: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """The images of both curves, for scores of several kinds from one forward pass.

    Args:
        image, base, order, steps: as in `deletion_insertion`.

    Returns:
        (shares `[steps + 1]`, images float32 `[2 * steps, height, width, channels]`) for
        `curves_of`.
    """
    image, base = (np.asarray(x, "float32") for x in (image, base))
    order = np.asarray(order, int)
    cells = round(len(order) ** 0.5)
    check.whole_number(steps, "steps", "deletion_insertion", at_least=1, at_most=len(order))
    if not np.array_equal(np.sort(order), np.arange(cells * cells)):
        raise ValueError(
            "Argument `order` of deletion_insertion must hold every cell of a square grid once. "
            f"Received: {len(order)} numbers. Make it with `cell_order`."
        )
    if base.shape != image.shape:
        raise ValueError(
            "Argument `base` of deletion_insertion must have the image's shape. Received: "
            f"base.shape={base.shape}, image.shape={image.shape}"
        )
    counts = np.rint(np.linspace(0, len(order), steps + 1)).astype(int)
    images = [
        mixed_images(image, base, order, counts, cells),
        # Both ends are those of the deletion curve.
        mixed_images(base, image, order, counts[1:-1], cells),
    ]
    return counts / len(order), np.concatenate(images)


def curves_of(shares: ArrayLike, scores: ArrayLike) -> DeletionInsertion:
    """The `DeletionInsertion` of the scores `[2 * steps]` of what `curve_images` gives."""
    scores, points = np.asarray(scores, "float64"), len(shares)
    deletion, between = scores[:points], scores[points:]
    insertion = np.concatenate([deletion[-1:], between, deletion[:1]])
    return DeletionInsertion(np.asarray(shares), deletion, insertion)


def greedy_order(
    score: Callable[[np.ndarray], np.ndarray],
    image: ArrayLike,
    base: ArrayLike,
    *,
    cells: int = 7,
    steps: int = 7,
    insertion: bool = False,
) -> np.ndarray:
    """An order that looks at the score itself: what an explanation could reach at best, nearly.

    In each step every cell that is left is tried alone, and those that lower the score most
    (`insertion`: raise it most) are taken at once. It is a heuristic: the best of all orders is
    out of reach. It costs about `cells**2 * (steps + 1) / 2` forward passes.

    Args:
        score, image, base: as in `deletion_insertion`.
        cells: cells along each side.
        steps: in how many equal steps.
        insertion: whether cells are shown instead of hidden.

    Returns:
        int `[cells * cells]`, as `cell_order`.
    """
    image, base = (np.asarray(x, "float32") for x in (image, base))
    check.whole_number(cells, "cells", "greedy_order", at_least=1)
    n = cells * cells
    check.whole_number(steps, "steps", "greedy_order", at_least=1, at_most=n)
    shown, other = (base, image) if insertion else (image, base)
    of_pixel = cell_numbers(image.shape[:2], cells)
    current, order = shown.copy(), []
    counts = np.rint(np.linspace(0, n, steps + 1)).astype(int)
    for count in counts[1:]:
        left = np.setdiff1d(np.arange(n), order)
        if count == n:
            # All that is left goes at once; nothing is to be chosen.
            order += left.tolist()
            break
        tried = np.repeat(current[None], len(left), axis=0)
        for one, cell in zip(tried, left, strict=True):
            one[of_pixel == cell] = other[of_pixel == cell]
        scores = np.asarray(score(tried), "float64")
        best = np.argsort(-scores if insertion else scores, kind="stable")
        taken = left[best[: count - len(order)]]
        order += taken.tolist()
        chosen = np.isin(of_pixel, taken)
        current[chosen] = other[chosen]
    return np.array(order)


def finer_order(order: ArrayLike, factor: int) -> np.ndarray:
    """The order of a coarse grid on one with `factor` times as many cells along each side.

    Args:
        order: int `[cells * cells]`.
        factor: whole number.

    Returns:
        int `[cells * cells * factor**2]`: all cells within the first coarse one come first.
    """
    order = np.asarray(order, int)
    cells = round(len(order) ** 0.5)
    rows, columns = np.divmod(order, cells)
    inner_rows, inner_columns = np.divmod(np.arange(factor * factor), factor)
    rows = rows[:, None] * factor + inner_rows
    columns = columns[:, None] * factor + inner_columns
    return (rows * cells * factor + columns).ravel()

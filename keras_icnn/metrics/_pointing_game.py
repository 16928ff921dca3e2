"""The pointing game: does the place that is shown lie on the part?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def pointing_game(points: ArrayLike, masks: ArrayLike, *, tolerance: float = 0.0) -> np.ndarray:
    """Whether points lie in regions.

    Args:
        points: float `[images, 2]`, (x, y) pixels; NaN: the method shows no place, which is a miss.
        masks: bool `[images, height, width]`; an empty mask is a part that is not annotated.
        tolerance: pixels that a point may be away from the region; 15 in the reference.

    Returns:
        float64 `[images]`: 1 a hit, 0 a miss, NaN where the mask is empty. The rate is its
        `nanmean`.

    Reference:
        Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, section 4.2.
    """
    points, masks = np.asarray(points, "float64"), np.asarray(masks, bool)
    check.number(tolerance, "tolerance", "pointing_game", at_least=0)
    if points.ndim != 2 or points.shape[1] != 2 or masks.ndim != 3 or len(masks) != len(points):
        raise ValueError(
            "Arguments `points` and `masks` of pointing_game must have the shapes [images, 2] and "
            f"[images, height, width]. Received: points.shape={points.shape}, "
            f"masks.shape={masks.shape}"
        )
    hits = np.full(len(points), np.nan)
    for i, ((x, y), mask) in enumerate(zip(points, masks, strict=True)):
        rows, columns = np.nonzero(mask)
        if not len(rows):
            continue
        if not np.isfinite((x, y)).all():
            hits[i] = 0.0
            continue
        # A pixel reaches half a pixel to either side of its center.
        across, down = (np.maximum(np.abs(a) - 0.5, 0) for a in (columns - x, rows - y))
        hits[i] = float(np.hypot(across, down).min() <= tolerance)
    return hits


def highest_point(saliency: ArrayLike) -> np.ndarray:
    """(x, y) pixel of a map's maximum: float64 `[2]`.

    Where several pixels share it, as on a flat top, it is the one nearest to their mean.

    Args:
        saliency: float `[height, width]`.
    """
    saliency = np.asarray(saliency)
    rows, columns = np.nonzero(saliency == saliency.max())
    if not len(rows):
        return np.full(2, np.nan)
    away = np.hypot(rows - rows.mean(), columns - columns.mean())
    nearest = int(away.argmin())
    return np.array([columns[nearest], rows[nearest]], "float64")


def map_agreement(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation of two maps: 1 for the same order of pixels, 0 for none.

    Args:
        first, second: float `[height, width]`, or arrays of any one shape.

    Returns:
        float; NaN where a map is constant.

    Reference:
        Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, section 3.
    """
    a, b = (_ranks(np.asarray(x, "float64").ravel()) for x in (first, second))
    if a.shape != b.shape:
        raise ValueError(
            "Arguments `first` and `second` of map_agreement must have one shape. Received: "
            f"{np.shape(first)} and {np.shape(second)}"
        )
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else float("nan")


def _ranks(values):
    """Ranks from 0, those of equal values averaged."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    return (first + (counts - 1) / 2)[inverse]

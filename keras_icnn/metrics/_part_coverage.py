"""Part coverage: how much of all landmarks' movement the best filter of each follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics._followed_variation import best_landmark, followed_variation
from keras_icnn.metrics._location_instability import mean_or_nan
from keras_icnn.metrics._peak_table import PeakTable, PeakTableMeasure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class CoverageResult:
    """How well the landmarks are covered by filters, and by which.

    `coverage`: mean of `per_landmark`. `per_landmark` [landmarks]: 0 to 1, NaN where too few images
    contain the landmark. `filter` int [landmarks, 2]: the filter chosen on the first half of the
    landmark's images and measured on the second, and the other way round (-1: none). `images` int
    [landmarks]: how many contain it. `r2` [filters, landmarks]: over all of them, without choosing
    and not clipped. `parts_followed`: that of `r2`, see the function of this name.
    """

    coverage: float
    per_landmark: np.ndarray
    filter: np.ndarray
    images: np.ndarray
    r2: np.ndarray
    parts_followed: float


class PartCoverage(PeakTableMeasure):
    """Streaming form of `part_coverage`.

    Args:
        image_size: (height, width) in pixels; None where every `update` is given it.
        fewest: a landmark on fewer images than this is undefined.
        store: a `PeakTable` shared with another measure, which then is updated once for both.
    """

    def __init__(
        self,
        image_size: Sequence[int] | None = None,
        *,
        fewest: int = 10,
        store: PeakTable | None = None,
    ) -> None:
        # Two images in each half: with fewer nothing varies.
        self.fewest = check.whole_number(fewest, "fewest", "PartCoverage", at_least=4)
        super().__init__(image_size, store)

    def result(self) -> CoverageResult:
        """The `CoverageResult` of all batches so far."""
        places, landmarks = self.store.shares_of_diagonal()
        present = np.isfinite(landmarks).all(axis=-1)
        images = present.sum(axis=0)
        measured = present & (images >= self.fewest)
        # Every second of the images that contain the landmark.
        second = np.cumsum(measured, axis=0) % 2 == 0
        halves = [
            followed_variation(places, landmarks, measured & ~second),
            followed_variation(places, landmarks, measured & second),
        ]
        chosen, found = [], []
        for own, other in (halves, halves[::-1]):
            _, filters = best_landmark(own.T)
            value = other[filters, np.arange(len(filters))]
            chosen.append(filters)
            found.append(np.where(filters >= 0, value, np.nan))
        per_landmark = np.maximum(np.mean(found, axis=0), 0.0)
        r2 = followed_variation(places, landmarks, measured)
        return CoverageResult(
            float(mean_or_nan(per_landmark)),
            per_landmark,
            np.stack(chosen, axis=1),
            images,
            r2,
            parts_followed(r2),
        )


def part_coverage(
    peaks: ArrayLike,
    landmarks: ArrayLike,
    strengths: ArrayLike | None = None,
    *,
    image_size: Sequence[int] | np.ndarray,
    fewest: int = 10,
    image_ids: ArrayLike | None = None,
) -> CoverageResult:
    """How much of each landmark's movement the filter that suits it best follows, on average.

    Unlike part tracking, which asks each filter for its best landmark, this asks each landmark for
    its best filter. One detector cannot win it, nor can any number of copies of one. Per landmark,
    over all images that contain it: `R2 = 1 - sum var(p_k - p(mu_hat)) / sum var(p_k)`, summed over
    both axes, in shares of the image diagonal from the image's center. The filter is chosen on
    every second of these images and measured on the others, then the other way round, so that many
    filters do not win by chance; the mean of the two counts, but not less than 0.

    Args:
        peaks: float [images, filters, 2], (x, y) pixels of the center of the peak unit.
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        strengths: float [images, filters], the activation at the peak; a silent filter (0 or less)
            is located at the image's center. None: all fire.
        image_size: (height, width) in pixels, or [images, 2] where images differ in size.
        fewest: a landmark on fewer images than this is undefined and left out; at least 4.
        image_ids: int [images], the order that "every second" means; None: the order given.

    Returns:
        A `CoverageResult`.

    Raises:
        ValueError: for wrong shapes or activations that are not finite.
    """
    measure = PartCoverage(image_size, fewest=fewest)
    measure.update(peaks, landmarks, strengths, image_ids=image_ids)
    return measure.result()


def parts_followed(r2: ArrayLike, *, share: float = 0.05, above: float = 0.5) -> float:
    """How many landmarks are followed by a number of filters that matters.

    A landmark counts if it is the best one of at least `share` of all filters, each with an R2
    above `above`.

    Args:
        r2: float [filters, landmarks], such as `CoverageResult.r2`; NaN: undefined.
        share: of the filters, silent ones included.
        above: the R2 that says that a filter follows its landmark.

    Returns:
        A whole number as float; NaN where no landmark is defined.
    """
    r2 = np.asarray(r2, "float64")
    if r2.ndim != 2:
        raise ValueError(
            f"`r2` must have shape [filters, landmarks]. Received: r2.shape={r2.shape}"
        )
    if len(r2) and not np.isfinite(r2).any():
        return float("nan")
    value, index = best_landmark(r2)
    count = np.bincount(index[value > above], minlength=1)
    return float(((count > 0) & (count >= share * len(r2))).sum())

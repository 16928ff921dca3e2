"""Part tracking: how much of a landmark's movement a filter's peak follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics._followed_variation import best_landmark
from keras_icnn.metrics._location_instability import columns_or_none, mean_or_nan
from keras_icnn.metrics._top_images import TopImages, TopImagesMeasure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class TrackingResult:
    """R2 of each filter's peak against the landmarks: 1 follows exactly, 0 does as a constant does.

    For each of the three ways, `r2`, `r2_strongest` and `r2_facing`: an array [filters, landmarks]
    (NaN: undefined), `best_*` [filters] its value at the best landmark, `*_landmark` int [filters]
    which landmark that is (-1: none). `mean` is the mean of `best_r2` over the defined filters.
    """

    r2: np.ndarray
    r2_strongest: np.ndarray
    r2_facing: np.ndarray
    best_r2: np.ndarray
    best_r2_strongest: np.ndarray
    best_r2_facing: np.ndarray
    r2_landmark: np.ndarray
    r2_strongest_landmark: np.ndarray
    r2_facing_landmark: np.ndarray
    mean: float


class PartTracking(TopImagesMeasure):
    """Streaming form of `part_tracking`; the arguments are the same.

    `store` is a `TopImages` shared with another measure, which then is updated once for both.
    """

    def __init__(
        self,
        image_size: Sequence[int] | None = None,
        top: int = 100,
        *,
        head: int | None = None,
        strongest: int = 30,
        fewest: int = 10,
        store: TopImages | None = None,
    ) -> None:
        fewest = check.whole_number(fewest, "fewest", "PartTracking", at_least=2)
        strongest = check.whole_number(
            strongest,
            "strongest",
            "PartTracking",
            at_least=fewest,
            fix=f"`fewest` is {fewest}: take as many or more.",
        )
        self.store = TopImages(image_size, top, head) if store is None else store
        self.strongest = strongest
        self.fewest = fewest

    def _piece(self, records):
        """The R2 of some filters in the three ways, each [filters]."""
        residual = _with_squares(records.landmark - records.peak)
        landmark = _with_squares(records.landmark)
        fires = records.kept & (records.strength > 0)
        # Records come strongest first.
        first = fires & (np.cumsum(fires, axis=-1) <= self.strongest)
        sides = [records.kept & (records.facing == side) for side in (0, 1)]
        return [
            _r2(residual, landmark, [group.astype("float64") for group in groups], fewest)
            for groups, fewest in (([records.kept], 2), ([first], self.fewest), (sides, 2))
        ]

    def result(self) -> TrackingResult:
        """The `TrackingResult` of all batches so far."""
        ways = [[], [], []]
        for k in range(self.store.n_landmarks):
            pieces = [self._piece(records) for records in self.store.records(k).pieces()]
            for column, found in zip(ways, zip(*pieces, strict=True), strict=True):
                column.append(np.concatenate(found))
        tables = [columns_or_none(columns, self.store.n_filters) for columns in ways]
        best = [best_landmark(table) for table in tables]
        # Undefined altogether only where no landmark could be measured over all images either.
        unlearnt = (best[1][1] < 0) & (best[0][1] >= 0)
        best_strongest = np.where(unlearnt, -1.0, best[1][0])
        return TrackingResult(
            *tables,
            best[0][0],
            best_strongest,
            best[2][0],
            *(index for _, index in best),
            mean=float(mean_or_nan(best[0][0])),
        )


def _r2(residual, landmark, groups, fewest):
    """1 - residual / total variation, both pooled within the groups and summed over the axes."""
    n = sum(group.sum(axis=-1) for group in groups)
    residual = sum(_variation(residual, group) for group in groups)
    total = sum(_variation(landmark, group) for group in groups)
    # A landmark that never moves cannot be followed; float32 peaks carry about 1e-8.
    defined = (n >= fewest) & (total > 1e-12)
    return np.where(defined, 1 - residual / np.where(defined, total, 1.0), np.nan)


def _with_squares(points):
    """(x, y, x^2 + y^2) of points [filters, images, 2]."""
    x, y = np.ascontiguousarray(np.moveaxis(points, -1, 0))
    return x, y, x * x + y * y


def _variation(points, group):
    x, y, squares = (np.einsum("ft,ft->f", group, column) for column in points)
    n = np.maximum(group.sum(axis=-1), 1)
    # Shares of the diagonal in float64: what the difference of the squares loses is about 1e-15.
    return np.maximum(squares - (x * x + y * y) / n, 0.0)


def part_tracking(
    peaks: ArrayLike,
    landmarks: ArrayLike,
    strengths: ArrayLike | None = None,
    *,
    image_size: Sequence[int] | np.ndarray,
    head: int | None = None,
    top: int = 100,
    strongest: int = 30,
    fewest: int = 10,
    image_ids: ArrayLike | None = None,
) -> TrackingResult:
    """Share of a landmark's variance that is gone once its position is told from the peak's.

    `R2 = 1 - sum var(p_k - p(mu_hat)) / sum var(p_k)`, summed over both axes, in shares of the
    image diagonal. Unlike instability, it is 0 for a detector that always answers the center.
    Three ways: over the `top` images with the highest peak that contain the landmark; over the
    `strongest` of those on which the filter fires; and within facing, the variances pooled within
    the images whose head is left and right of the median, so that telling left from right is
    worth nothing.

    Args:
        peaks: float [images, filters, 2], (x, y) pixels of the center of the peak unit.
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        strengths: float [images, filters], the activation at the peak; a silent filter (0 or less)
            is located at the image's center. None: all fire alike.
        image_size: (height, width) in pixels, or [images, 2] where images differ in size.
        head: index of the landmark that gives facing; None leaves `r2_facing` undefined.
        top: images per filter and landmark that count.
        strongest: firing images of the second way.
        fewest: with fewer firing images than this a landmark is skipped in the second way; a
            filter with no landmark left gets -1.
        image_ids: int [images], breaks ties between equal strengths; None: the order given.

    Returns:
        A `TrackingResult`.

    Raises:
        ValueError: for wrong shapes or activations that are not finite.
    """
    size = np.asarray(image_size, dtype="float64")
    measure = PartTracking(
        size if size.ndim == 1 else (1, 1), top, head=head, strongest=strongest, fewest=fewest
    )
    measure.update(peaks, landmarks, strengths, image_ids=image_ids, image_size=image_size)
    return measure.result()

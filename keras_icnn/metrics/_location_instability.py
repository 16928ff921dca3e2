"""Location instability of filters (paper section 5.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.metrics._top_images import TopImages, TopImagesMeasure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class InstabilityResult:
    """Deviations as shares of the image diagonal; smaller is steadier.

    `per_landmark` [filters, landmarks] (NaN: fewer than 2 images), `per_filter` [filters] (mean
    over the defined landmarks), `mean` over the defined filters.
    """

    per_landmark: np.ndarray
    per_filter: np.ndarray
    mean: float


class LocationInstability(TopImagesMeasure):
    """Streaming form of `location_instability`.

    Args:
        image_size: (height, width) in pixels.
        top: images per filter and landmark that count, those with the highest peak.
        store: a `TopImages` shared with another measure, which then is updated once for both.
    """

    def __init__(
        self,
        image_size: Sequence[int] | None = None,
        top: int = 100,
        store: TopImages | None = None,
    ) -> None:
        self.store = TopImages(image_size, top) if store is None else store

    def result(self) -> InstabilityResult:
        """The `InstabilityResult` of all batches so far."""
        deviations = []
        for k in range(self.store.n_landmarks):
            pieces = self.store.records(k).pieces()
            deviations.append(np.concatenate([_deviation(records) for records in pieces]))
        per_landmark = columns_or_none(deviations, self.store.n_filters)
        per_filter = mean_or_nan(per_landmark)
        return InstabilityResult(per_landmark, per_filter, float(mean_or_nan(per_filter)))


def _deviation(records):
    kept = records.kept
    x, y = np.moveaxis(records.landmark - records.peak, -1, 0)
    distance = np.sqrt(x * x + y * y)
    n = kept.sum(axis=-1)
    distance = np.where(kept, distance, 0.0)
    centered = np.where(kept, distance - (distance.sum(axis=-1) / np.maximum(n, 1))[:, None], 0.0)
    variance = np.square(centered).sum(axis=-1) / np.maximum(n - 1, 1)
    return np.where(n >= 2, np.sqrt(variance), np.nan)


def columns_or_none(columns, rows):
    """Arrays [rows] beside one another: [rows, columns], also where there are no columns."""
    return np.stack(columns, axis=-1) if columns else np.empty((rows, 0))


def mean_or_nan(values):
    """Mean over the last axis without the undefined (NaN) entries; NaN where there are none."""
    values = np.asarray(values, dtype="float64")
    defined = np.isfinite(values)
    n = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def location_instability(
    peaks: ArrayLike,
    landmarks: ArrayLike,
    strengths: ArrayLike | None = None,
    *,
    image_size: Sequence[int] | np.ndarray,
    top: int = 100,
    image_ids: ArrayLike | None = None,
) -> InstabilityResult:
    """How much the distance between a filter's peak and a landmark varies between images.

    `D_fk` is the deviation (N - 1) of `||p_k - p(mu_hat)|| / diagonal` over the `top` images with
    the highest peak among those that contain landmark k; `per_filter` is its mean over k, `mean`
    that over the filters (paper section 5.2.2, without the factor sqrt(2) of its Tables 3-6).

    Args:
        peaks: float [images, filters, 2], (x, y) pixels of the center of the peak unit.
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        strengths: float [images, filters], the activation at the peak. A filter with 0 or less is
            silent on the image: located at the image's center and counted. None: all fire alike.
        image_size: (height, width) in pixels, or [images, 2] where images differ in size.
        top: images per filter and landmark that count. Of equal strengths the earlier image does.
        image_ids: int [images], the order that "earlier" means; None: the order given.

    Returns:
        An `InstabilityResult`. Fewer than 2 images: NaN, left out of the means.

    Raises:
        ValueError: for wrong shapes or activations that are not finite.
    """
    size = np.asarray(image_size, dtype="float64")
    measure = LocationInstability(size if size.ndim == 1 else (1, 1), top)
    measure.update(peaks, landmarks, strengths, image_ids=image_ids, image_size=image_size)
    return measure.result()

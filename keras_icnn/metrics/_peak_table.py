"""The peaks of all images of a split, kept: 8 bytes an image and filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn.metrics import _array_shapes as shapes
from keras_icnn.metrics._top_images import image_center

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class PeakTable:
    """Gathers the peaks of all images that contain a landmark; no others are of use.

    A filter that is silent on an image (peak not above 0) is located at the image's center. What
    comes out is in the order of the images' numbers, so the order of batches does not matter.
    """

    def __init__(self) -> None:
        self._batches = []
        self._images = 0
        self._shape = None

    def update(
        self,
        peaks: ArrayLike,
        landmarks: ArrayLike,
        strengths: ArrayLike | None = None,
        *,
        image_size: Sequence[int] | np.ndarray,
        image_ids: ArrayLike | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            peaks: [images, filters, 2], (x, y) pixels of each filter's peak.
            landmarks: [images, landmarks, 2], (x, y) pixels, NaN where absent.
            strengths: [images, filters], activation at the peak; None: every filter fires.
            image_size: (height, width) in pixels, or [images, 2] of them.
            image_ids: distinct numbers that give the images' order; None counts on.
        """
        peaks = shapes.as_peaks(peaks)
        images = len(peaks)
        landmarks = shapes.as_landmarks(landmarks, images)
        strengths = shapes.as_strengths(strengths, peaks.shape[:2])
        size = np.broadcast_to(shapes.as_image_size(image_size, images), (images, 2))
        shape = peaks.shape[1], landmarks.shape[1]
        if self._shape not in (None, shape):
            raise ValueError(
                "Every batch must have the same filters and landmarks: "
                f"{self._shape[0]} and {self._shape[1]}. "
                f"Received: peaks.shape={peaks.shape}, landmarks.shape={landmarks.shape}"
            )
        self._shape = shape
        if image_ids is None:
            image_ids = np.arange(self._images, self._images + images)
        self._images += images
        places = relative_places(peaks, strengths, size)
        if not np.isfinite(places).all():
            raise ValueError(
                "`peaks` must be finite where `strengths` is above 0. Received: NaN or infinity"
            )
        known = np.isfinite(landmarks).all(axis=-1).any(axis=-1)
        self._batches.append(
            (
                np.asarray(image_ids, "int64")[known],
                places[known].astype("float32"),
                relative(landmarks, size)[known],
                size[known],
            )
        )

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places [images, filters, 2] and landmarks [images, landmarks, 2] as shares of the
        image's width and height from its center, and the sizes [images, 2]."""
        if not self._batches:
            raise ValueError("No images were given: call `update` first.")
        ids, *arrays = (np.concatenate(column) for column in zip(*self._batches, strict=True))
        # In order already, as they mostly are: no copy.
        if (ids[1:] >= ids[:-1]).all():
            return tuple(arrays)
        order = np.argsort(ids, kind="stable")
        return tuple(array[order] for array in arrays)

    def shares_of_diagonal(self) -> tuple[np.ndarray, np.ndarray]:
        """The same places and landmarks, from the center, as shares of the image's diagonal."""
        places, landmarks, size = self.arrays()
        scale = (size[:, ::-1] / np.hypot(size[:, 0], size[:, 1])[:, None])[:, None]
        return places * scale.astype("float32"), landmarks * scale


class PeakTableMeasure:
    """What the measures on a `PeakTable` share: their table, and how batches get into it.

    Args:
        image_size: (height, width) in pixels; None where every `update` is given it.
        store: a `PeakTable` shared with another measure, which then is updated once for both.
    """

    def __init__(self, image_size: Sequence[int] | None, store: PeakTable | None) -> None:
        self.store = PeakTable() if store is None else store
        self._image_size = image_size

    def update(
        self,
        peaks: ArrayLike,
        landmarks: ArrayLike,
        strengths: ArrayLike | None = None,
        **options: Any,
    ) -> None:
        """Adds a batch, as `PeakTable.update`; `image_size` may be given anew."""
        self.store.update(peaks, landmarks, strengths, **{"image_size": self._image_size} | options)


def relative_places(peaks, strengths, size):
    """Peaks as shares of the image's width and height from its center, where silent filters are."""
    return relative(np.where(strengths[..., None] > 0, peaks, image_center(size)[:, None]), size)


def relative(points, size):
    """Points [images, n, 2] as shares of the image's width and height from its center."""
    return (points - image_center(size)[:, None]) / size[:, None, ::-1]

"""The strongest images of each filter and landmark, kept in one pass with bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics import _array_shapes as shapes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_LAST_ID = np.uint64(0xFFFFFFFF)
# Merging costs a partition per filter and landmark, so batches are gathered first.
_PENDING_IMAGES = 256
_PIECE = 1 << 12


class Records(NamedTuple):
    """What was kept for one landmark; t <= top images per filter, strongest first.

    `kept` bool [filters, t] (False: fewer images contain the landmark), `strength` [filters, t],
    `peak` and `landmark` [filters, t, 2] as shares of the image diagonal, `facing` [filters, t]:
    0 head left of the median, 1 right, -1 unknown.
    """

    kept: np.ndarray
    strength: np.ndarray
    peak: np.ndarray
    landmark: np.ndarray
    facing: np.ndarray

    def pieces(self):
        """The records of some filters at a time, in order.

        Temporary arrays of a moderate size: what the C library maps and gives back each time
        costs more than the sums made of it.
        """
        step = 1 + _PIECE // max(1, self.kept.shape[1])
        for first in range(0, len(self.kept), step):
            yield Records(*(column[first : first + step] for column in self))


def facing(landmarks, head):
    """Which way each image faces, from the head landmark (left or right of the median).

    Args:
        landmarks: float [images, landmarks, 2] of one category, NaN where absent.
        head: index of the head landmark, or None.

    Returns:
        int array [images]: 0 where the head's x is below the median, 1 where it is not, -1 where
        the head is absent or `head` is None.
    """
    landmarks = np.asarray(landmarks, dtype="float64")
    result = np.full(len(landmarks), -1)
    if head is None:
        return result
    x = landmarks[:, head, 0]
    seen = np.isfinite(landmarks[:, head]).all(axis=-1)
    if seen.any():
        result[seen] = x[seen] >= np.median(x[seen])
    return result


def image_center(image_size):
    """(x, y) of the image's center; pixel centers have whole numbers, so 111.5 of 224."""
    size = np.asarray(image_size, dtype="float64")
    return (size[..., ::-1] - 1) / 2


class TopImages:
    """Keeps, per filter and landmark, the `top` images with the highest peak (paper 5.2.2).

    Only images that contain the landmark compete. Equal strengths: the image with the lower number
    is kept, so the order of batches does not matter. A filter that is silent on an image (peak not
    above 0) is located at the image's center and counted.

    Args:
        image_size: (height, width) of the images in pixels.
        top: how many images to keep.
        head: index of the landmark that gives facing; used when `update` gets no `facing`.
    """

    def __init__(self, image_size: Sequence[int], top: int = 100, head: int | None = None) -> None:
        self.image_size = shapes.as_image_size(image_size)
        self.top = check.whole_number(top, "top", "TopImages", at_least=2)
        self.head = head
        self._filters = None
        self._keys = []
        self._peaks = []
        self._pending = []
        self._info = []
        self._images = 0
        self._records = {}  # two measures ask for the same ones

    def update(
        self,
        peaks: ArrayLike,
        landmarks: ArrayLike,
        strengths: ArrayLike | None = None,
        *,
        image_ids: ArrayLike | None = None,
        facing: ArrayLike | None = None,
        image_size: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            peaks: [images, filters, 2], (x, y) pixels of each filter's peak.
            landmarks: [images, landmarks, 2], (x, y) pixels, NaN where absent.
            strengths: [images, filters], activation at the peak; None: every filter fires alike.
            image_ids: distinct numbers below 2**32 - 1 that break ties; None counts on.
            facing: int [images], 0, 1 or -1 (unknown). None: from the head landmark and the median
                of all images seen, when the class was given `head`.
            image_size: (height, width), or [images, 2] of them, where it differs from the class's.
        """
        self._records = {}
        peaks = shapes.as_peaks(peaks)
        images, filters = peaks.shape[:2]
        landmarks = shapes.as_landmarks(landmarks, images)
        strengths = shapes.as_strengths(strengths, (images, filters))
        size = self.image_size if image_size is None else image_size
        size = shapes.as_image_size(size, images)
        # Images of different size have the corner in common, which is half a pixel from (0, 0).
        corner = 0.5 if size.ndim == 2 else 0.0
        size = np.broadcast_to(size, (images, 2))
        if image_ids is None:
            image_ids = np.arange(self._images, self._images + images)
        image_ids = np.asarray(image_ids, dtype="uint64")
        if self._filters is None:
            self._filters = filters
            n_landmarks = landmarks.shape[1]
            self._keys = [np.zeros((filters, 0), "uint64") for _ in range(n_landmarks)]
            self._peaks = [np.zeros((filters, 0, 2), "float32") for _ in range(n_landmarks)]
        elif self._filters != filters or len(self._keys) != landmarks.shape[1]:
            raise ValueError(
                "Every batch must have the same filters and landmarks: "
                f"{self._filters} and {len(self._keys)}. "
                f"Received: peaks.shape={peaks.shape}, landmarks.shape={landmarks.shape}"
            )
        diagonal = np.hypot(size[:, 0], size[:, 1])
        peaks = np.where(strengths[..., None] > 0, peaks, image_center(size)[:, None])
        if not np.isfinite(peaks).all():
            raise ValueError(
                "`peaks` must be finite where `strengths` is above 0. Received: NaN or infinity"
            )
        # The bits of non-negative floats sort as the floats do; the low half breaks ties.
        keys = (strengths.view("uint32").astype("uint64") << np.uint64(32)) | (
            _LAST_ID - image_ids[:, None]
        )
        present = np.isfinite(landmarks).all(axis=-1)
        peaks, landmarks = peaks + corner, landmarks + corner
        scaled = peaks / diagonal[:, None, None]
        self._pending.append((keys, scaled.astype("float32"), present))
        if facing is None:
            # Decided in `records`, when the median is known.
            facing = np.full(images, -2 if self.head is not None else -1)
            head_x = landmarks[:, self.head, 0] if self.head is not None else np.zeros(images)
            if self.head is not None:
                head_x = np.where(present[:, self.head], head_x, np.nan)
                if corner:  # left and right of images that differ in width
                    head_x = head_x / size[:, 1]
        else:
            head_x = np.full(images, np.nan)
        self._info.append(
            (image_ids, landmarks / diagonal[:, None, None], np.asarray(facing), head_x)
        )
        self._images += images
        if sum(len(keys) for keys, _, _ in self._pending) >= _PENDING_IMAGES:
            self._merge()

    def _merge(self):
        if not self._pending:
            return
        keys = np.concatenate([p[0] for p in self._pending]).T
        peaks = np.concatenate([p[1] for p in self._pending]).transpose(1, 0, 2)
        present = np.concatenate([p[2] for p in self._pending])
        self._pending = []
        for k in range(len(self._keys)):
            seen = present[:, k]
            candidates = np.concatenate([self._keys[k], keys[:, seen]], axis=1)
            places = np.concatenate([self._peaks[k], peaks[:, seen]], axis=1)
            surplus = candidates.shape[1] - self.top
            if surplus > 0:
                chosen = np.argpartition(candidates, surplus, axis=1)[:, surplus:]
                candidates = np.take_along_axis(candidates, chosen, axis=1)
                places = np.take_along_axis(places, chosen[..., None], axis=1)
            self._keys[k], self._peaks[k] = candidates, places

    @property
    def n_landmarks(self) -> int:
        self._require_images()
        return len(self._keys)

    @property
    def n_filters(self) -> int:
        self._require_images()
        return self._filters

    def _require_images(self):
        if self._filters is None:
            raise ValueError("No images were measured: call `update` before `result`.")

    def records(self, k: int) -> Records:
        """The `Records` of landmark number `k`."""
        if k not in self._records:
            self._records[k] = self._sorted_records(k)
        return self._records[k]

    def _sorted_records(self, k):
        self._require_images()
        self._merge()
        order = np.argsort(self._keys[k], axis=1)[:, ::-1]
        keys = np.take_along_axis(self._keys[k], order, axis=1)
        peaks = np.take_along_axis(self._peaks[k], order[..., None], axis=1)
        ids = np.concatenate([info[0] for info in self._info])
        landmarks = np.concatenate([info[1] for info in self._info])[:, k]
        side = np.concatenate([info[2] for info in self._info])
        head_x = np.concatenate([info[3] for info in self._info])
        undecided = side == -2
        if undecided.any():
            known = undecided & np.isfinite(head_x)
            median = np.median(head_x[known]) if known.any() else 0.0
            side = np.where(known, head_x >= median, np.where(undecided, -1, side))
        by_id = np.argsort(ids)
        wanted = _LAST_ID - (keys & _LAST_ID)
        index = by_id[np.searchsorted(ids[by_id], wanted.ravel())].reshape(wanted.shape)
        return Records(
            kept=keys > 0,
            strength=(keys >> np.uint64(32)).astype("uint32").view("float32"),
            peak=peaks.astype("float64"),
            landmark=landmarks[index],
            facing=side[index],
        )


class TopImagesMeasure:
    """What the measures on `TopImages` share: how batches get into their `store`."""

    store: TopImages

    def update(
        self,
        peaks: ArrayLike,
        landmarks: ArrayLike,
        strengths: ArrayLike | None = None,
        **options: Any,
    ) -> None:
        """Adds a batch, as `TopImages.update`: `facing` and `image_size` may be given besides."""
        self.store.update(peaks, landmarks, strengths, **options)

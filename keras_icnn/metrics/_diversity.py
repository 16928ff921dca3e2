"""Which filters are alive, and whether they differ from one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn.metrics import _array_shapes as shapes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# The distances between all units of a map are kept up to this many.
_UNITS = 512


class Alive:
    """Streaming form of `alive`."""

    def __init__(self) -> None:
        self._fired = 0
        self._images = 0

    def update(self, strengths: ArrayLike) -> None:
        """Adds peak activations [images, filters]."""
        strengths = np.asarray(strengths)
        self._fired = self._fired + (strengths > 0).sum(axis=0)
        self._images += len(strengths)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """(alive, share): bool and float [filters]."""
        share = np.asarray(self._fired) / max(self._images, 1)
        return share > 0.5, share


def alive(strengths: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Filters whose peak is above 0 on more than half of the images.

    Args:
        strengths: float [images, filters], the highest activation of each filter's map.

    Returns:
        (alive, share): bool [filters] and the share of images on which each fires.
    """
    measure = Alive()
    measure.update(strengths)
    return measure.result()


class PeakDiversity:
    """Streaming form of `peak_diversity`."""

    def __init__(self, image_size: Sequence[int]) -> None:
        self.diagonal = float(np.hypot(*shapes.as_image_size(image_size)))
        self._distance = 0.0
        self._pairs = 0
        self._apart = None

    def update_units(self, units: np.ndarray, strengths: np.ndarray, centers: np.ndarray) -> None:
        """`update` from the numbers of the peak units [images, filters].

        Args:
            units: int [images, filters].
            strengths: float [images, filters].
            centers: float [h, w, 2], the units' centers; the same ones every time.
        """
        if self._apart is None:
            places = centers.reshape(-1, 2) @ (1, 1j)
            # Of large maps only the units that are peaks are looked at.
            self._apart = np.abs(places[:, None] - places) if len(places) <= _UNITS else places
        for unit, firing in zip(units, strengths > 0, strict=True):
            # Peaks share few units, so pairs of units are weighed by their numbers of filters.
            count = np.bincount(unit[firing], minlength=len(self._apart)).astype("float64")
            apart = self._apart
            if apart.ndim == 1:
                used = np.flatnonzero(count)
                count, apart = count[used], np.abs(apart[used, None] - apart[used])
            self._distance += float(count @ apart @ count)
            n = int(count.sum())
            self._pairs += n * (n - 1)

    def update(
        self,
        peaks: ArrayLike,
        strengths: ArrayLike | None = None,
        *,
        image_size: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        """Adds peaks [images, filters, 2] and peak activations [images, filters].

        `image_size`: [images, 2] where images differ in size from the class's.
        """
        peaks = shapes.as_peaks(peaks)
        if image_size is not None:
            size = shapes.as_image_size(image_size, len(peaks))
            own = np.broadcast_to(np.hypot(size[..., 0], size[..., 1]), len(peaks))
            peaks = peaks * (self.diagonal / own)[:, None, None]
        fires = shapes.as_strengths(strengths, peaks.shape[:2]) > 0
        places = peaks[..., 0] + 1j * peaks[..., 1]
        for place, firing in zip(places, fires, strict=True):
            # Peaks share few units, so pairs of units are weighed by their numbers of filters.
            unit, count = np.unique(place[firing], return_counts=True)
            self._distance += float(count @ np.abs(unit[:, None] - unit[None]) @ count)
            n = int(count.sum())
            self._pairs += n * (n - 1)

    def result(self) -> float:
        """The mean distance as a share of the diagonal; NaN when no two filters ever fired."""
        return self._distance / self._pairs / self.diagonal if self._pairs else float("nan")


def peak_diversity(
    peaks: ArrayLike, strengths: ArrayLike | None = None, *, image_size: Sequence[int]
) -> float:
    """Mean distance between the peaks of two filters in an image, over pairs that both fire.

    Near 0, all filters point at one place: many copies of one detector.

    Args:
        peaks: float [images, filters, 2], (x, y) pixels.
        strengths: float [images, filters]; 0 or less is silent. None: all fire.
        image_size: (height, width) in pixels.

    Returns:
        float, share of the image diagonal; NaN when no two filters ever fire together.
    """
    measure = PeakDiversity(image_size)
    measure.update(peaks, strengths)
    return measure.result()


def part_diversity(parts: Iterable[Any]) -> float:
    """How many different parts the filters stand for: exp of the entropy of their best parts.

    512 copies of a head detector are one part: 1.0; filters spread evenly over K parts: K.

    Args:
        parts: sequence of each filter's part (or landmark); None, "" and -1 are left out.

    Returns:
        float; NaN when no filter has a part.
    """
    known = [part for part in parts if part is not None and part != "" and part != -1]
    if not known:
        return float("nan")
    _, count = np.unique(np.asarray(known), return_counts=True)
    p = count / count.sum()
    return float(np.exp(-(p * np.log(p)).sum()))

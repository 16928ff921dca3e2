"""Anatomy: part tracking in the object's own frame, where left and right of the image are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._sample import mirrored_names
from keras_icnn.metrics._followed_variation import best_landmark, followed_variation
from keras_icnn.metrics._location_instability import mean_or_nan
from keras_icnn.metrics._peak_table import PeakTable, PeakTableMeasure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class AnatomyResult:
    """R2 of each filter's peak in the object's own frame.

    `r2` [filters, landmarks] (NaN: undefined), `per_filter` [filters] its value at the best
    landmark, `landmark` int [filters] which one that is (-1: none), `mean` over the filters, each
    with at least 0. `images` int [landmarks]: how many contain the landmark and tell a facing.
    """

    r2: np.ndarray
    per_filter: np.ndarray
    landmark: np.ndarray
    mean: float
    images: np.ndarray


class PartAnatomy(PeakTableMeasure):
    """Streaming form of `part_anatomy`.

    Args:
        image_size: (height, width) in pixels; None where every `update` is given it.
        landmark_names: names of the landmarks, which tell pairs of left and right.
        fewest: a landmark on fewer images than this is undefined.
        store: a `PeakTable` shared with another measure, which then is updated once for both.
    """

    def __init__(
        self,
        image_size: Sequence[int] | None = None,
        landmark_names: Sequence[str] | None = None,
        *,
        fewest: int = 10,
        store: PeakTable | None = None,
    ) -> None:
        self.fewest = check.whole_number(fewest, "fewest", "PartAnatomy", at_least=2)
        super().__init__(image_size, store)
        self._names = landmark_names

    def result(self) -> AnatomyResult:
        """The `AnatomyResult` of all batches so far."""
        places, landmarks = self.store.shares_of_diagonal()
        pairs = mirrored_landmarks(self._names, landmarks.shape[1])
        side = facing_of_landmarks(landmarks, pairs)
        known = side >= 0
        places, landmarks, turned = places[known], landmarks[known], side[known] == 0
        landmarks = np.where(turned[:, None, None], landmarks[:, pairs], landmarks)
        turn = np.ones((len(places), 1, 2), "float32")
        turn[turned, :, 0] = -1
        places, landmarks = places * turn, landmarks * turn
        present = np.isfinite(landmarks).all(axis=-1)
        images = present.sum(axis=0)
        r2 = followed_variation(places, landmarks, present & (images >= self.fewest))
        per_filter, index = best_landmark(r2)
        mean = float(mean_or_nan(np.maximum(per_filter, 0.0)))
        return AnatomyResult(r2, per_filter, index, mean, images)


def part_anatomy(
    peaks: ArrayLike,
    landmarks: ArrayLike,
    strengths: ArrayLike | None = None,
    *,
    image_size: Sequence[int] | np.ndarray,
    landmark_names: Sequence[str] | None = None,
    fewest: int = 10,
    image_ids: ArrayLike | None = None,
) -> AnatomyResult:
    """Part tracking in the object's own frame: the peak must be mirrored where the object is.

    A detector that answers "two units to the right of the head" tracks the head as well as the head
    detector does, but it is before the face of one animal and in the neck of the next. Here every
    image whose object faces left is mirrored, with peaks and landmarks, and R2 is computed as in
    `part_coverage` over all images. Whatever is said in terms of the image's left and right then
    varies, and knowing only which way the object faces is worth nothing.

    Which way an object faces is told by its landmarks: the x coordinates of an image's landmarks,
    from their mean, are projected on the direction in which they vary most over all images (from
    tail to head, say), and the sign counts. Images with fewer than two landmarks are left out.
    Landmarks whose names differ by "left" and "right" only change places in a mirrored image, and
    tell the facing together.

    Args:
        peaks: float [images, filters, 2], (x, y) pixels of the center of the peak unit.
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        strengths: float [images, filters], the activation at the peak; a silent filter (0 or less)
            is located at the image's center. None: all fire.
        image_size: (height, width) in pixels, or [images, 2] where images differ in size.
        landmark_names: names of the landmarks; None: no pairs of left and right.
        fewest: a landmark on fewer images than this is undefined; at least 2.
        image_ids: int [images], the images' order; None: the order given.

    Returns:
        An `AnatomyResult`.

    Raises:
        ValueError: for wrong shapes or activations that are not finite.
    """
    measure = PartAnatomy(image_size, landmark_names, fewest=fewest)
    measure.update(peaks, landmarks, strengths, image_ids=image_ids)
    return measure.result()


def mirrored_landmarks(names, landmarks):
    """Place of each landmark's mirror image, int [landmarks]: its own but for left and right."""
    if names is None:
        return np.arange(landmarks)
    if len(names) != landmarks:
        raise ValueError(
            f"`landmark_names` must name each of the {landmarks} landmarks. Received: {names!r}"
        )
    return mirrored_names(names)


def facing_of_landmarks(landmarks, pairs):
    """Which way each image's object faces, from where its landmarks lie beside one another.

    Args:
        landmarks: float [images, landmarks, 2], NaN where absent.
        pairs: int [landmarks], from `mirrored_landmarks`.

    Returns:
        int [images]: 1 where the landmarks that vary most lie to the right, 0 where to the left,
        -1 for fewer than two landmarks (of a pair one counts).
    """
    x = np.where(np.isfinite(landmarks).all(axis=-1), landmarks[..., 0], np.nan)
    first = np.flatnonzero(np.arange(len(pairs)) <= pairs)
    x = mean_or_nan(np.stack([x[:, first], x[:, pairs[first]]], axis=-1))
    seen = np.isfinite(x)
    known = seen.sum(axis=1) >= 2
    apart = np.where(seen & known[:, None], x - mean_or_nan(x)[:, None], 0.0)
    if not known.any():
        return np.full(len(x), -1)
    direction = np.linalg.eigh(apart.T @ apart)[1][:, -1]
    direction = direction * np.sign(direction[np.abs(direction).argmax()])
    return np.where(known, (apart @ direction >= 0).astype(int), -1)

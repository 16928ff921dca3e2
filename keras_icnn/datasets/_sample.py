"""`Sample`: one image of a data set and everything known about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """One image and everything known about it.

    Attributes:
        image: uint8 `[height, width, 3]`, RGB.
        label: Position in the data set's `class_names`.
        landmarks: float32 `[landmarks, 2]`, each `(x, y)` in pixels, `(0, 0)` the center of
            the upper left pixel; NaN where the image has no such landmark.
        parts: bool `[parts, height, width]`, a mask a part; all `False` where it has none.
        file: The image's file, or a name that identifies a generated image.
    """

    image: np.ndarray
    label: int
    landmarks: np.ndarray
    parts: np.ndarray
    file: str

    def flipped(self, landmark_names: Sequence[str] = (), part_names: Sequence[str] = ()) -> Sample:
        """The same image mirrored left to right, landmarks and masks with it.

        Args:
            landmark_names: Names of the landmarks: those that differ by "left" and "right" only
                change places, as a left eye looks like a right one in the mirror. Empty: none do.
            part_names: The same of the masks.
        """
        points = mirrored_points(self.landmarks, self.image.shape[1])
        masks = self.parts[:, :, ::-1]
        return self._replace(
            image=self.image[:, ::-1],
            landmarks=points[mirrored_names(landmark_names)] if landmark_names else points,
            parts=masks[mirrored_names(part_names)] if part_names else masks,
        )


_OTHER = {"left": "right", "right": "left"}


def mirrored_names(names):
    """Place of what each name is called in the mirror, int `[names]`.

    It is its own but for left and right: `["nose", "left eye", "right eye"]` gives `[0, 2, 1]`. A
    left one without a right one stays.
    """
    lower = [str(name).lower() for name in names]
    mirrored = [re.sub("left|right", lambda found: _OTHER[found[0]], name) for name in lower]
    return np.array(
        [lower.index(m) if m in lower else k for k, m in enumerate(mirrored)], dtype=int
    )


def mirrored_points(landmarks, width):
    """Points `[..., 2]`, `(x, y)`, in the mirror image of an image of `width` pixels."""
    mirrored = landmarks.copy()
    mirrored[..., 0] = width - 1 - landmarks[..., 0]
    return mirrored

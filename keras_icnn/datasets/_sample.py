"""`Sample`: one image of a data set and everything known about it."""

from __future__ import annotations

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

    def flipped(self) -> Sample:
        """The same image mirrored left to right, landmarks and masks with it."""
        return self._replace(
            image=self.image[:, ::-1],
            landmarks=mirrored_points(self.landmarks, self.image.shape[1]),
            parts=self.parts[:, :, ::-1],
        )


def mirrored_points(landmarks, width):
    """Points `[..., 2]`, `(x, y)`, in the mirror image of an image of `width` pixels."""
    mirrored = landmarks.copy()
    mirrored[..., 0] = width - 1 - landmarks[..., 0]
    return mirrored

"""Validation shared by the measures: every error names the argument and what was received."""

import numpy as np


def as_peaks(peaks):
    peaks = np.asarray(peaks, dtype="float64")
    if peaks.ndim != 3 or peaks.shape[-1] != 2:
        raise ValueError(
            "`peaks` must have shape [images, filters, 2] with (x, y) pixels in its last axis. "
            f"Received: peaks.shape={peaks.shape}"
        )
    return peaks


def as_strengths(strengths, shape):
    """Peak activations of shape [images, filters]; all ones (every filter fires) where None."""
    if strengths is None:
        return np.ones(shape, dtype="float32")
    strengths = np.asarray(strengths, dtype="float32")
    if strengths.shape != tuple(shape):
        raise ValueError(
            f"`strengths` must have the shape [images, filters] of `peaks`, {tuple(shape)}. "
            f"Received: strengths.shape={strengths.shape}"
        )
    if not np.isfinite(strengths).all():
        raise ValueError(
            "`strengths` must be finite. Received: NaN or infinite activations; check that the "
            "network did not diverge and that its input has the right preprocessing."
        )
    return np.maximum(strengths, 0.0)


def as_landmarks(landmarks, images):
    landmarks = np.asarray(landmarks, dtype="float64")
    if landmarks.ndim != 3 or landmarks.shape[-1] != 2 or landmarks.shape[0] != images:
        raise ValueError(
            f"`landmarks` must have shape [images={images}, landmarks, 2] with (x, y) pixels, "
            f"NaN where absent. Received: landmarks.shape={landmarks.shape}"
        )
    return landmarks


def as_maps(maps):
    maps = np.asarray(maps)
    if maps.ndim != 4:
        raise ValueError(
            "`maps` must have shape [images, height, width, filters]. "
            f"Received: maps.shape={maps.shape}"
        )
    if maps.dtype != np.float32:  # bfloat16 and float16 have no fast NumPy arithmetic
        maps = maps.astype("float32")
    return maps


def as_centers(centers):
    centers = np.asarray(centers, dtype="float64")
    if centers.ndim != 3 or centers.shape[-1] != 2:
        raise ValueError(
            "`centers` must have shape [height, width, 2] with the (x, y) pixel of every unit's "
            "center, as in `receptive_field(model, layer).centers`. "
            f"Received: centers.shape={centers.shape}"
        )
    return centers


def as_image_size(image_size, images=None, name="image_size"):
    """One (height, width), or with `images` one per image as an array [images, 2]."""
    size = np.asarray(image_size, dtype="float64")
    per_image = images is not None and size.ndim == 2
    if (size.shape != (2,) and not (per_image and size.shape == (images, 2))) or (size < 1).any():
        raise ValueError(
            f"`{name}` must be (height, width) in pixels"
            + ("" if images is None else f", or an array [images={images}, 2] of them")
            + f". Received: {name}={image_size!r}"
        )
    return size

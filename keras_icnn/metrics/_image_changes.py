"""Images changed as cameras and files change them, and images with their content hidden."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from keras_icnn.datasets import PartDataset

# Strengths 1 to 3 are the severities 1, 3 and 5 of the paper's five.
_STRENGTHS = {
    "gaussian_noise": (0.08, 0.18, 0.38),
    "gaussian_blur": (1.0, 3.0, 6.0),
    "brightness": (0.1, 0.3, 0.5),
    "contrast": (0.4, 0.2, 0.05),
    "jpeg": (25, 15, 7),
}
CORRUPTIONS = tuple(_STRENGTHS)


def corrupt(image: ArrayLike, kind: str, strength: int, seed: int = 0) -> np.ndarray:
    """An image with one of five common corruptions.

    The constants are those of ImageNet-C, its severities 1, 3 and 5; for images of another size
    than its 224 x 224 they are the same numbers of pixels.

    Args:
        image: `[height, width, 3]`, 0 to 255.
        kind: `"gaussian_noise"`, `"gaussian_blur"`, `"brightness"`, `"contrast"` or `"jpeg"`.
        strength: 1 (weak), 2 or 3 (strong).
        seed: of the noise; the other kinds do not draw.

    Returns:
        uint8 `[height, width, 3]`.

    Raises:
        ValueError: for an unknown kind or strength.

    Reference:
        Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions
        and perturbations", ICLR 2019.
    """
    kind = check.choice(kind, "kind", "corrupt", CORRUPTIONS)
    strength = check.whole_number(strength, "strength", "corrupt", at_least=1, at_most=3)
    image = _as_image(image, "corrupt")
    amount = _STRENGTHS[kind][strength - 1]
    if kind == "jpeg":
        return jpeg(image, amount)
    if kind == "gaussian_blur":
        return _bytes(blurred(image, amount))
    x = image / 255.0
    if kind == "gaussian_noise":
        x = x + np.random.default_rng(seed).normal(0, amount, x.shape)
    elif kind == "contrast":
        mean = x.mean(axis=(0, 1))
        x = (x - mean) * amount + mean
    else:
        # The value of HSV is the largest channel; hue and saturation stay.
        value = x.max(axis=-1, keepdims=True)
        brighter = np.clip(value + amount, 0, 1)
        x = np.where(value > 0, x * brighter / np.where(value > 0, value, 1), brighter)
    return _bytes(255 * x)


def corrupted(dataset: PartDataset, kind: str, strength: int, seed: int = 0) -> PartDataset:
    """A data set whose images are corrupted when they are read; annotations stay.

    Args:
        dataset: `PartDataset`.
        kind, strength: as in `corrupt`.
        seed: image `i` draws from `(seed, i)`.
    """
    from keras_icnn.datasets import PartDataset

    check.choice(kind, "kind", "corrupted", CORRUPTIONS)
    check.whole_number(strength, "strength", "corrupted", at_least=1, at_most=3)
    return PartDataset(
        image=lambda i: corrupt(dataset.image(i), kind, strength, (seed, i)),
        parts=dataset.part_masks,
        labels=dataset.labels,
        files=dataset.files,
        class_names=dataset.class_names,
        image_size=dataset.image_size,
        landmarks=dataset.landmarks,
        landmark_names=dataset.landmark_names,
        part_names=dataset.part_names,
    )


def blurred(image: ArrayLike, sigma: float) -> np.ndarray:
    """An image after a Gaussian blur, its edge pixels repeated outwards.

    Args:
        image: `[height, width, channels]`.
        sigma: pixels.

    Returns:
        float32, shaped as the image.
    """
    sigma = check.positive(sigma, "sigma", "blurred")
    image = np.asarray(image, "float32")
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    weights /= weights.sum()
    for axis in (0, 1):
        image = _smooth(image, weights.astype("float32"), reach, axis)
    return image


def mean_filled(image: ArrayLike) -> np.ndarray:
    """An image of the mean color of an image: float32, shaped as it."""
    image = np.asarray(image, "float32")
    return np.broadcast_to(image.mean(axis=(0, 1)), image.shape).copy()


def shifted(image: ArrayLike, right: int = 1, down: int = 0) -> np.ndarray:
    """An image moved by whole pixels, its edge pixels repeated.

    Args:
        image: `[height, width, channels]`.
        right, down: pixels; below 0 to the left and up.

    Returns:
        An array shaped as the image.
    """
    image = np.asarray(image)
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows][:, columns]


def jpeg(image: ArrayLike, quality: int) -> np.ndarray:
    """An image after JPEG compression: uint8 `[height, width, 3]`.

    Args:
        image: `[height, width, 3]`, 0 to 255.
        quality: 1 to 95.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(_bytes(_as_image(image, "jpeg"))).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file).convert("RGB"))


def _smooth(image, weights, reach, axis):
    padding = [(0, 0)] * image.ndim
    padding[axis] = (reach, reach)
    padded = np.pad(image, padding, mode="edge")
    n = image.shape[axis]
    pieces = (np.take(padded, range(i, i + n), axis=axis) for i in range(len(weights)))
    return sum(w * piece for w, piece in zip(weights, pieces, strict=True))


def _as_image(image, where):
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(
            f"Argument `image` of {where} must have the shape [height, width, 3]. Received: "
            f"image.shape={image.shape}. Pass one image of a batch."
        )
    return image


def _bytes(image):
    return np.clip(np.rint(image), 0, 255).astype("uint8")

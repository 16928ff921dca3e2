"""Saliency maps by methods in common use, to compare explanations by parts with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.explanations._classes import Classes
from keras_icnn.metrics import blurred, mean_filled, receptive_field
from keras_icnn.models._split_model import SplitModel, whole_gradient, whole_logits

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from keras_icnn.models._receptive_field import ReceptiveField

BASELINES = ("blur", "mean", "black")


def baseline_image(image: ArrayLike, kind: Literal["blur", "mean", "black"]) -> np.ndarray:
    """An image with nothing to see in it: float32, shaped as `image` `[height, width, 3]`.

    `"blur"`: a Gaussian of a tenth of the shorter side; `"mean"`: the image's mean color;
    `"black"`.
    """
    check.choice(kind, "kind", "baseline_image", BASELINES)
    image = np.asarray(image, "float32")
    if kind == "blur":
        return blurred(image, max(min(image.shape[:2]) / 10, 0.5))
    return mean_filled(image) if kind == "mean" else np.zeros_like(image)


class SaliencyMaps:
    """Grad-CAM, occlusion and integrated gradients of a network.

    They explain the score that `icnn.explain` explains: the logit of a class; for class 0 of a
    model with one output minus the logit. All of them run on every backend.

    Args:
        model: functional or sequential Keras model, channels last, that classifies.
        layer: layer of Grad-CAM, or its name; None: as in `icnn.explain`.
        preprocess: function applied to a batch of images (float32, 0 to 255) for the model.
        class_names: names of the classes, or None.
        batch_size: images per forward pass.
        from_logits: whether the model's output is a logit; None: read from the network.

    Raises:
        ValueError: for a model or layer that does not fit.

    Example:

    ```python
    maps = icnn.explanations.SaliencyMaps(model)
    saliency = maps.grad_cam(image)  # [height, width]
    ```
    """

    def __init__(
        self,
        model: keras.Model,
        layer: keras.layers.Layer | str | None = None,
        *,
        preprocess: Callable[[np.ndarray], Any] | None = None,
        class_names: list[str] | None = None,
        batch_size: int = 32,
        from_logits: bool | None = None,
    ) -> None:
        self.split = SplitModel(model, layer, batch_size, from_logits)
        self.classes = Classes(self.split.classes, class_names)
        self._preprocess = preprocess
        self._field = None
        self._logits = whole_logits(self.split)
        self._gradient = None

    def logits(self, images: ArrayLike) -> np.ndarray:
        """Logits of images `[n, height, width, 3]`, 0 to 255: float64 `[n, outputs]`."""
        return self._logits(self._fed(images))

    def scores(self, images: ArrayLike, weights: ArrayLike) -> np.ndarray:
        """The weighted sums of the logits of images: float64 `[n]`."""
        return self.logits(images) @ np.asarray(weights, "float64")

    def weights(self, image: ArrayLike, target: int | str | None = None) -> np.ndarray:
        """The weights `[outputs]` of the logits in a class's score; None: the predicted one."""
        logits = self.logits(np.asarray(image)[None])[0]
        return self.classes.asked(logits, target, None)[2]

    def grad_cam(self, image: ArrayLike, target: int | str | None = None) -> np.ndarray:
        """Grad-CAM: the layer's maps, weighted by their mean gradient, and rectified.

        Values between units are interpolated at the centers of their receptive fields. Where
        what is above the layer is a mean and a linear layer, it is the class activation map.

        Args:
            image: `[height, width, 3]`, 0 to 255.
            target: class, its number or name; None: the predicted one.

        Returns:
            float64 `[height, width]`.

        Reference:
            Selvaraju et al., "Grad-CAM", ICCV 2017, equations (1) and (2).
        """
        image = _one_image(image, "grad_cam")
        tensors = self.split.below(self._fed(image[None]))
        weights = self.classes.asked(self.split.logits(tensors)[0], target, None)[2]
        gradient = self.split.gradient(tensors, weights[None])[0].astype("float64")
        units = np.maximum(tensors[0][0].astype("float64") @ gradient.mean(axis=(0, 1)), 0)
        return at_pixels(units, self._field_of(image.shape[:2]))

    def occlusion(
        self,
        image: ArrayLike,
        target: int | str | None = None,
        *,
        patch: int | None = None,
        stride: int | None = None,
        baseline: Literal["blur", "mean", "black"] = "mean",
    ) -> np.ndarray:
        """Occlusion: by how much the score falls when a square is hidden; mean over the squares.

        Args:
            image, target: as in `grad_cam`.
            patch: side of the square; None: a seventh of the image's shorter side.
            stride: pixels between squares; None: half of `patch`. There are about
                `(height / stride) * (width / stride)` forward passes.
            baseline: what hides: `"blur"`, `"mean"` or `"black"`.

        Returns:
            float64 `[height, width]`.

        Reference:
            Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
        """
        image = _one_image(image, "occlusion")
        height, width = image.shape[:2]
        patch = max(min(height, width) // 7, 1) if patch is None else patch
        check.whole_number(patch, "patch", "occlusion", at_least=1, at_most=min(height, width))
        stride = max(patch // 2, 1) if stride is None else stride
        check.whole_number(stride, "stride", "occlusion", at_least=1, at_most=patch)
        base = baseline_image(image, baseline)
        weights = self.weights(image, target)
        places = [
            (y, x) for y in _starts(height, patch, stride) for x in _starts(width, patch, stride)
        ]
        whole = self.scores(image[None], weights)[0]
        total, seen = np.zeros((height, width)), np.zeros((height, width))
        size = self.split.batch_size
        for first in range(0, len(places), size):
            mine = places[first : first + size]
            batch = np.repeat(image[None], len(mine), axis=0)
            for one, (y, x) in zip(batch, mine, strict=True):
                one[y : y + patch, x : x + patch] = base[y : y + patch, x : x + patch]
            falls = whole - self.scores(batch, weights)
            for fall, (y, x) in zip(falls, mine, strict=True):
                total[y : y + patch, x : x + patch] += fall
                seen[y : y + patch, x : x + patch] += 1
        return total / seen

    def integrated_gradients(
        self,
        image: ArrayLike,
        target: int | str | None = None,
        *,
        steps: int = 16,
        baseline: Literal["blur", "mean", "black"] = "black",
    ) -> np.ndarray:
        """Integrated gradients: gradients on the way from a baseline to the image, summed up.

        The sum over pixels tends to the score of the image less that of the baseline as `steps`
        grows (midpoint rule).

        Args:
            image, target: as in `grad_cam`.
            steps: images on the way, a forward and a backward pass each.
            baseline: `"black"`, `"mean"` or `"blur"`.

        Returns:
            float64 `[height, width]`, summed over the channels.

        Reference:
            Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017,
            equations (1) and (3).
        """
        image = _one_image(image, "integrated_gradients")
        check.whole_number(steps, "steps", "integrated_gradients", at_least=1)
        ends = self._fed(np.stack([baseline_image(image, baseline), image]))
        weights = self.weights(image, target)
        if self._gradient is None:
            self._gradient = whole_gradient(self.split)
        total, size = np.zeros(ends.shape[1:]), self.split.batch_size
        for first in range(0, steps, size):
            numbers = np.arange(first, min(first + size, steps))
            shares = ((numbers + 0.5) / steps)[:, None, None, None]
            batch = (ends[:1] + shares * (ends[1:] - ends[:1])).astype("float32")
            rows = np.repeat(weights[None].astype("float32"), len(batch), axis=0)
            total += self._gradient([batch], rows).astype("float64").sum(axis=0)
        return ((ends[1] - ends[0]).astype("float64") * total / steps).sum(axis=-1)

    def _fed(self, images):
        images = np.asarray(images, "float32")
        return (
            images if self._preprocess is None else np.asarray(self._preprocess(images), "float32")
        )

    def _field_of(self, size) -> ReceptiveField:
        if self._field is None or self._field.image_size != tuple(size):
            self._field = receptive_field(self.split.model, self.split.layer, input_size=size)
        return self._field


def at_pixels(units, field):
    """Values of units, interpolated between their centers: `[h, w]` to `[height, width]`.

    Beyond the outermost centers their values are repeated.
    """
    height, width = field.image_size
    x, y = field.centers[0, :, 0], field.centers[:, 0, 1]
    rows = np.stack([np.interp(np.arange(width), x, row) for row in units])
    return np.stack([np.interp(np.arange(height), y, column) for column in rows.T], axis=1)


def _starts(length, patch, stride):
    """Where squares begin, the last of them at the edge."""
    return sorted({*range(0, length - patch, stride), length - patch})


def _one_image(image, where):
    image = np.asarray(image, "float32")
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(
            f"Argument `image` of {where} must have the shape [height, width, 3]. Received: "
            f"image.shape={image.shape}. Pass one image of a batch."
        )
    return image

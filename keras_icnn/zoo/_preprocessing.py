"""What each network expects of its pixels, as a function and as a layer."""

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_icnn.zoo._manifest import MANIFEST

# Channel order, scale, mean and deviation, applied in that order to RGB pixels in [0, 255].
IMAGENET_MEAN = (123.68, 116.779, 103.939)
MODES = {
    "caffe": ("bgr", 1.0, IMAGENET_MEAN[::-1], (1.0, 1.0, 1.0)),
    "matconvnet": ("rgb", 1.0, IMAGENET_MEAN, (1.0, 1.0, 1.0)),
    "tf": ("rgb", 1 / 127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "torch": ("rgb", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def preprocess_input(name: str, images: ArrayLike, mean: ArrayLike | None = None) -> np.ndarray:
    """Prepares images for a network built with `include_preprocessing=False`.

    Args:
        name: String, the network's registered name, with or without `_interpretable`.
        images: RGB array `(..., height, width, 3)`, pixels in [0, 255].
        mean: Optional array that broadcasts against the images, in place of the network's mean:
            the mean image of a MatConvNet file, as `read_matconvnet` returns it.

    Returns:
        Float32 array of the images' shape.

    Raises:
        ValueError: When the name is unknown, or the images are not RGB.

    Example:

    ```python
    prepared = icnn.zoo.preprocess_input("vgg16_interpretable", images)
    ```
    """
    key = str(name).removesuffix("_interpretable")
    if key not in MANIFEST:
        raise ValueError(
            f"`name` must be a network of the zoo, one of {sorted(MANIFEST)}. "
            f"Received: name={name!r}"
        )
    return preprocess(images, MANIFEST[key].preprocessing, mean)


def preprocess(images, mode, mean=None):
    """Applies a mode of `MODES` to RGB images with pixels in [0, 255], as a NumPy array.

    Args:
        images: Array `(..., height, width, 3)`, any dtype.
        mode: A key of `MODES`.
        mean: Optional array that broadcasts against the images, in the channel order the network
            takes, used in place of the mode's mean (a MatConvNet mean image, for example).

    Returns:
        Float32 array of the images' shape.

    Raises:
        ValueError: When the mode is unknown, or the images do not have three channels last.
    """
    order, scale, default_mean, deviation = _mode(mode)
    x = np.asarray(images, dtype="float32")
    if x.ndim < 3 or x.shape[-1] != 3:
        raise ValueError(
            "`images` must be RGB with channels last, of shape (height, width, 3) or (batch, "
            f"height, width, 3). Received: images of shape {x.shape}"
        )
    if order == "bgr":
        x = x[..., ::-1]
    mean = np.asarray(default_mean if mean is None else mean, "float32")
    return (x * np.float32(scale) - mean) / np.asarray(deviation, "float32")


@keras.saving.register_keras_serializable(package="keras_icnn")
class ImagePreprocessing(keras.layers.Layer):
    """A network's own preprocessing as its first layer.

    Takes RGB pixels in [0, 255]; computes in float32, also under mixed precision.

    Args:
        mode: `"caffe"` (BGR minus the ImageNet mean), `"matconvnet"` (RGB minus the mean),
            `"tf"` (to [-1, 1]) or `"torch"` (to [0, 1], then standardized by channel).
        mean_shape: Optional shape `(height, width, 3)` or `(1, 1, 3)`. When given, the mean is a
            non-trainable weight of that shape that a weight converter fills (MatConvNet models
            carry a mean image); when `None`, the mode's constant.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, 3)`.

    Output shape:
        The input's, float32.

    Raises:
        ValueError: When the mode is unknown, or the input does not have three channels.
    """

    def __init__(self, mode, mean_shape=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        _mode(mode)
        self.mode = mode
        self.mean_shape = None if mean_shape is None else tuple(int(n) for n in mean_shape)
        self.mean = None

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] != 3:
            raise ValueError(
                "`ImagePreprocessing` takes RGB images (batch, height, width, 3); for other inputs "
                f"pass `include_preprocessing=False`. Received: input_shape={tuple(input_shape)}"
            )
        if self.mean_shape is not None:
            default = np.broadcast_to(np.asarray(_mode(self.mode)[2], "float32"), self.mean_shape)
            self.mean = self.add_weight(
                name="mean",
                shape=self.mean_shape,
                initializer=lambda shape, dtype=None: ops.convert_to_tensor(default, dtype),
                trainable=False,
                autocast=False,
            )
        self.built = True

    def call(self, inputs):
        order, scale, mean, deviation = _mode(self.mode)
        x = ops.cast(inputs, "float32")
        if order == "bgr":
            # Slices rather than `flip`: a reversed stride has no counterpart in LiteRT.
            x = ops.concatenate([x[..., 2:3], x[..., 1:2], x[..., 0:1]], axis=-1)
        if scale != 1.0:
            x = x * scale
        x = x - (ops.convert_to_tensor(mean, "float32") if self.mean is None else self.mean)
        if any(d != 1.0 for d in deviation):
            x = x / ops.convert_to_tensor(deviation, "float32")
        return x

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype="float32")

    def get_config(self):
        return {**super().get_config(), "mode": self.mode, "mean_shape": self.mean_shape}


def _mode(mode):
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {sorted(MODES)}. Received: mode={mode!r}")
    return MODES[mode]

"""Local response normalization, the layer AlexNet and its contemporaries need."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_icnn")
class LocalResponseNormalization(keras.layers.Layer):
    """Normalizes each unit by the activity of its neighbors across channels.

    `y_i = x_i / (bias + alpha * sum_{|j - i| <= depth_radius} x_j^2) ** beta`, the sum taken over
    the channels `j` at the same place; channels beyond either end count as zero. `alpha` multiplies
    the plain sum, as in Krizhevsky et al. and MatConvNet (`param = [2 * depth_radius + 1, bias,
    alpha, beta]`); Caffe divides its `alpha` by the size of the window.

    The sum is built from slices, so the layer runs on every backend and exports to ONNX and LiteRT.
    It is computed in float32, also under mixed precision: squares overflow half precision.

    Args:
        depth_radius: Integer >= 0. Neighbors on each side; the window has
            `2 * depth_radius + 1` channels.
        bias: Float > 0, the constant inside the parenthesis.
        alpha: Float >= 0, the weight of the sum of squares.
        beta: Float, the exponent.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of rank 2 or more, channels last.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        The input's.

    Raises:
        ValueError: When an argument is outside its range.

    Example:

    >>> import numpy as np
    >>> layer = LocalResponseNormalization(depth_radius=1, bias=1.0, alpha=1.0, beta=1.0)
    >>> np.asarray(layer(np.ones((1, 1, 1, 3), "float32"))).round(2).tolist()
    [[[[0.33, 0.25, 0.33]]]]

    Reference:
        - [Krizhevsky et al., 2012](https://papers.nips.cc/paper/4824), section 3.3
    """

    def __init__(self, depth_radius=2, bias=1.0, alpha=2e-5, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        if isinstance(depth_radius, bool) or int(depth_radius) != depth_radius or depth_radius < 0:
            raise ValueError(
                "`depth_radius` must be an integer of at least 0. "
                f"Received: depth_radius={depth_radius}"
            )
        if not bias > 0:
            raise ValueError(f"`bias` must be above 0. Received: bias={bias}")
        if not alpha >= 0:
            raise ValueError(f"`alpha` must be at least 0. Received: alpha={alpha}")
        self.depth_radius = int(depth_radius)
        self.bias = float(bias)
        self.alpha = float(alpha)
        self.beta = float(beta)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                "`LocalResponseNormalization` needs an input of rank 2 or more whose channel "
                f"number (the last axis) is known. Received: input_shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        channels = x.shape[-1]
        radius = min(self.depth_radius, channels - 1)
        squares = ops.pad(ops.square(x), [[0, 0]] * (len(x.shape) - 1) + [[radius, radius]])
        total = squares[..., :channels]
        for offset in range(1, 2 * radius + 1):
            total = total + squares[..., offset : offset + channels]
        return ops.cast(x * ops.power(self.bias + self.alpha * total, -self.beta), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "depth_radius": self.depth_radius,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
        }

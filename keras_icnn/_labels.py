"""Turns the labels Keras models are trained with into class membership."""

import keras
from keras import ops


def membership(y, num_classes):
    """Which images belong to which classes.

    Args:
        y: integers `[batch]` or `[batch, 1]`; or one-hot, smoothed or multi-label `{0, 1}` or
            `{-1, +1}` `[batch, num_classes]`. With two classes `-1` counts as class 0.
        num_classes: number of label classes, background included.

    Returns:
        float32 `[batch, num_classes]` of zeros and ones.

    Raises:
        ValueError: if the shape of `y` does not fit `num_classes`.
    """
    y = ops.convert_to_tensor(y)
    shape = tuple(y.shape)
    if len(shape) == 2 and shape[1] == num_classes:
        # Half way serves {0, 1}, {-1, +1} and smoothed labels alike.
        return ops.cast(ops.cast(y, "float32") > 0.5, "float32")
    if len(shape) == 2 and shape[1] == 1:
        y = ops.squeeze(y, axis=1)
    elif len(shape) != 1:
        raise ValueError(
            "Labels of an interpretable layer must be integers of shape [batch] or [batch, 1], or "
            f"of shape [batch, num_classes] with num_classes={num_classes}. "
            f"Received: labels of shape {shape}. Give the layer the `num_classes` that the labels "
            "have."
        )
    if keras.backend.is_float_dtype(y.dtype):
        y = ops.round(y)
    y = ops.cast(y, "int32")
    if num_classes == 2:
        y = ops.maximum(y, 0)
    return ops.one_hot(y, num_classes, dtype="float32")

"""Turns the labels Keras models are trained with into class membership."""

import keras
import numpy as np
from keras import ops

from keras_icnn import _arguments


def check_classes(num_classes, background_class, where):
    """The two arguments, checked."""
    num_classes = _arguments.whole_number(
        num_classes,
        "num_classes",
        where,
        at_least=2,
        fix="It counts the label classes, background included; one category against the rest is "
        "num_classes=2, background_class=0.",
    )
    background_class = _arguments.whole_number(
        background_class,
        "background_class",
        where,
        at_least=0,
        at_most=num_classes - 1,
        optional=True,
        fix="Classes are counted from 0.",
    )
    return num_classes, background_class


def membership(y, num_classes):
    """Which images belong to which classes.

    Args:
        y: Integers `[batch]` or `[batch, 1]`; or one-hot, smoothed or multi-label `{0, 1}` or
            `{-1, +1}` `[batch, num_classes]`. With two classes `-1` counts as class 0.
        num_classes: Number of label classes, background included.

    Returns:
        float32 `[batch, num_classes]` of zeros and ones.

    Raises:
        ValueError: If the shape of `y` does not fit `num_classes`; for integers outside
            `0 .. num_classes - 1`, where their values are known (not in a compiled step).
        tf.errors.InvalidArgumentError: For such integers in TensorFlow's graphs on CPUs. In what
            XLA compiles (JAX included) and on GPUs, nothing can be raised at no cost: there such a
            sample counts as one of no class. `InterpretableModel.fit` checks before.
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
    _check_tensor(y, num_classes)
    if keras.backend.is_float_dtype(y.dtype):
        y = ops.round(y)
    y = ops.cast(y, "int32")
    if num_classes == 2:
        y = ops.maximum(y, 0)
    return ops.one_hot(y, num_classes, dtype="float32")


def check(y, num_classes, where="Labels"):
    """Checks the values of labels: an array, as `membership` takes it.

    Raises:
        ValueError: Naming the first label that is none, where it is, and what to do.
    """
    y = np.asarray(y)
    if y.dtype.kind not in "biuf" or y.ndim not in (1, 2):
        return  # `membership` tells what is wrong with their shape
    if y.ndim == 2 and y.shape[1] == num_classes:
        wrong, expected = ~np.isfinite(y).all(axis=1), "finite"
    elif y.ndim == 1 or y.shape[1] == 1:
        y = y.reshape(-1)
        # Comparisons with a value that is not a number are false.
        wrong = ~((y >= _lowest(num_classes)) & (y <= num_classes - 1))
        expected = f"integers from 0 to {num_classes - 1}"
    else:
        return
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"{where} of an interpretable layer with num_classes={num_classes} must be {expected}. "
            f"Received: {y[first].tolist()} for sample {first} ({int(wrong.sum())} of {len(y)} are "
            "wrong). Count classes from 0, and give the layer as many `num_classes`."
        )


def _lowest(num_classes):
    return -1 if num_classes == 2 else 0


def _check_tensor(y, num_classes):
    """As `check` for integers in a training step, where that costs nothing."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if tf.executing_eagerly():
            check(y, num_classes)
        elif not tf.config.list_physical_devices("GPU"):
            y = ops.cast(y, "float32")
            within = tf.logical_and(y >= _lowest(num_classes), y <= num_classes - 1)
            tf.debugging.Assert(
                tf.reduce_all(within),
                [
                    f"Labels of an interpretable layer with num_classes={num_classes} must be "
                    f"integers from 0 to {num_classes - 1}. Received:",
                    y,
                ],
            )
    elif backend == "torch":
        import torch

        if y.device.type == "cpu" and not torch.compiler.is_compiling():
            check(ops.convert_to_numpy(y), num_classes)
    elif backend == "jax":
        import jax

        if not isinstance(y, jax.core.Tracer):
            check(y, num_classes)

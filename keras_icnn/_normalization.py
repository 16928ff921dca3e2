"""Batch normalisation in training: by a fast kernel, and safe with bad batches."""

import keras
from keras import ops


def normalize(layer, x):
    """Normalises a batch as a Keras `BatchNormalization` does in training.

    Moving statistics of a batch that is not finite are not kept: Keras's layer would keep them.

    Args:
        layer: `keras.layers.BatchNormalization`, built.
        x: the batch.

    Returns:
        The normalised batch, and the moving statistics that came of it, kept or not.
    """
    variables = (layer.moving_mean, layer.moving_variance)
    # Copies: some backends assign in place.
    before = [ops.copy(v) for v in variables]
    if _kernel_does(layer):
        x, *moments = _fused(layer, x)
        old_share = layer.momentum
        after = [o * old_share + m * (1 - old_share) for o, m in zip(before, moments, strict=True)]
    else:
        x = layer(x, training=True)
        after = [ops.copy(v) for v in variables]
    finite = ops.all(ops.isfinite(ops.stack(after)))
    for variable, old, new in zip(variables, before, after, strict=True):
        variable.assign(ops.where(finite, new, old))
    return x, after


def _kernel_does(layer):
    return (
        keras.backend.backend() == "tensorflow"
        and layer.axis in (-1, 3)
        and not layer.synchronized
        and layer.variable_dtype == "float32"  # also under mixed precision
    )


def _fused(layer, x):
    """The normalised batch, its mean and variance, by TensorFlow's kernel.

    Keras makes a dozen passes over the maps, forward and backward, where this makes some four.
    """
    import tensorflow as tf

    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        x,
        scale=ops.cast(layer.gamma, "float32"),
        offset=ops.cast(layer.beta, "float32"),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The kernel's variance is that of a sample; Keras keeps the batch's own.
    count = ops.cast(tf.size(x) // x.shape[-1], "float32")
    return y, mean, variance * (ops.maximum(count - 1.0, 1.0) / count)

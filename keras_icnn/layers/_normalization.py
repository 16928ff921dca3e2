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
    """Whether the backend has a kernel that computes what the layer does."""
    if layer.axis not in (-1, 3) or layer.synchronized or layer.variable_dtype != "float32":
        return False
    backend = keras.backend.backend()
    # TensorFlow's does mixed precision as well.
    return backend == "tensorflow" or (backend == "torch" and layer.compute_dtype == "float32")


def _fused(layer, x):
    """The normalised batch, its mean and variance, by the backend's kernel.

    Keras makes a dozen passes over the maps, forward and backward, where this makes some four.
    """
    scale, offset = (ops.cast(v, "float32") for v in (layer.gamma, layer.beta))
    if keras.backend.backend() == "torch":
        import torch

        y, mean, scaling = torch.native_batch_norm(
            x.permute(0, 3, 1, 2), scale, offset, None, None, True, 0.0, layer.epsilon
        )
        variance = torch.clamp(scaling.detach() ** -2 - layer.epsilon, min=0.0)
        return y.permute(0, 2, 3, 1), mean.detach(), variance
    import tensorflow as tf

    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        x, scale=scale, offset=offset, epsilon=layer.epsilon, is_training=True
    )
    # The kernel's variance is that of a sample; Keras keeps the batch's own.
    count = ops.cast(tf.size(x) // x.shape[-1], "float32")
    return y, mean, variance * (ops.maximum(count - 1.0, 1.0) / count)

"""Batch normalization in training that survives a bad batch."""

from keras import ops


def normalize(layer, x):
    """Normalizes a batch in training; moving statistics that are not finite are not kept.

    Keras's layer would keep them.

    Args:
        layer: `keras.layers.BatchNormalization`, built.
        x: The batch.

    Returns:
        The normalized batch, and a boolean scalar: whether its statistics are finite.
    """
    variables = (layer.moving_mean, layer.moving_variance)
    # Copies: some backends assign in place.
    before = [ops.copy(v) for v in variables]
    x = layer(x, training=True)
    after = [ops.copy(v) for v in variables]
    finite = ops.all(ops.isfinite(ops.stack(after)))
    for variable, old, new in zip(variables, before, after, strict=True):
        variable.assign(ops.where(finite, new, old))
    return x, finite

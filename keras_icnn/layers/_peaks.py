"""Where each map fires: its peak, or its center of mass."""

from typing import Any, NamedTuple

import keras
from keras import ops


class Peaks(NamedTuple):
    """Row and column of a unit of each map: two float32 tensors `[B, F]`."""

    row: Any
    column: Any


def peak_position(x):
    """The strongest unit of each map; the first one, row by row, of several.

    Args:
        x: Maps `[B, h, w, F]`.

    Returns:
        `Peaks`.
    """
    # The row first: half the time of one search over all units.
    x = ops.convert_to_tensor(x)
    row = _argmax(ops.max(x, axis=2))
    column = _argmax(_row(x, row))
    return Peaks(ops.cast(row, "float32"), ops.cast(column, "float32"))


def _row(x, row):
    """One row of each map: `[B, h, w, F]` and `[B, F]` to `[B, w, F]`."""
    if keras.backend.backend() == "torch":
        return x.take_along_dim(row[:, None, None].long(), dim=1)[:, 0]
    # No exchange format has that; a product with zeros and ones does it, too.
    chosen = ops.one_hot(row, x.shape[1], axis=1, dtype=keras.backend.standardize_dtype(x.dtype))
    return ops.sum(x * ops.expand_dims(chosen, 2), axis=1)


def _argmax(values):
    """Index of the first largest value along axis 1."""
    if keras.backend.backend() == "tensorflow":
        # `ops.argmax` adds bit casts for negative zeros that no exchange format can express.
        import tensorflow as tf

        return tf.argmax(values, axis=1, output_type="int32")
    if keras.backend.backend() == "torch":
        return values.max(dim=1).indices  # four times as fast as `argmax`
    return ops.argmax(values, axis=1)


def peak_height(x):
    """The highest activation of each map: `[B, h, w, F]` to `[B, F]`."""
    # In two steps, the first of which `peak_position` has taken, too: compilers take it once.
    return ops.max(ops.max(x, axis=2), axis=1)


def center_of_mass(x):
    """Rounded center of mass of each map (authors' code); the middle of an empty map.

    Args:
        x: Maps `[B, h, w, F]`.

    Returns:
        `Peaks`.
    """
    x = ops.cast(x, "float32")
    total = ops.sum(x, axis=(1, 2))
    safe = ops.where(total > 0, total, ops.ones_like(total))
    position = []
    for axis, size in ((2, x.shape[1]), (1, x.shape[2])):
        units = ops.reshape(ops.arange(size, dtype="float32"), (1, size, 1))
        mean = ops.sum(ops.sum(x, axis=axis) * units, axis=1) / safe
        middle = ops.full_like(mean, (size - 1) / 2)
        # Also the middle where a value is not finite: a position has to stay on the map.
        known = ops.logical_and(total > 0, ops.isfinite(mean))
        position.append(ops.floor(ops.where(known, mean, middle) + 0.5))
    return Peaks(*position)


# What `FilterLoss(peak=...)` may be.
PEAKS = {"argmax": peak_position, "center_of_mass": center_of_mass}

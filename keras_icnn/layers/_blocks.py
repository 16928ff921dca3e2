"""What is computed for each filter alone, one block of filters after the other."""

import keras
from keras import ops

from keras_icnn.layers import _replicas, _schedule

_BLOCKS = 4
# With fewer filters a step of TensorFlow costs more to start than blocks save.
_WORTHWHILE = 256


def by_filters(function, outputs, *tensors):
    """`function(*tensors)`, where it pays for one block of filters after the other.

    Without a compiler each step of a computation makes an array. What one step of a block writes
    the next finds in the processor's cache, and a quarter of the memory will do. Compilers merge
    steps by themselves, and GPUs want all the work at once.

    Args:
        function: computes each filter alone. Gets tensors and returns a tuple of float32 tensors,
            filters last in each.
        outputs: how many it returns.
        *tensors: filters last in each.
    """
    filters = tensors[0].shape[-1]
    size = filters // _BLOCKS
    if (
        filters < _WORTHWHILE
        or filters % _BLOCKS
        or not _one_step_at_a_time()
        or _replicas.count() > 1
    ):
        return function(*tensors)
    if keras.backend.backend() == "tensorflow":
        return _loop(function, outputs, size, tensors)
    blocks = [
        function(*[t[..., start : start + size] for t in tensors])
        for start in range(0, filters, size)
    ]
    return tuple(ops.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True))


def _loop(function, outputs, size, tensors):
    """The blocks in a loop of the graph, which holds the function's steps once, not four times."""
    import tensorflow as tf

    def block(start):
        pieces = []
        for t in tensors:
            *others, _ = t.shape
            piece = tf.slice(t, [0] * len(others) + [start], [-1] * len(others) + [size])
            pieces.append(tf.ensure_shape(piece, [*others, size]))
        return tuple(function(*pieces))

    starts = tf.range(0, size * _BLOCKS, size)
    with _schedule.after(tensors):
        blocks = tf.map_fn(
            block, starts, fn_output_signature=("float32",) * outputs, parallel_iterations=1
        )
    return tuple(tf.concat(tf.unstack(parts, _BLOCKS), axis=-1) for parts in blocks)


def _one_step_at_a_time():
    """Whether the backend runs each step for itself, on a processor."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    if backend == "torch":
        import torch

        return not torch.cuda.is_available()
    return False

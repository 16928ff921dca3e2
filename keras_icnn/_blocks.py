"""What is computed for each filter alone, one block of filters after the other."""

import contextlib
import itertools

import keras
from keras import ops

from keras_icnn import _replicas

_BLOCKS = 4
# With fewer filters a step of TensorFlow costs more to start than blocks save.
_WORTHWHILE = 256


def by_filters(function, *tensors):
    """`function(*tensors)`, where it pays for one block of filters after the other.

    Without a compiler each step of a computation makes an array. What one step of a block writes
    the next finds in the processor's cache. Compilers merge steps by themselves, and GPUs want all
    the work at once.

    Args:
        function: computes each filter alone. Gets tensors and returns a tuple of tensors, filters
            last in each.
        *tensors: filters last in each.
    """
    filters = tensors[0].shape[-1]
    if filters < _WORTHWHILE or not _one_step_at_a_time() or _replicas.count() > 1:
        return function(*tensors)
    bounds = [filters * k // _BLOCKS for k in range(_BLOCKS + 1)]
    blocks = []
    for start, stop in itertools.pairwise(bounds):
        with _after(blocks[-1] if blocks else ()):
            blocks.append(function(*[t[..., start:stop] for t in tensors]))
    return tuple(ops.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True))


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


def _after(tensors):
    """A context whose steps wait for tensors; a graph would start all blocks at once."""
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.control_dependencies(tensors)

"""The only code that knows about several devices.

Under a `tf.distribute` strategy each replica sees its share of the batch, and what a layer
computes from "the batch" has to be reduced across replicas. On JAX a sharded array is one array,
and on PyTorch there is one device: nothing to do on either.
"""

import sys

import keras
from keras import ops


def _context():
    # A strategy cannot be active unless TensorFlow was imported.
    if keras.backend.backend() != "tensorflow" or "tensorflow" not in sys.modules:
        return None
    tf = sys.modules["tensorflow"]
    if not tf.distribute.has_strategy() or tf.distribute.in_cross_replica_context():
        return None
    context = tf.distribute.get_replica_context()
    return context if context.num_replicas_in_sync > 1 else None


def count():
    """Number of replicas that train in step."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def synchronize_normalization():
    """Whether a new normalisation layer has to reduce its moments across replicas."""
    if keras.backend.backend() != "tensorflow" or "tensorflow" not in sys.modules:
        return False
    return sys.modules["tensorflow"].distribute.has_strategy()


def all_sum(tensors):
    """Sums each tensor of a list over the replicas."""
    context = _context()
    if context is None:
        return list(tensors)
    return context.all_reduce("SUM", list(tensors))


def gather(tensor):
    """Stacks a tensor of equal shape from all replicas: `[replicas, ...]`."""
    context = _context()
    if context is None:
        return ops.expand_dims(tensor, 0)
    # A sum of one-hot slots: unlike `all_gather` it works on every collective implementation.
    slot = ops.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync)
    slot = ops.reshape(ops.cast(slot, tensor.dtype), (-1,) + (1,) * len(tensor.shape))
    # Zero times infinity is not a number, hence `where`.
    stacked = ops.where(slot > 0, ops.expand_dims(tensor, 0), ops.zeros_like(tensor)[None])
    return context.all_reduce("SUM", stacked)


def mirrored(tensor):
    """This replica's opposite number's tensor (replica `r` gets that of `count() - 1 - r`)."""
    context = _context()
    if context is None:
        return tensor
    return gather(tensor)[context.num_replicas_in_sync - 1 - context.replica_id_in_sync_group]

"""The only code that knows about several devices.

Under a `tf.distribute` strategy each replica sees its share of the batch, and what a layer
computes from "the batch" has to be reduced across replicas. On JAX a sharded array is one array,
whichever processes hold its parts, and on PyTorch there is one device: nothing to do on either.
"""

import contextlib
import sys

import keras
import numpy as np
from keras import ops


def _context():
    if keras.backend.backend() == "torch":
        _refuse_torch_processes()
    # A strategy cannot be active unless TensorFlow was imported.
    if keras.backend.backend() != "tensorflow" or "tensorflow" not in sys.modules:
        return None
    tf = sys.modules["tensorflow"]
    if not tf.distribute.has_strategy() or tf.distribute.in_cross_replica_context():
        return None
    context = tf.distribute.get_replica_context()
    return context if context.num_replicas_in_sync > 1 else None


def _refuse_torch_processes():
    torch = sys.modules["torch"]
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    if distributed.get_world_size() > 1:
        raise NotImplementedError(
            "Interpretable layers on PyTorch train in one process: each would follow the "
            "statistics of its own share of the batch. Use the JAX or TensorFlow backend for "
            "several devices. Received: torch.distributed with "
            f"{distributed.get_world_size()} processes"
        )


def count():
    """Number of replicas that train in step."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def scope_of(model):
    """A context in which new variables lie where those of a model do."""
    if keras.backend.backend() == "tensorflow":
        return model.distribute_strategy.scope()
    return contextlib.nullcontext()


def synchronize_normalization():
    """Whether a new normalization layer has to reduce its moments across replicas."""
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


def in_reverse(tensor):
    """The rows of the whole batch in reverse order, of which a replica gets its share.

    Args:
        tensor: `[B, ...]`; the replicas' shares of a batch may differ in size.

    Returns:
        `[B, ...]`: row `i` of the whole batch of `N` is replaced by row `N - 1 - i`.
    """
    context = _context()
    if context is None:
        return ops.flip(tensor, axis=0)
    rows, rest = ops.shape(tensor)[0], tuple(tensor.shape[1:])
    slot = ops.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync)
    shares = ops.cast(slot, "int32") * ops.cast(rows, "int32")
    shares = context.all_reduce("SUM", shares)
    first = ops.sum(shares[: context.replica_id_in_sync_group])
    zeros = [
        ops.zeros((count, *rest), dtype=tensor.dtype)
        for count in (first, ops.sum(shares) - first - rows)
    ]
    whole = context.all_reduce("SUM", ops.concatenate([zeros[0], tensor, zeros[1]]))
    return ops.flip(whole, axis=0)[first : first + rows]


# --- several processes ---------------------------------------------------------------------------


def is_first_process(model):
    """Whether this process, of those that train a model in step, is the one that writes files."""
    if keras.backend.backend() == "jax":
        return sys.modules["jax"].process_index() == 0
    if keras.backend.backend() != "tensorflow":
        return True
    resolver = getattr(model.distribute_strategy, "cluster_resolver", None)
    if resolver is None or not resolver.cluster_spec().jobs:
        return True
    chief = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return resolver.task_type == chief and resolver.task_id == 0


def numbers_of_processes(number, model):
    """A whole number of each process that trains a model in step: int array, at least one."""
    if keras.backend.backend() == "jax" and sys.modules["jax"].process_count() > 1:
        from jax.experimental import multihost_utils

        return np.atleast_1d(multihost_utils.process_allgather(np.array(number)))
    if keras.backend.backend() == "tensorflow":
        strategy = model.distribute_strategy
        if strategy.num_replicas_in_sync > 1:
            import tensorflow as tf

            def of_replica():
                return gather(tf.constant(float(number)))

            run = tf.function(lambda: strategy.run(of_replica), autograph=False)
            return np.array(strategy.experimental_local_results(run())[0]).astype("int64")
    return np.array([number])

"""The running statistics of a layer: what they are, as variables, and in files."""

import warnings
from typing import Any, NamedTuple, Self

import numpy as np
from keras import ops

# Version of the names and shapes in `LayerState`, stored with the weights.
STATE_VERSION = 4
INTEGERS = ("category", "part", "steps")
# In `log_z`: to be set by the next batch that computes it.
UNSEEDED = float("-inf")


class LayerState(NamedTuple):
    """The running statistics of a layer, and what each filter stands for; float32 but for the last.

    Attributes:
        log_z: `[T, F]`, log of the running mean of exp(tr(x.T)), the paper's Z_T / N.
        filter_loss: Scalar, -MI averaged over filters, as it was last computed.
        class_activation: `[C, F]`, running class means that choose target categories.
        class_count: `[C]`, images seen.
        activation_scale: `[F]`, running mean of max x; 0 for a filter that never fired.
        push_rms: Scalar, running root mean square of the push; 0 as long as it is not known.
        beta: `[F]`, learned width of templates and masks; 0 where it is not learned.
        category: int32 `[F]`, the class each filter was assigned to; -1 for none.
        part: int32 `[F]`, the part of that class; -1 for none.
        steps: int32 scalar.
    """

    log_z: Any
    filter_loss: Any
    class_activation: Any
    class_count: Any
    activation_scale: Any
    push_rms: Any
    beta: Any
    category: Any
    part: Any
    steps: Any

    @classmethod
    def shapes(cls, bank: Any, classes: int, filters: int) -> Self:
        """The shape of each statistic."""
        by_filter = (filters,)
        return cls(
            (bank.units + 1, filters),
            (),
            (classes, filters),
            (classes,),
            by_filter,
            (),
            by_filter,
            by_filter,
            by_filter,
            (),
        )


def add_variables(layer, shapes, given):
    """Adds the statistics to a layer: a `LayerState` of variables.

    Args:
        layer: Keras layer that is being built.
        shapes: `LayerState.shapes(...)`.
        given: Arrays by name of the statistics that do not begin at zero.
    """

    def add(name, shape):
        return layer.add_weight(
            # A layer's `filter_loss` is its rule.
            name="last_filter_loss" if name == "filter_loss" else name,
            shape=shape,
            initializer=_constant(given[name]) if name in given else "zeros",
            dtype="int32" if name in INTEGERS else "float32",
            trainable=False,
            autocast=False,
            # The values assigned are already reduced across replicas.
            aggregation="only_first_replica",
        )

    return LayerState(*map(add, LayerState._fields, shapes))


def _constant(value):
    return lambda shape, dtype: ops.convert_to_tensor(value, dtype=dtype)


def read(variables):
    """The statistics as tensors."""
    return LayerState(*map(ops.convert_to_tensor, variables))


def write(variables, state):
    """Assigns new statistics, tensors or arrays."""
    for variable, value in zip(variables, state, strict=True):
        variable.assign(value)


def save(variables, store):
    """Puts the statistics into the store of `save_own_variables`."""
    store["state_version"] = np.array(STATE_VERSION)
    for name, value in read(variables)._asdict().items():
        store[name] = ops.convert_to_numpy(value)


def load(variables, store, layer):
    """Assigns the statistics in the store of `load_own_variables`.

    Statistics of another map size keep all but `log_z`, which the next batch sets.

    Args:
        layer: The layer's name, for messages.

    Raises:
        ValueError: For another layout, or other shapes; nothing is assigned then.
    """
    # Stores of older releases of Keras have keys, but do not know `in`.
    known = set(store.keys())
    version = int(np.array(store["state_version"])) if "state_version" in known else 0
    if version != STATE_VERSION:
        raise ValueError(
            f"The statistics of layer '{layer}' are stored in layout {version}; this version of "
            f"keras_icnn reads layout {STATE_VERSION}. Save the model anew with a matching version."
        )
    stored = LayerState(*(np.array(store[name]) for name in LayerState._fields))
    wrong = [
        name
        for name, value, own in zip(LayerState._fields, stored, variables, strict=True)
        if value.shape != tuple(own.shape)
    ]
    (units, filters), own = stored.log_z.shape, variables.log_z.shape
    if wrong == ["log_z"] and filters == own[1]:
        warnings.warn(
            f"The statistics of layer '{layer}' were stored for another map size ({units - 1} "
            f"units instead of {own[0] - 1}). Z_T starts from what the first batch gives.",
            stacklevel=3,
        )
        stored = stored._replace(log_z=np.full(own, UNSEEDED, "float32"))
        wrong = []
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"The stored statistics of layer '{layer}' do not fit it. Expected: `{name}` of shape "
            f"{tuple(getattr(variables, name).shape)}. Received: {getattr(stored, name).shape}. "
            "Build the model with the `num_classes` and filters it was saved with."
        )
    write(variables, stored)

"""All that a training run goes on from: weights, optimizer, random generators."""

import keras
import numpy as np

from keras_icnn.layers import _replicas


def variables(model):
    """The variables of a compiled model that training moves, in a fixed order.

    Keras's weights files leave out the state of random generators (dropout); it is here. Metrics
    are not: they begin anew with each epoch.
    """
    found = [*model.weights, *random_states(model)]
    if model.optimizer is not None:
        if not model.optimizer.built:
            with _replicas.scope_of(model):
                model.optimizer.build(model.trainable_variables)
        found += model.optimizer.variables
    return found


def random_states(model):
    """The states of a model's random generators (dropout), which are not among its weights."""
    weights = {id(v) for v in model.weights}
    return [
        v
        for v in model.variables
        if id(v) not in weights and v.name.startswith("seed_generator_state")
    ]


def read(found):
    """The values of variables, as arrays."""
    arrays = []
    for variable in found:
        array = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable))
        # A copy: some backends show the memory they go on to write to. And bfloat16 is no type of
        # NumPy's own; float32 holds its values exactly.
        arrays.append(np.array(array, "float32" if array.dtype.kind == "V" else array.dtype))
    return arrays


def write(found, arrays):
    """Gives variables their values back."""
    for variable, array in zip(found, arrays, strict=True):
        variable.assign(array)


def finite(array):
    """Whether an array holds no NaN and no infinity; those of integers never do."""
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())

"""Probabilities and logits are told apart, however a network ends."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_icnn.models._output_meaning import output_meaning, settled

KERNEL = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], "float32")
VALUES = np.array([[1.0, -2.0], [0.3, 0.7], [-3.0, 2.0], [0.0, 0.0]], "float32")


def dense(units, activation=None, **options):
    return layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.Constant(KERNEL[:, :units]),
        bias_initializer=keras.initializers.Constant(0.25),
        **options,
    )


def squash(units):
    return "sigmoid" if units == 1 else "softmax"


def nested(x, units, last=None):
    inner = keras.Input(x.shape[1:])
    y = dense(units, squash(units))(inner)
    return keras.Model(inner, y if last is None else last(y))(x)


def own(units):
    return lambda t: ops.sigmoid(t) if units == 1 else ops.softmax(t)


# The logits of all of these are those of the dense layer: x @ KERNEL + 0.25.
ENDINGS = {
    "activation": lambda x, n: dense(n, squash(n))(x),
    "layer": lambda x, n: layers.Activation(squash(n))(dense(n)(x)),
    "float32 at the end": lambda x, n: layers.Activation("linear", dtype="float32")(
        dense(n, squash(n))(x)
    ),
    "identity": lambda x, n: layers.Identity()(dense(n, squash(n))(x)),
    "dropout": lambda x, n: layers.Dropout(0.5)(dense(n, squash(n))(x)),
    "reshape": lambda x, n: layers.Reshape((n,))(layers.Reshape((1, n))(dense(n, squash(n))(x))),
    "flatten": lambda x, n: layers.Flatten()(
        layers.Conv2D(
            n,
            1,
            activation=squash(n),
            kernel_initializer=keras.initializers.Constant(KERNEL[None, None, :, :n]),
            bias_initializer=keras.initializers.Constant(0.25),
        )(layers.Reshape((1, 1, 2))(x))
    ),
    "nested": nested,
    "nested, identity inside": lambda x, n: nested(x, n, layers.Identity()),
    "sequential": lambda x, n: keras.Sequential([keras.Input((2,)), dense(n, squash(n))])(x),
    "own function": lambda x, n: dense(n, own(n))(x),
    "lambda": lambda x, n: layers.Lambda(own(n), output_shape=(n,))(dense(n)(x)),
    "operation": lambda x, n: own(n)(dense(n)(x)),
    "written out": lambda x, n: written_out(dense(n)(x)),
    "cast": lambda x, n: ops.cast(ops.cast(dense(n, squash(n))(x), "float32"), "float32"),
    "half precision": lambda x, n: layers.Activation("linear", dtype="float32")(
        dense(n, squash(n), dtype="mixed_float16")(x)
    ),
}


def written_out(z):
    if z.shape[-1] == 1:
        return 1 / (1 + ops.exp(-z))
    raised = ops.exp(z)
    return raised / ops.sum(raised, axis=-1, keepdims=True)


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("ending", ENDINGS)
def test_probabilities_and_their_logits(ending, units):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, ENDINGS[ending](inputs, units))
    meaning = output_meaning(model)
    assert meaning.kind == squash(units)
    from keras_icnn.models._inlined import inlined

    found = keras.Model(inlined(model).inputs[0], meaning.logits)(VALUES)
    expected = VALUES @ KERNEL[:, :units] + 0.25
    rough = "half" in ending
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=2e-2 if rough else 1e-4)


LOGITS = {
    "dense": lambda x: dense(1)(x),
    "linear": lambda x: layers.Activation("linear")(dense(1)(x)),
    "scaled": lambda x: layers.Rescaling(0.5)(dense(1)(x)),
    "tanh": lambda x: dense(1, "tanh")(x),
    "minus one to one": lambda x: layers.Rescaling(2.0, offset=-1.0)(dense(1, "sigmoid")(x)),
    "sum": lambda x: layers.Add()([dense(1)(x), dense(1)(x)]),
    "mean": lambda x: layers.Average()([dense(1)(x), dense(1)(x)]),
    "normalized": lambda x: layers.BatchNormalization()(dense(1, "relu")(x)),
    "above a sigmoid": lambda x: layers.Dense(1)(layers.Dense(4, activation="sigmoid")(x)),
}


@pytest.mark.parametrize("ending", LOGITS)
def test_logits(ending):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, LOGITS[ending](inputs))
    meaning = output_meaning(model)
    assert meaning.kind == "linear"
    found = ops.convert_to_numpy(keras.Model(inputs, meaning.logits)(VALUES))
    np.testing.assert_allclose(found, ops.convert_to_numpy(model(VALUES)), atol=1e-5)


BOUNDED = {
    "hard sigmoid": ("sigmoid", lambda x: dense(1, "hard_sigmoid")(x)),
    "temperature": ("softmax", lambda x: layers.Softmax()(layers.Rescaling(0.25)(dense(3)(x)))),
    "two heads": (
        "sigmoid",
        lambda x: layers.Concatenate()([dense(1, "sigmoid")(x), dense(1, "sigmoid")(x)]),
    ),
    "ensemble": ("softmax", lambda x: layers.Average()([dense(3, "softmax")(x)] * 2)),
    "map of a sigmoid": (
        "sigmoid",
        lambda x: layers.GlobalAveragePooling2D()(
            layers.Conv2D(1, 1, activation="sigmoid")(layers.Reshape((2, 1, 1))(x))
        ),
    ),
}


@pytest.mark.parametrize("ending", BOUNDED)
def test_other_probabilities_have_the_logits_that_give_them(ending):
    kind, build = BOUNDED[ending]
    inputs = keras.Input((2,))
    model = keras.Model(inputs, build(inputs))
    meaning = output_meaning(model)
    assert meaning.kind == kind
    p = ops.convert_to_numpy(model(VALUES)).astype("float64")
    z = ops.convert_to_numpy(keras.Model(inputs, meaning.logits)(VALUES)).astype("float64")
    back = 1 / (1 + np.exp(-z)) if kind == "sigmoid" else np.exp(z) / np.exp(z).sum(-1)[:, None]
    np.testing.assert_allclose(back, p, atol=1e-5)


def unknown(scale, units=1):
    """A head whose graph does not tell: values from 0, of any size."""
    inputs = keras.Input((2,))
    y = layers.Lambda(lambda t: ops.abs(ops.sin(t)) * scale, output_shape=(units,))
    return keras.Model(inputs, y(dense(units)(inputs)))


def test_values_decide_where_the_graph_does_not_tell():
    model = unknown(5.0)
    meaning = output_meaning(model)
    assert meaning.kind == "unknown"
    assert settled(model, meaning).kind == "linear"
    model = unknown(1.0)
    meaning = output_meaning(model)
    with pytest.raises(ValueError, match="from_logits=True"):
        settled(model, meaning)
    assert settled(model, meaning, values=[[0.5], [1.5]]).kind == "linear"
    assert settled(model, meaning, from_logits=True).kind == "linear"
    told = settled(model, meaning, from_logits=False)
    assert told.kind == "sigmoid"
    p = ops.convert_to_numpy(model(VALUES))
    z = ops.convert_to_numpy(keras.Model(model.inputs[0], told.logits)(VALUES))
    np.testing.assert_allclose(1 / (1 + np.exp(-z)), p, atol=1e-5)


def test_values_below_zero_alone_may_be_logarithms():
    model = unknown(-5.0)
    with pytest.raises(ValueError, match="from_logits"):
        settled(model, output_meaning(model))

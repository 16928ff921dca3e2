"""The layer's batch normalization in training is Keras's."""

import keras
import numpy as np
import pytest
from backend_modes import BACKEND, MODES, value_and_gradient
from keras import ops

from keras_icnn.layers import _normalization

pytestmark = pytest.mark.core


def made(shape, axis=-1):
    layer = keras.layers.BatchNormalization(axis=axis, epsilon=1e-5, momentum=0.95)
    layer.build(shape)
    rng = np.random.default_rng(1)
    for variable in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance):
        variable.assign(rng.uniform(0.5, 1.5, variable.shape).astype("float32"))
    return layer


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("mode", MODES)
def test_values_gradients_and_statistics(mode, axis):
    rng = np.random.default_rng(0)
    x = (3 + 2 * rng.normal(size=(3, 4, 5, 2))).astype("float32")
    upstream = ops.convert_to_tensor(rng.normal(size=x.shape).astype("float32"))
    keras_s, ours = made(x.shape, axis), made(x.shape, axis)
    value, gradient = value_and_gradient(
        lambda t: ops.sum(_normalization.normalize(ours, t)[0] * upstream), x, mode
    )
    expected, expected_gradient = value_and_gradient(
        lambda t: ops.sum(keras_s(t, training=True) * upstream), x, mode
    )
    assert value == pytest.approx(expected, rel=1e-4)
    assert gradient == pytest.approx(expected_gradient, abs=1e-5)
    if BACKEND == "jax":
        return  # what a traced call assigns outside a Keras trainer is no array
    for name in ("moving_mean", "moving_variance"):
        found, wanted = (
            ops.convert_to_numpy(ops.convert_to_tensor(getattr(layer, name)))
            for layer in (ours, keras_s)
        )
        assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_statistics_of_a_bad_batch_are_not_kept(bad):
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 2)).astype("float32")
    x[0, 0, 0, 0] = bad
    layer = made(x.shape)
    before = [ops.convert_to_numpy(ops.copy(v)) for v in layer.variables]
    _, finite = _normalization.normalize(layer, ops.convert_to_tensor(x))
    assert not finite
    for variable, old in zip(layer.variables, before, strict=True):
        assert ops.convert_to_numpy(ops.convert_to_tensor(variable)).tolist() == old.tolist()

"""Labels reach the layers of every step, or the step is refused."""

import keras
import numpy as np
import pytest
from backend_modes import BACKEND
from keras import layers, ops

import keras_icnn as icnn

pytestmark = pytest.mark.core


def parts():
    layer = icnn.InterpretableFilters(num_classes=3, normalization=None)
    layer.build((None, 4, 4, 2))
    return layer


def maps(n=4):
    return np.random.default_rng(0).random((n, 4, 4, 2)).astype("float32")


@pytest.mark.skipif(BACKEND == "torch", reason="compiling takes a C++ compiler")
def test_a_scope_around_a_compiled_step_is_refused():
    layer, x = parts(), ops.convert_to_tensor(maps())
    if BACKEND == "tensorflow":
        import tensorflow as tf

        step = tf.function(lambda x: layer(x, training=True))
    else:
        import jax

        variables = [v.value for v in layer.non_trainable_variables]

        @jax.jit
        def step(x):
            return layer.stateless_call([], variables, x, training=True)[0]

    with icnn.labels(np.array([0, 1, 2, 0])), pytest.raises(RuntimeError, match="inside of the"):
        step(x)


@pytest.mark.skipif(BACKEND == "torch", reason="compiling takes a C++ compiler")
def test_a_scope_inside_of_it_has_the_labels_of_every_batch():
    layer = parts()
    batches = [np.zeros(4, "int32"), np.full(4, 2, "int32")]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function
        def step(x, y):
            with icnn.labels(y):
                layer(x, training=True)

        for y in batches:
            step(tf.constant(maps()), tf.constant(y))
    else:
        import jax

        @jax.jit
        def step(variables, x, y):
            with icnn.labels(y):
                return layer.stateless_call([], variables, x, training=True)[1]

        variables = [v.value for v in layer.non_trainable_variables]
        for y in batches:
            variables = step(variables, maps(), y)
        for variable, value in zip(layer.non_trainable_variables, variables, strict=True):
            variable.assign(value)
    np.testing.assert_array_equal(layer.state.class_count, [4, 0, 4])


def test_a_scope_around_eager_steps():
    layer = parts()
    for y in (np.zeros(4, "int32"), np.full(4, 2, "int32")):
        with icnn.labels(y):
            layer(maps(), training=True)
    np.testing.assert_array_equal(layer.state.class_count, [4, 0, 4])


class Deaf(keras.Model):
    """A subclassed model that does not hand `training` on."""

    def __init__(self):
        super().__init__()
        self.parts = icnn.InterpretableConv(2, 3, num_classes=2, padding="same")
        self.pool = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(2)

    def call(self, x):
        return self.head(self.pool(self.parts(x)))


class Listening(Deaf):
    def call(self, x, training=False):
        return self.head(self.pool(self.parts(x, training=training)))


def data():
    x = np.random.default_rng(0).random((4, 6, 6, 3)).astype("float32")
    return x, np.arange(4) % 2


@pytest.mark.parametrize("eager", [True, False])
def test_a_model_that_keeps_training_to_itself_is_refused_in_fit(eager):
    model = Deaf()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=eager)
    with pytest.raises(RuntimeError, match="def call\\(self, x, training=False\\)"):
        model.fit(*data(), verbose=0)


def test_a_model_that_keeps_training_to_itself_is_refused_in_a_scope():
    x, y = data()
    model = Deaf()
    model(x)  # inference
    with icnn.labels(y), pytest.raises(RuntimeError, match="without `training`"):
        model(x)
    model = Listening()
    with icnn.labels(y):
        model(x, training=True)
        model(x, training=False)
    np.testing.assert_array_equal(model.parts.state.class_count, [2, 2])


def test_the_mask_is_fixed_and_the_error_says_what_to_do():
    layer = icnn.InterpretableConv(2, 3, num_classes=2)
    with pytest.raises(AttributeError, match="without_masks"):
        layer.mask = False
    assert layer.mask

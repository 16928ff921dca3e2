"""`StopOnNaN`: says what was not finite first, and leaves a model that can be used."""

import keras
import numpy as np
import pytest
import small_network as small

import keras_icnn as icnn
from keras_icnn.models import _training_state


def fit(model, batches, told=True, epochs=3):
    with pytest.raises(FloatingPointError) as error:
        model.fit(
            batches,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[icnn.callbacks.StopOnNaN(batches if told else None)],
        )
    for array in _training_state.read(_training_state.variables(model)):
        assert _training_state.finite(array)
    return str(error.value)


def spoilt(at, value=np.nan):
    def spoil(k, x, y):
        if k == at:
            x[2, 1, 1] = value
        return x, y

    return spoil


@keras.saving.register_keras_serializable(package="tests")
class Explode(keras.layers.Layer):
    """The identity; on maps above a threshold, infinity, or with only the gradient infinite."""

    def __init__(self, gradient=False, **kwargs):
        super().__init__(**kwargs)
        self.gradient = gradient

    def call(self, x):
        large = keras.ops.max(x) > 50.0
        if self.gradient:
            # The slope of a root at 0, times 0.
            other = 1.0 - keras.ops.cast(large, x.dtype)
            return x + keras.ops.sqrt(0.0 * x + other) - other
        return x + keras.ops.where(large, float("inf"), 0.0)


def exploding(gradient):
    inputs = keras.Input((10, 10, 3))
    x = keras.layers.Conv2D(4, 3, name="below")(inputs)
    x = Explode(gradient, name="explode")(x)
    x = icnn.InterpretableConv(6, 3, num_classes=3, name="parts")(x)
    outputs = keras.layers.Dense(3, name="head")(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs, name="network")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    return model


def test_a_picture_that_is_not_finite():
    told = fit(small.network(), small.Batches(spoil=spoilt(3)))
    assert "nan in epoch 1, batch 4 (step 4). The pictures are not finite, sample 3" in told


def test_without_the_data_the_interpretable_layer_is_named():
    told = fit(small.network(), small.Batches(spoil=spoilt(3)), told=False)
    assert "batch 4 (step 4). Not finite were the maps of 'parts'." in told


@pytest.mark.medium
def test_the_layer_that_is_not_finite_first():
    def spoil(k, x, y):
        return (1000 * x if k == 2 and spoil.active() else x), y

    calls = []
    # From the second epoch on, so that the beginning of that epoch is gone back to.
    spoil.active = lambda: len(calls) > 0
    model = exploding(False)
    batches = small.Batches(spoil=spoil)
    model.fit(batches, shuffle=False, verbose=0)
    calls.append(1)
    before = _training_state.read(_training_state.variables(model))
    told = fit(model, batches)
    assert "epoch 1, batch 3 (step 8). The output of layer 'explode' (Explode) is not" in told
    for a, b in zip(before, _training_state.read(_training_state.variables(model)), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.medium
def test_a_gradient_that_is_not_finite_shows_a_step_later():
    def spoil(k, x, y):
        return (1000 * x if k == 1 else x), y

    told = fit(exploding(True), small.Batches(spoil=spoil))
    assert "batch 3 (step 3). Batch 2: the gradient is not finite; 'below/bias' is the last" in told


def test_a_loss_that_is_not_finite_where_all_layers_are():
    model = small.network()
    model.compile("sgd", lambda y, p: keras.ops.mean(p) / 0.0, run_eagerly=True)
    told = fit(model, small.Batches())
    assert "Every layer's output is finite, the loss itself is not" in told


def test_labels_that_a_subclass_chooses():
    class Chooses(icnn.InterpretableModel):
        def filter_labels(self, y):
            return y["class"]

    class Dicts(small.Batches):
        def __getitem__(self, k):
            x, y = super().__getitem__(k)
            return x, {"class": y}

    made = exploding(False)
    model = Chooses(made.inputs[0], {"class": made.outputs[0]}, name="network")
    losses = {"class": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile("sgd", losses, run_eagerly=True)
    told = fit(model, Dicts(spoil=lambda k, x, y: (1000 * x, y)))
    assert "The output of layer 'explode' (Explode) is not" in told


def test_an_ordinary_network():
    told = fit(small.network(interpretable=False), small.Batches(spoil=spoilt(1)), told=False)
    assert "batch 2 (step 2). The model is as it was" in told


@pytest.mark.medium
def test_finite_training_is_left_alone():
    results = []
    for callbacks in ([], [icnn.callbacks.StopOnNaN()]):
        keras.utils.set_random_seed(0)
        model = small.network()
        model.fit(small.Batches(), epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


def test_statistics_of_a_layer_survive_a_batch_that_is_not_finite():
    # Without the callback, too: the layer's own and those of its normalization.
    # A rule that computes every statistic in every step.
    rule = icnn.FilterLoss(gradient="one_template", weight="relative")
    model = small.network(rule=rule)
    model.fit(small.Batches(), shuffle=False, verbose=0)
    layer = model.get_layer("parts").interpretable
    states = [v for v in layer.weights if not v.trainable]
    assert {"moving_mean", "moving_variance", "log_z"} <= {v.name for v in states}
    before = _training_state.read(states)
    for value in (np.nan, np.inf):
        x, y = small.Batches(spoil=spoilt(0, value))[0]
        kept = model.get_weights()
        model.train_on_batch(x, y)
        assert not np.isfinite(model.get_layer("head").get_weights()[0]).all()
        for a, b in zip(before, _training_state.read(states), strict=True):
            assert np.array_equal(a, b)
        model.set_weights(kept)
    model.train_on_batch(*small.Batches()[1])
    after = _training_state.read(states)
    moved = {
        v.name for v, a, b in zip(states, before, after, strict=True) if not np.array_equal(a, b)
    }
    assert {"moving_mean", "moving_variance", "log_z", "steps", "push_rms"} <= moved


def test_arguments():
    with pytest.raises(ValueError, match="`batches`"):
        icnn.callbacks.StopOnNaN([1])

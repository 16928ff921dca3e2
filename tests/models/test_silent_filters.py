"""Filters that die during `fit` are noticed."""

import warnings

import keras
import numpy as np
import pytest
from test_interpretable_model import X, Y, compiled, network

from keras_icnn.layers import FilterLoss
from keras_icnn.models._silent_filters import silent

pytestmark = pytest.mark.core


def dead_network(share, **arguments):
    """A network of six filters, a share of which cannot fire."""
    model = network(**arguments)
    layer = model.get_layer("parts_0")
    normalization = layer.interpretable._normalization
    beta = np.zeros(6, "float32")
    beta[: round(share * 6)] = -100
    normalization.beta.assign(beta)
    return compiled(model, optimizer=keras.optimizers.SGD(0.0))


@pytest.mark.medium
@pytest.mark.parametrize("rule", ["default", "paper", None])
def test_a_layer_whose_filters_are_silent_is_named_once(rule):
    model = dead_network(0.5, rule=rule)
    with pytest.warns(UserWarning, match="50% of the filters of layer 'parts_0'") as record:
        model.fit(X, Y, batch_size=4, epochs=3, verbose=0)
    found = [str(w.message) for w in record if "silent" in str(w.message)]
    assert len(found) == 1
    for cause in ("pretrained", "normalization", "learning rate"):
        assert cause in found[0]


def test_filters_that_fire_are_not_reported():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        dead_network(0.0).fit(X, Y, batch_size=4, epochs=2, verbose=0)


def test_filters_that_die_later_are_reported():
    model = dead_network(0.0)

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                layer = self.model.get_layer("parts_0")
                layer.interpretable._normalization.beta.assign(np.full(6, -100, "float32"))

    with pytest.warns(UserWarning, match="100% of the filters"):
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=Kill())


def test_a_few_steps_are_no_evidence():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        dead_network(0.5).fit(X, Y, batch_size=24, epochs=1, verbose=0)


def test_a_complete_callback_list_is_left_alone():
    model = dead_network(0.0)
    history = keras.callbacks.History()
    callbacks = keras.callbacks.CallbackList([history], model=model, epochs=1, steps=12)
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=callbacks)
    assert "filter_loss" in history.history
    assert len(callbacks.callbacks) == 1


def test_silent_means_that_the_mean_has_only_decayed():
    rule = FilterLoss.parse("default")
    before = np.array([2.0, 2.0, 0.0, 0.0])
    decayed = 2.0 * rule.momentum**10
    # Fired in the last step but nine, or only now.
    fired = decayed + (1 - rule.momentum) * rule.momentum**9 * 0.5
    now = np.array([decayed, fired, 0.0, 0.1])
    assert silent(before, now, rule, 10).tolist() == [True, False, True, False]

"""Notices filters that no longer fire on any training image, and says so once."""

import warnings
from typing import NamedTuple

import keras
import numpy as np

from keras_icnn.layers._filter_loss import FilterLoss

# Fewer steps than these may lack images that a filter fires on.
_STEPS = 8
_SHARE = 0.1


class SilentFilters(keras.callbacks.Callback):
    """Warns once, at the end of an epoch, of a layer whose filters have gone silent.

    A filter is silent when its map was zero everywhere in every image since the last look, at
    least 8 steps before. Then its running mean of the peak, `activation_scale`, has only decayed.
    `InterpretableModel.fit` adds this callback by itself; it reads one small variable an epoch.

    Args:
        layers: interpretable layers.
    """

    def __init__(self, layers):
        super().__init__()
        self._layers = {layer.name: layer for layer in layers}
        self._before = {}
        self._warned = False

    def on_train_begin(self, logs=None):
        self._before = {name: _look(layer) for name, layer in self._layers.items()}

    def on_epoch_end(self, epoch, logs=None):
        for name, layer in self._layers.items():
            before, now = self._before[name], _look(layer)
            steps = now.steps - before.steps
            if steps < _STEPS:
                continue
            self._before[name] = now
            share = np.mean(silent(before.scale, now.scale, layer.filter_loss, steps))
            if share > _SHARE and not self._warned:
                self._warned = True
                warnings.warn(_message(name, share, steps), stacklevel=2)


class _Look(NamedTuple):
    """What a layer's state says of its filters' activity."""

    steps: int
    scale: np.ndarray


def _look(layer):
    state = layer.state
    array = keras.ops.convert_to_numpy
    return _Look(int(array(state.steps)), array(state.activation_scale).astype("float64"))


def silent(before, now, rule, steps):
    """Which filters were zero in all of the last steps.

    Args:
        before, now: float `[filters]`, the running means of the peaks before and after them.
        rule: the layer's `FilterLoss`; None: the mask alone.
        steps: their number.

    Returns:
        Bool `[filters]`.
    """
    momentum = (FilterLoss.parse("one_part") if rule is None else rule).momentum
    # Whatever a filter adds to the decayed mean shows, unless the mean is tiny beside it already.
    return now <= before * momentum**steps * 1.001


def _message(name, share, steps):
    return (
        f"{share:.0%} of the filters of layer '{name}' are silent: zero on every image of the last "
        f"{steps} steps. Three usual causes: (1) The filter loss pushes on layers that have "
        "learned nothing yet: start from pretrained weights, or train with `filter_loss=None` "
        "first. (2) Pretrained layers are trained whose batch normalization is frozen, or uses "
        "statistics of small batches: build the network with `fine_tune='top'`, which leaves them "
        "as they are. (3) The learning rate is too high: lower it tenfold."
    )

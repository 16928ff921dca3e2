"""What a network's output says: probabilities or logits, and the tensor that holds the logits.

The only place where this is decided. The last layer's name tells little: a sigmoid may be followed
by a cast, a reshape or an identity, lie in a nested head, or be a function of one's own. So what
comes behind the last learned layer is run on known values, and compared with a sigmoid and a
softmax. Where the graph does not tell, the values do: no probability is below 0 or above 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers as klayers

from keras_icnn.models._inlined import inlined
from keras_icnn.models._tensors import calls_of, produced_by
from keras_icnn.models._views import WithoutActivation

# Layers whose own result, before an activation, is of any size and sign.
_LINEAR = (
    klayers.Dense,
    klayers.EinsumDense,
    klayers.Conv1D,
    klayers.Conv2D,
    klayers.DepthwiseConv2D,
    klayers.SeparableConv2D,
    klayers.BatchNormalization,
    klayers.LayerNormalization,
)
_AVERAGES = (klayers.Average, klayers.AveragePooling2D, klayers.GlobalAveragePooling2D)
_CHOICES = (
    klayers.Concatenate,
    klayers.GlobalMaxPooling2D,
    klayers.MaxPooling2D,
    klayers.Maximum,
    klayers.Minimum,
)
_SUMS = (klayers.Add, klayers.Subtract)
# Stands for a side of open length.
_OPEN_SIDE = 32


class Meaning(NamedTuple):
    """What an output says.

    Attributes:
        kind: "softmax" (probabilities of classes, or their logarithms), "sigmoid" (of each output
            by itself), "linear" (logits), or "unknown": the graph does not tell.
        logits: Keras tensor shaped as the output, in the graph of the model's view; None: unknown.
    """

    kind: str
    logits: Any


def output_meaning(model):
    """The `Meaning` of a model's first output, as its graph tells it.

    Args:
        model: functional or Sequential Keras model.

    Returns:
        `Meaning`, whose tensor is one of the graph of `inlined(model)`.
    """
    view = inlined(model)
    return _shaped(_meaning(view, view.outputs[0]), view.outputs[0])


def settled(model, meaning, from_logits=None, values=None):
    """The `Meaning`, told by the caller, or by values where the graph does not tell.

    Args:
        model: the model.
        meaning: its `Meaning` by the graph.
        from_logits: whether the output is a logit, which wins over the graph; or None.
        values: predictions `[n, outputs]` of real images; None: those for random ones.

    Returns:
        `Meaning` of a known kind.

    Raises:
        ValueError: where the values may be either.
    """
    output = inlined(model).outputs[0]
    bounded = "sigmoid" if output.shape[-1] == 1 else "softmax"
    if from_logits is not None:
        if (meaning.kind == "linear") == from_logits and meaning.kind != "unknown":
            return meaning
        given = Meaning("linear", output) if from_logits else _of_probabilities(bounded, output)
        return _shaped(given, output)
    if meaning.kind != "unknown":
        return meaning
    found = _random_predictions(model) if values is None else np.asarray(values, "float64")
    found = found[np.isfinite(found).all(axis=-1)]
    # Negative alone: perhaps logarithms of probabilities.
    if (found > 1).any() or ((found < 0).any() and (found > 0).any()):
        return Meaning("linear", output)
    if len(found) and bounded == "softmax" and np.allclose(found.sum(axis=-1), 1, atol=0.01):
        return _of_probabilities(bounded, output)
    raise ValueError(
        "`model` must tell whether its output is a probability or a logit. Received: model "
        f"'{model.name}', which ends in '{produced_by(output)[0].name}', with values from 0 to 1. "
        "Pass `from_logits=True` or `from_logits=False`, or end the network in "
        "`keras.layers.Activation('sigmoid')` or `Activation('linear')`."
    )


class _Tail:
    """What a network does from a tensor, or from what its activation is given, to another tensor.

    Args:
        start, end: Keras tensors; `end` depends on nothing but `start`.
        before: whether it begins before the activation of the layer that makes `start`.
    """

    def __init__(self, start, end, before=False):
        self.start, self.end = start, end
        self._maker, self._above, _ = produced_by(start)
        self.before = before
        self._rest = None if start is end else keras.Model(start, end)

    def __call__(self, values):
        x = keras.ops.convert_to_tensor(values, dtype=self.start.dtype)
        x = self._maker.activation(x) if self.before else x
        x = x if self._rest is None else self._rest(x, training=False)
        x = keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")).astype("float64")
        return x.reshape(values.shape)

    def tensor(self):
        """The Keras tensor that it begins with."""
        return WithoutActivation(self._maker)(self._above[0]) if self.before else self.start


def _meaning(view, end):
    """The `Meaning` of a tensor; its logits have as many values, maybe in another shape."""
    starts = _bottlenecks(view, end)
    tails = [_Tail(tensor, end) for tensor in reversed(starts)]
    maker = produced_by(starts[-1])[0]
    # Of other layers, such as recurrent ones, the activation is not the last that happens.
    if isinstance(maker, _LINEAR) and "activation" in vars(maker) and not _is_linear(maker):
        tails.insert(0, _Tail(starts[-1], end, before=True))
    for tail in tails:
        kind = _compared(tail)
        if kind in ("sigmoid", "softmax", "log_softmax"):
            return Meaning(kind, tail.tensor())
        if kind in ("like sigmoid", "like softmax"):
            return _of_probabilities(kind.removeprefix("like "), end)
        if kind in ("same", "signed") and tail.start is starts[-1]:
            known = Meaning("linear", end) if tail.before else _by_maker(view, tail.start)
            if known.kind == "linear":
                return Meaning("linear", end)
            if kind == "same":
                return known
    return Meaning("unknown", None)


def _by_maker(view, tensor):
    """The `Meaning` of a tensor by the layer that makes it, when no activation is its last step."""
    maker, above, _ = produced_by(tensor)
    if isinstance(maker, _LINEAR) and _is_linear(maker):
        return Meaning("linear", tensor)
    if above and isinstance(maker, (*_AVERAGES, *_CHOICES, *_SUMS)):
        kinds = {_meaning(view, given).kind for given in above}
        if kinds == {"linear"}:
            return Meaning("linear", tensor)
        if kinds == {"sigmoid"} and not isinstance(maker, _SUMS):
            return _of_probabilities("sigmoid", tensor)
        if kinds == {"softmax"} and isinstance(maker, _AVERAGES):
            return _of_probabilities("softmax", tensor)
    return Meaning("unknown", None)


def _is_linear(layer):
    """Whether a layer has no activation of its own."""
    return getattr(layer, "activation", None) in (None, keras.activations.linear)


def _bottlenecks(view, end):
    """Tensors that everything passes through, from `end` to the last layer with weights.

    Only those with as many values as `end`; itself is the first.
    """
    place = {id(tensor): number for number, (_, _, tensor) in enumerate(calls_of(view, [end]))}
    found, frontier = [], {id(end): end}
    while all(key in place for key in frontier):
        tensor = frontier.pop(max(frontier, key=place.get))
        if not frontier:
            if _values(tensor) != _values(end):
                break
            found.append(tensor)
        operation, above, _ = produced_by(tensor)
        if getattr(operation, "weights", ()):
            break
        frontier.update({id(given): given for given in above or ()})
        if not frontier:
            break
    return found or [end]


def _values(tensor):
    """How many values it has for each image."""
    return int(np.prod(_sides(tensor)))


def _sides(tensor):
    return [_OPEN_SIDE if n is None else int(n) for n in tensor.shape[1:]]


def _compared(tail):
    """What a `_Tail` does to values, or None for something else.

    "same", "sigmoid", "softmax", "log_softmax"; "like sigmoid" or "like softmax": other functions
    that give probabilities; "signed": another one that keeps the sign.
    """
    shape = _sides(tail.start)
    probes = np.random.default_rng(0).normal(0, 4, (32, *shape))
    probes[0], probes[1:8] = 0.0, probes[1:8] / 10
    probes = keras.ops.cast(keras.ops.convert_to_tensor(probes, "float32"), tail.start.dtype)
    probes = keras.ops.convert_to_numpy(keras.ops.cast(probes, "float32")).astype("float64")
    try:
        found = tail(probes)
    except Exception:  # Code of its own that only knows other sizes: its values decide.
        return None
    half = "16" in tail.start.dtype + tail.end.dtype
    close = {"rtol": 0.02 if half else 1e-4, "atol": 0.01 if half else 1e-5}
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-probes))
    shifted = probes - probes.max(axis=-1, keepdims=True)
    softmax = np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)
    several = shape[-1] > 1
    if np.allclose(found, probes, **close):
        return "same"
    if np.allclose(found, sigmoid, **close):
        return "sigmoid"
    if several and np.allclose(found, softmax, **close):
        return "softmax"
    if several and np.allclose(found, np.log(np.maximum(softmax, 1e-300)), **close):
        return "log_softmax"
    clear = np.abs(probes) > 0.05
    edge = close["atol"]
    if found.min() >= -edge and found.max() <= 1 + edge:
        if several and np.allclose(found.sum(axis=-1), 1, atol=0.02):
            return "like softmax"
        # A softmax over one output says 1 whatever it is given.
        constant = not several and np.allclose(found, 1, **close)
        if constant or ((found > 0.5) == (probes > 0))[clear].all():
            return "like sigmoid"
    elif found.min() < 0 and ((found > 0) == (probes > 0))[clear].all():
        return "signed"
    return None


def _of_probabilities(kind, tensor):
    """The `Meaning` of probabilities whose logits are not in the graph: their logarithms."""
    p = keras.ops.clip(keras.ops.cast(tensor, "float32"), 1e-7, 1.0 - 1e-7)
    logits = keras.ops.log(p)
    return Meaning(kind, logits if kind == "softmax" else logits - keras.ops.log(1.0 - p))


def _shaped(meaning, output):
    """The `Meaning` of an output, with logits of its shape."""
    kind = meaning.kind.removeprefix("log_")
    logits = meaning.logits
    if logits is not None and tuple(logits.shape) != tuple(output.shape):
        logits = keras.ops.reshape(logits, (-1, *output.shape[1:]))
    return Meaning(kind, logits)


def _random_predictions(model):
    """Predictions float64 `[n, outputs]` for random inputs, of the size of pixels and smaller."""
    view = inlined(model)
    random = np.random.default_rng(0)
    given = []
    for tensor in view.inputs:
        pixels = random.uniform(0, 255, (8, *_sides(tensor)))
        pixels[4:] = pixels[4:] / 127.5 - 1
        given.append(pixels.astype(tensor.dtype if "16" not in tensor.dtype else "float32"))
    run = keras.Model(view.inputs if len(given) > 1 else view.inputs[0], view.outputs[0])
    found = run(given if len(given) > 1 else given[0], training=False)
    found = keras.ops.convert_to_numpy(keras.ops.cast(found, "float32")).astype("float64")
    return found.reshape(len(found), -1)

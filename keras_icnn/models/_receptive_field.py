"""Where in the image each unit of a layer looks, computed from the layer graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.models._finding_layers import find_layer
from keras_icnn.models._inlined import inlined
from keras_icnn.models._tensors import output_of, produced_by

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ReceptiveField:
    """Receptive fields of a layer's units, in pixels of the network's input.

    `centers`: float [h, w, 2], (x, y) of each unit's centre; the first pixel's centre is (0, 0).
    `stride`: (vertical, horizontal) pixels between neighboring units. `size`: (height, width) of
    the theoretical receptive field. `image_size`: (height, width) of the input.
    """

    centers: np.ndarray
    stride: tuple[float, float]
    size: tuple[float, float]
    image_size: tuple[int, int]


@dataclass(frozen=True)
class _Axis:
    """Along one axis, unit i is centred at start + i * jump and sees `size` pixels."""

    start: float
    jump: float
    size: float
    n: int

    def window(self, kernel, stride, dilation, padding, layer):
        span = (kernel - 1) * dilation
        if padding == "valid":
            before, n = 0, (self.n - span - 1) // stride + 1
        elif padding == "same":
            # As TensorFlow pads: the odd pixel goes after, and it depends on the input's size.
            n = math.ceil(self.n / stride)
            before = max((n - 1) * stride + span + 1 - self.n, 0) // 2
        else:
            raise ValueError(
                f"Layer '{layer}' has an unknown `padding`; expected 'same' or 'valid'. "
                f"Received: padding={padding!r}"
            )
        return _Axis(
            self.start + (span / 2 - before) * self.jump,
            self.jump * stride,
            self.size + span * self.jump,
            n,
        )

    def shift(self, before, after):
        return _Axis(self.start - before * self.jump, self.jump, self.size, self.n + before + after)


def receptive_field(
    model: keras.Model, layer: keras.layers.Layer | str, *, input_size: Sequence[int] | None = None
) -> ReceptiveField:
    """Centers, stride and size of the receptive fields of a layer's units.

    Follows convolutions, pooling, padding and cropping exactly ("same" padding as TensorFlow does
    it). Where branches meet (concatenation, addition, multiplication) they should agree on the
    centre; otherwise the branch with the widest receptive field gives it. Branches that went
    through global pooling (squeeze and excitation) have no position and are ignored. Nested models
    are descended into. Layers of other kinds pass positions through if they keep height and width.

    Args:
        model: a functional or sequential Keras model with one image input, channels last.
        layer: a layer of it (also of a nested model), its name, or its path ("backbone/conv5").
        input_size: (height, width), needed only where the model's input shape leaves them open.

    Returns:
        A `ReceptiveField`.

    Raises:
        ValueError: for an unknown layer, an open input size, a layer without spatial position, or
            a layer on the way that moves positions in a way not known here.
    """
    view = inlined(model)
    inputs = [tensor for tensor in view.inputs if len(tensor.shape) == 4]
    if len(inputs) != 1:
        raise ValueError(
            "`model` must have exactly one image input of shape (batch, height, width, channels). "
            f"Received: inputs of shapes {[tuple(t.shape) for t in model.inputs]}"
        )
    height, width = inputs[0].shape[1:3] if input_size is None else input_size
    if height is None or width is None:
        raise ValueError(
            "The receptive field depends on the input's size, which the model leaves open. Pass "
            f"`input_size=(height, width)`. Received: input shape {tuple(inputs[0].shape)}"
        )
    known = {id(tensor): None for tensor in view.inputs}
    known[id(inputs[0])] = (_Axis(0.0, 1.0, 1.0, int(height)), _Axis(0.0, 1.0, 1.0, int(width)))
    found = find_layer(model, layer)
    output = output_of(view, found)
    # A layer beside the way to the outputs is not in their graph.
    state = _state(found.output if output is None else output, known)
    if state is None:
        raise ValueError(
            f"Layer '{getattr(layer, 'name', layer)}' has no spatial position: its output is not "
            "a map, or it lies behind global pooling. Choose a convolutional layer."
        )
    y, x = (axis.start + axis.jump * np.arange(axis.n) for axis in state)
    return ReceptiveField(
        centers=np.stack(np.meshgrid(x, y), axis=-1),
        stride=tuple(axis.jump for axis in state),
        size=tuple(axis.size for axis in state),
        image_size=(int(height), int(width)),
    )


def _is_model(operation):
    return hasattr(operation, "layers") and bool(getattr(operation, "inputs", None))


def _enter(nested, outer_inputs, known):
    for inner, outer in zip(nested.inputs, outer_inputs, strict=True):
        known[id(inner)] = _state(outer, known)


def _state(target, known):
    """(vertical, horizontal) `_Axis` of a tensor, or None where it has no position."""
    # An explicit stack: DenseNet-201 is deeper than Python's recursion limit allows.
    stack = [target]
    while stack:
        tensor = stack[-1]
        if id(tensor) in known:
            stack.pop()
            continue
        operation, inputs, tensor_index = produced_by(tensor)
        if inputs is None:
            raise ValueError(
                f"The output of layer '{operation.name}' is not computed from the model's input."
            )
        missing = [t for t in inputs if id(t) not in known]
        if not inputs:
            known[id(tensor)] = None
        elif missing:
            stack.extend(missing)
        elif _is_model(operation):
            # A copy: the nested model may be called again on other inputs.
            inside = dict(known)
            _enter(operation, inputs, inside)
            known[id(tensor)] = _state(operation.outputs[tensor_index], inside)
        else:
            known[id(tensor)] = _apply(operation, [known[id(t)] for t in inputs], tensor, inputs)
    return known[id(target)]


def _apply(operation, states, output, inputs):
    states = [state for state in states if state is not None]
    if not states:
        return None
    if getattr(operation, "data_format", None) == "channels_first":
        raise ValueError(
            f"Layer '{operation.name}' has data_format='channels_first'; expected channels last."
        )
    if len(states) == 1:
        moved = _window(operation, states[0])
        if moved is not None:
            return moved
    if len(output.shape) != 4:
        return None
    agreeing = [state for state in states if _fits(state, output)]
    if len(inputs) == 1 and not agreeing:
        if tuple(output.shape[1:3]) == (1, 1):
            return None
        raise ValueError(
            f"Layer '{operation.name}' ({type(operation).__name__}) changes height and width in a "
            "way that `receptive_field` does not know: "
            f"{tuple(inputs[0].shape)} -> {tuple(output.shape)}. Known are convolutions, pooling, "
            "padding, cropping, and layers that keep height and width."
        )
    return _merge(agreeing)


def _fits(state, output):
    """Whether the state has the output's height and width, where those are known."""
    expected = output.shape[1:3]
    return all(n is None or axis.n == n for axis, n in zip(state, expected, strict=True))


def _merge(states):
    """The widest of the branches that meet; those of the same size must have the same n."""
    if not states:
        return None
    # Branches pooled to a single unit and broadcast again carry no position.
    largest = max(state[0].n * state[1].n for state in states)
    states = [state for state in states if state[0].n * state[1].n == largest]
    return max(states, key=lambda state: state[0].size * state[1].size)


def _window(operation, state):
    """The state behind a convolution, pooling, padding or cropping; None for other layers."""
    name = operation.name
    # A view of a layer sees what the layer sees.
    operation = getattr(operation, "window_of", operation)
    kind = type(operation).__name__
    if "Global" in kind and "Pooling" in kind:
        return None
    if "Transpose" in kind:
        return None  # keeps positions only if it keeps the size, which the caller checks
    if kind.startswith("ZeroPadding") or kind.startswith("Cropping"):
        pairs = operation.padding if kind.startswith("Zero") else operation.cropping
        sign = 1 if kind.startswith("Zero") else -1
        return tuple(
            axis.shift(sign * before, sign * after)
            for axis, (before, after) in zip(state, pairs, strict=True)
        )
    kernel = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None)
    strides = getattr(operation, "strides", None)
    if kernel is None or (strides is None and not hasattr(operation, "pool_size")):
        return None
    kernel = _pair(kernel)
    strides = _pair(strides) if strides is not None else kernel
    dilation = _pair(getattr(operation, "dilation_rate", 1) or 1)
    padding = getattr(operation, "padding", "valid")
    return tuple(
        axis.window(kernel[i], strides[i], dilation[i], padding, name)
        for i, axis in enumerate(state)
    )


def _pair(value):
    if isinstance(value, int):
        return (value, value)
    value = tuple(value)
    return value if len(value) == 2 else value * 2

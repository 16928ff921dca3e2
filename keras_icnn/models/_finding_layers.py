"""Which layer of a network is meant: by its name, its path, itself, or the topmost one with parts.

Works on the flat view of `_inlined`, so that layers of nested models are found like any other.
"""

from __future__ import annotations

import keras

from keras_icnn._arguments import nearest
from keras_icnn.models._flat_copy import is_model
from keras_icnn.models._inlined import in_view, inlined, opens
from keras_icnn.models._tensors import calls_of, produced_by

_SHOWN = 12


def find_layer(model, layer):
    """The layer that is meant, as it stands in the flat view `inlined(model)`.

    Args:
        model: functional or Sequential Keras model.
        layer: a layer; or a name: that of a layer of the model itself, of a layer of a nested
            model ("ic") where no other has it, or a path ("backbone/ic"). A nested model stands
            for the layer that makes its output.

    Raises:
        ValueError: for an unknown layer, or a name that several layers have.
    """
    view = inlined(model)
    if not isinstance(layer, str):
        if any(one is layer for _, one in _paths(model)):
            return _maker(model, layer)
        if in_view(model, layer) is not None:
            return layer
        # Such as the layer of the model that this one is a view of.
        layer = getattr(layer, "name", layer)
    found = {path: one for path, one in _paths(model) if path == layer}
    if not found:
        found = {path: one for path, one in _paths(model) if path.endswith(f"/{layer}")}
    if len({id(one) for one in found.values()}) > 1:
        raise ValueError(
            "`layer` must name one layer of the model. Received: "
            f"layer={layer!r}, which are {sorted(found)}. Pass one of these paths."
        )
    if found:
        return _maker(model, next(iter(found.values())))
    for operation in view.operations:
        if operation.name == layer:
            return operation
    names = [path for path, _ in _paths(model)]
    raise ValueError(
        "`layer` must be a layer of the model, its name, or its path such as 'backbone/conv1'. "
        f"Received: layer={layer!r}; the nearest of the model's {len(names)} layers: "
        f"{', '.join(nearest(str(layer), names))}"
    )


def _paths(model):
    """Pairs of a path and a layer, for all layers at any depth."""
    for layer in model.layers:
        yield layer.name, layer
        if opens(layer):
            for path, inner in _paths(layer):
                yield f"{layer.name}/{path}", inner


def _maker(model, layer):
    """What stands for a layer in the view; for a nested model, what makes its output."""
    while opens(layer):
        if len(layer.outputs) != 1:
            raise ValueError(
                f"`layer` must be a layer. Received: the nested model '{layer.name}', which has "
                f"{len(layer.outputs)} outputs. Name one of its layers, as '{layer.name}/...'."
            )
        layer = produced_by(layer.outputs[0])[0]
    return in_view(model, layer)


def topmost_layer(model):
    """The layer that is measured where none is named: see `measured_layer`.

    Raises:
        ValueError: where there is none, or several could be meant.
    """
    view = inlined(model)
    # What decides the first output; where nothing of that is interpretable, all outputs.
    for outputs in (view.outputs[:1], view.outputs):
        calls = calls_of(view, outputs)
        found = _highest(calls, [t for op, _, t in calls if is_interpretable_like(op)])
        if found:
            return _only(model, found, "interpretable")
    hidden = [(op, inner) for op, _, _ in calls for inner in _inside(op)]
    if hidden:
        outer, inner = hidden[0]
        raise ValueError(
            f"`model` must have its interpretable layer in its graph. Received: '{inner.name}' "
            f"inside of '{outer.name}' ({type(outer).__name__}), which has no graph to read. Build "
            "that part with `keras.Model(inputs, outputs)`, or pass another `layer`."
        )
    calls = calls_of(view, view.outputs[:1])
    maps = _maps(calls)
    outputs = view.outputs[0].shape[-1]
    # A map with one channel for each output is the classifier's (SqueezeNet).
    features = [tensor for tensor in maps if tensor.shape[-1] != outputs]
    found = _highest(calls, features or maps)
    if not found:
        raise ValueError(
            "`model` must have a layer that gives maps, or pass `layer`. Received: model with the "
            f"layers {[path for path, _ in _paths(model)][:_SHOWN]}"
        )
    return _only(model, found, "topmost")


def is_interpretable_like(operation):
    """Whether it is an interpretable layer, or a stand-in for one."""
    return hasattr(operation, "target_categories")


def _only(model, tensors, kind):
    """The one operation that makes the tensors."""
    makers = {id(op): op for op in (produced_by(tensor)[0] for tensor in tensors)}
    if len(makers) > 1:
        ids = set(makers)
        paths = sorted({path for path, one in _paths(model) if id(in_view(model, one)) in ids})
        paths = paths or sorted(op.name for op in makers.values())
        raise ValueError(
            f"`layer` must say which layer is meant: model '{model.name}' has several {kind} "
            f"layers, none above the other. Received: layer=None; choose one of {paths}"
        )
    return next(iter(makers.values()))


def _highest(calls, tensors):
    """Those of `tensors` that no other of them depends on."""
    bit = {id(tensor): 1 << place for place, tensor in enumerate(tensors)}
    below = {}
    covered = 0
    for _, above, tensor in calls:
        under = 0
        for given in above:
            under |= below.get(id(given), 0)
        if id(tensor) in bit:
            covered |= under
            under |= bit[id(tensor)]
        below[id(tensor)] = under
    return [tensor for tensor in tensors if not covered & bit[id(tensor)]]


def _maps(calls):
    """Tensors that are maps of learned filters: above 1 x 1, and made by or above a kernel.

    What only scales, resizes or augments an image (preprocessing) has no kernel and lies above
    none.
    """
    learned, found = set(), []
    for operation, above, tensor in calls:
        kernel = any(len(weight.shape) > 1 for weight in getattr(operation, "weights", ()))
        if not kernel and not any(id(given) in learned for given in above):
            continue
        learned.add(id(tensor))
        pools = hasattr(operation, "pool_size") or type(operation).__name__.endswith("Dropout")
        is_layer = isinstance(operation, keras.Layer) and not is_model(operation)
        if pools or not is_layer or len(tensor.shape) != 4:
            continue
        if all(n is None or n > 1 for n in tensor.shape[1:3]):
            found.append(tensor)
    return found


def _inside(operation, depth=3):
    """Interpretable layers that a layer or subclassed model holds as attributes."""
    if is_interpretable_like(operation) or not isinstance(operation, keras.Layer) or not depth:
        return
    for value in list(vars(operation).values()):
        several = value if isinstance(value, list | tuple) else (value,)
        for inner in several:
            if not isinstance(inner, keras.Layer) or inner is operation:
                continue
            if is_interpretable_like(inner):
                yield inner
            else:
                yield from _inside(inner, depth - 1)

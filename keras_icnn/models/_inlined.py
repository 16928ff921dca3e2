"""One flat graph of a model for reading: nested models are opened, and all layers are its own.

`_flat_copy` makes a flat copy with fresh layers, to build another network of. Here the layers and
their weights are shared, so that what is read is the network itself.
"""

import functools
import threading
import weakref

import keras

from keras_icnn.models._flat_copy import functional, is_model

_views = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def inlined(model):
    """A functional model of the same layers in which no layer is a model with a graph.

    Models nested in it, at any depth, are replaced by the calls of their layers. A nested model
    that is subclassed, or overrides `call`, has no graph to read and stays one layer. Nothing is
    set on the model. The view is for inference; it is made once for each model.

    Args:
        model: functional or Sequential Keras model, built.

    Returns:
        `keras.Model`, not compiled; a functional model without nested ones itself.

    Raises:
        ValueError: for a model without a graph, or one that overrides `call`.
    """
    view = _found(model)[0]
    return model if view is None else view


def in_view(model, layer):
    """What stands for a layer of a nested model in the view `inlined(model)`.

    It is the layer itself; or, where another layer has its name, a second object with the same
    variables and another name (in one Keras model names differ). None: it is in neither.
    """
    view, twins = _found(model)
    if id(layer) in twins:
        return twins[id(layer)]
    operations = (model if view is None else view).operations
    return layer if any(op is layer for op in operations) else None


def opens(operation):
    """Whether an operation is a nested model whose graph says what it computes."""
    return is_model(operation) and not _overrides_call(operation)


def _found(model):
    """(view or None for the model itself, which the cache must not keep alive; twins by id)."""
    with _lock:
        if model not in _views:
            _views[model] = _made(model)
        return _views[model]


def _made(model):
    flat = functional(model)
    if _overrides_call(model):
        raise ValueError(
            f"`model` must compute what its graph says. Received: a {type(model).__name__} that "
            "overrides `call`. Express what `call` does in layers of the graph, or pass "
            "`keras.Model(model.inputs, model.outputs)` if it changes no output."
        )
    if not any(opens(op) for op in flat.operations):
        return (None if flat is model else flat), {}
    used = {op.name for op in flat.operations}
    known, twins = {id(op) for op in flat.operations}, {}

    def named(prefix):
        def unique(op):
            if id(op) in known or opens(op):
                return twins.get(id(op), op)
            known.add(id(op))
            if op.name in used:
                twins[id(op)] = _twin(op, _free_name(f"{prefix}_{op.name}", used))
            used.add(op.name)
            return twins.get(id(op), op)

        return unique

    def inline(op, *args, **kwargs):
        if not opens(op):
            return op(*args, **kwargs)
        # `call`, not `__call__`: its layers become nodes of this graph, instead of the model.
        inner = _called_anew(functional(op), named(op.name), inline)
        return inner.call(*args, **kwargs)

    def tidy(op, *args, **kwargs):
        # Calling a model adds conversions of its inputs, which are tensors already.
        if type(op).__name__ == "ConvertToTensor" and op.output.dtype == args[0].dtype:
            return args[0]
        return op(*args, **kwargs)

    nested = _called_anew(flat, lambda op: op, inline)
    return _called_anew(nested, lambda op: op, tidy), twins


def _called_anew(model, choose, call):
    # A shell that is not compiled: no optimizer is made for the view.
    shell = keras.Model(model.input, model.output, name=model.name)
    return keras.models.clone_model(shell, clone_function=choose, call_function=call)


def _free_name(name, used):
    while name in used:
        name = f"{name}_"
    used.add(name)
    return name


def _twin(operation, name):
    """A second object with the same variables, another name and no place in a graph yet."""
    twin = object.__new__(type(operation))
    twin.__dict__.update(operation.__dict__, name=name, _inbound_nodes=[], _outbound_nodes=[])
    return twin


def _overrides_call(model):
    if isinstance(model, keras.Sequential):
        return type(model).call is not keras.Sequential.call
    return type(model).call is not _graph_call()


@functools.cache
def _graph_call():
    """The `call` of a functional model, whose class Keras does not name in public."""
    tensor = keras.Input((1,))
    return type(keras.Model(tensor, tensor)).call

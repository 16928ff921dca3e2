"""Tensors of a functional model's graph. The only code here that reads Keras's graph records."""


def produced_by(tensor):
    """(operation, its input tensors, which of its outputs the tensor is)."""
    operation, node_index, tensor_index = tensor._keras_history
    nodes = operation._inbound_nodes
    return operation, (nodes[node_index].input_tensors if nodes else None), tensor_index


def output_of(model, layer):
    """A layer's output tensor in this model.

    `layer.output` is another tensor where the layer was called more than once, as in a model that
    was built from the upper layers of a network. None: the layer is not in the model's graph.
    """
    return _call_of(model, layer)[0]


def input_of(model, layer):
    """A layer's input tensor in this model, as `output_of`."""
    return _call_of(model, layer)[1]


def _call_of(model, layer):
    """(output tensor, input tensor) of a layer in this model; None twice where it is not in it."""
    found = [(tensor, above) for one, above, tensor in calls_of(model) if one is layer]
    nodes = {id(above[0]) if above else None for _, above in found}
    if len(nodes) > 1:
        raise ValueError(
            f"`layer` must be called once in model '{model.name}'. Received: '{layer.name}', which "
            f"is called {len(nodes)} times, so that it has several maps. Choose another layer, or "
            "build a model that calls it once."
        )
    if not found:
        return None, None
    tensor, above = found[0]
    return tensor, above[0] if above else None


def calls_of(model, outputs=None):
    """The calls that make a model's outputs, each behind those that it depends on.

    Args:
        model: functional Keras model.
        outputs: the tensors to make; None: all outputs of the model.

    Returns:
        List of (operation, its input tensors, its output tensor), without the model's inputs.
    """
    known = {id(tensor) for tensor in model.inputs}
    found, stack = [], list(model.outputs if outputs is None else outputs)[::-1]
    # An explicit stack: DenseNet-201 is deeper than Python's recursion limit allows.
    while stack:
        tensor = stack[-1]
        if id(tensor) in known:
            stack.pop()
            continue
        operation, above, _ = produced_by(tensor)
        waiting = [t for t in above or () if id(t) not in known]
        if waiting:
            stack += waiting
            continue
        known.add(id(tensor))
        found.append((operation, list(above or ()), tensor))
        stack.pop()
    return found


def activation_of(operation):
    """What an operation does to values, in lower case: its activation's name, or its own type's."""
    activation = getattr(operation, "activation", None)
    if activation is None:
        return type(operation).__name__.lower()
    return getattr(activation, "__name__", str(activation)).lower()

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
    stack, seen = list(model.outputs), set()
    inputs = {id(tensor) for tensor in model.inputs}
    while stack:
        tensor = stack.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        operation, above, _ = produced_by(tensor)
        if operation is layer:
            return tensor, above[0] if above else None
        if id(tensor) not in inputs:
            stack.extend(above or ())
    return None, None


def activation_of(operation):
    """What an operation does to values, in lower case: its activation's name, or its own type's."""
    activation = getattr(operation, "activation", None)
    if activation is None:
        return type(operation).__name__.lower()
    return getattr(activation, "__name__", str(activation)).lower()

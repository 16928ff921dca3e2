"""One flat graph of a functional or Sequential model: nested models are inlined."""

import keras
from keras import layers as klayers

from keras_icnn.models._operations import Graph


def fresh(op, config):
    """A fresh operation of the same kind."""
    if isinstance(op, klayers.Lambda):
        # Its function is the caller's own, alive in this process: not code from a file.
        return type(op).from_config(config, safe_mode=False)
    return type(op).from_config(config)


def functional(model):
    """A functional view of a functional or Sequential model."""
    if isinstance(model, keras.Sequential):
        if not model.built or not model.inputs:
            raise ValueError(
                "`model` is a Sequential model that is not built: begin it with "
                "`keras.Input(shape)` or call `model.build(input_shape)`. "
                f"Received: model={model.name!r}"
            )
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not isinstance(model, keras.Function):
        raise ValueError(
            "`model` must be a functional or Sequential Keras model: a subclassed model has no "
            "graph to rebuild. Express it with `keras.Model(inputs, outputs)`, or use "
            "`InterpretableConv` and `InterpretableFilters` in its code. Received: "
            f"{type(model).__name__}"
        )
    return model


def is_model(op):
    """Whether an operation of a graph is a nested model."""
    return isinstance(op, (keras.Sequential, keras.Function))


def flatten(model):
    """Inlines nested models.

    Returns:
        The flat model, its `Graph`, and a dictionary from its layers' names to the layers whose
        weights they take (empty when the flat model is the model itself).
    """
    if not any(is_model(op) for op in model.operations):
        try:
            return model, Graph(model), {}
        except ValueError:
            pass  # Layers that another model calls, too: a copy has them called once.
    used = {op.name for op in model.operations if not is_model(op)}
    originals, clones = {}, {}

    def cloner(prefix):
        def clone(op):
            if is_model(op):
                return op
            if id(op) not in clones:
                config = op.get_config()
                if prefix is not None:
                    if config["name"] in used:
                        config["name"] = f"{prefix}_{config['name']}"
                    used.add(config["name"])
                clones[id(op)] = fresh(op, config)
                originals[config["name"]] = op
            return clones[id(op)]

        return clone

    def inline(op, *args, **kwargs):
        if not is_model(op):
            return op(*args, **kwargs)
        inner = keras.models.clone_model(
            functional(op), clone_function=cloner(op.name), call_function=inline
        )
        # `call`, not `__call__`: its layers become nodes of this graph, instead of the model.
        return inner.call(*args, **kwargs)

    nested = keras.models.clone_model(model, clone_function=cloner(None), call_function=inline)

    def tidy(op, *args, **kwargs):
        # Calling an inner model adds conversions of its inputs, which are tensors already.
        if type(op).__name__ == "ConvertToTensor" and op.name not in originals:
            return args[0]
        return op(*args, **kwargs)

    # Inlined layers were called twice; in a clean copy they are called once.
    flat = keras.models.clone_model(
        keras.Model(nested.input, nested.output, name=model.name),
        clone_function=lambda op: fresh(op, op.get_config()),
        call_function=tidy,
    )
    return flat, Graph(flat), originals

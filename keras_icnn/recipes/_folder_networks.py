"""The twins that are trained on a user's own images."""

import inspect

INTERPRETABLE, ORDINARY = "interpretable", "ordinary"


def built(name, settings, class_names):
    """One of the twins: freshly built, compiled later."""
    import keras

    from keras_icnn.metrics import find_background
    from keras_icnn.models._interpretable_model import InterpretableModel
    from keras_icnn.zoo._registry import get_builder

    keras.utils.set_random_seed(settings.seed)
    arguments = {
        "weights": settings.weights,
        "input_shape": (*settings.image_size, 3),
        "classes": len(class_names),
        "include_preprocessing": True,
        "fine_tune": settings.fine_tune,
    }
    if name == ORDINARY:
        builder = get_builder(settings.network)
        arguments["extra_layer"] = True
    else:
        builder = get_builder(f"{settings.network}_interpretable")
        arguments["class_names"] = list(class_names)
        if settings.weights is None and "interpret_top" in inspect.signature(builder).parameters:
            # The layers below the new one are those of the ordinary network, then.
            arguments["interpret_top"] = False
        if find_background(class_names) == 0:
            arguments["background_class"] = 0
    model = builder(**arguments)
    if name == INTERPRETABLE:
        return model
    # An ordinary network that knows its classes and its training images, too.
    return InterpretableModel(
        model.inputs[0], model.outputs[0], name=model.name, class_names=class_names
    )


def begin_with(ordinary, model):
    """Copies the layers below the new one from the trained ordinary network, and freezes them."""
    weighted = [layer for layer in ordinary.layers if layer.weights]
    for layer, source in zip((w for w in model.layers if w.weights), weighted, strict=False):
        if hasattr(layer, "target_categories"):
            return
        layer.set_weights(source.get_weights())
        layer.trainable = False

"""Starts a classifier from each category's own filters.

Fixed categories are a promise that only the filter loss keeps: a classifier with random weights may
as well learn to read a class off the filters of others. With 24 classes it did.
"""

import keras
import numpy as np

from keras_icnn.models._inlined import inlined
from keras_icnn.models._tensors import output_of, produced_by

# Filters whose mean activation is below this do not fire; in trained networks it is 0.01 to 50.
_SILENT = 1e-4
_CLASSIFIERS = (keras.layers.Dense, keras.layers.Conv2D)


def start_classifier(model, layer, features):
    """Starts the classifier right above a layer: each class's logit reads its own filters alone.

    The logit is the mean of the class's filters, in units of their mean over all images, minus 1.
    Filters without a category keep their weights, and so do those of a class whose filters hardly
    fire, as in a network that has learned nothing: their units would be next to nothing.
    Nothing is changed where the maps reach the outputs in another way than through one dense layer
    or 1 x 1 convolution, with pooling before or after it.

    Args:
        model: A functional model.
        layer: `InterpretableConv` with new filters, adapted.
        features: Some of the layer's inputs for training images, array.
    """
    found = _classifier(model, layer)
    if found is None:
        return
    maps, seen, classifier = found
    category = layer.parts().category[:, None]
    mean = _mean_activations(layer, maps, seen, features)[:, None]
    kernel = keras.ops.convert_to_numpy(classifier.kernel)
    own = (category == np.arange(kernel.shape[-1])).astype(float)  # [filters, classes]
    total = (own * mean).sum(axis=0)
    count = own.sum(axis=0)
    fires = total > _SILENT * count
    start = own / np.where(fires, total, 1.0)
    # The background has no filters, and reads none.
    silent = (count > 0) & ~fires
    classifier.kernel.assign(np.where((category >= 0) & ~silent, start, kernel))
    if classifier.use_bias:
        classifier.bias.assign(-fires.astype("float32"))


def _mean_activations(layer, maps, seen, features):
    """Mean of what the classifier sees of each filter, as in the first step of training: `[F]`."""
    kept = [np.array(keras.ops.convert_to_numpy(v)) for v in layer.non_trainable_variables]
    values = layer.masked(layer.rectified(keras.ops.convert_to_tensor(features), training=True))
    for variable, value in zip(layer.non_trainable_variables, kept, strict=True):
        # A batch normalization has moved its statistics.
        variable.assign(value)
    if seen is not maps:
        values = keras.Model(maps, seen)(values)
    values = keras.ops.convert_to_numpy(values)
    return values.reshape(-1, values.shape[-1]).mean(axis=0)


def _classifier(model, layer):
    """(maps, what the classifier sees of them, classifier), tensors and a layer; or None."""
    view = inlined(model)
    maps = output_of(view, layer)
    if maps is None or len(view.outputs) > 1:
        return None
    tensor, found = view.outputs[0], []
    while tensor is not maps:
        operation, above, _ = produced_by(tensor)
        if len(above or ()) != 1:
            return None
        if getattr(operation, "weights", None):
            found.append((above[0], operation))
        tensor = above[0]
    if len(found) != 1 or not isinstance(found[0][1], _CLASSIFIERS):
        return None
    seen, classifier = found[0]
    shape = tuple(classifier.kernel.shape)
    # Flattened maps give more rows than filters, and larger kernels more taps than one.
    if int(np.prod(shape)) != maps.shape[-1] * layer.num_classes or shape[-1] != layer.num_classes:
        return None
    return maps, seen, classifier

"""Turning a Keras CNN into an interpretable one."""

import keras

from keras_icnn._layers import InterpretableConv
from keras_icnn._model import InterpretableModel

NEW_LAYER = "interpretable_conv"
PLAIN_LAYER = "extra_conv"


def layer_arguments(num_classes, background_class=None, filter_loss="default", mask=True):
    """The interpretable layers' own arguments for a task with `num_classes` classes.

    One class is the single-category task: one logit, two categories, of which class 0 ("random
    images") is background.

    Args:
        num_classes: Integer >= 1, the number of units of the classifier.
        background_class: Integer or `None`, the class that no filter may take as its category.
        filter_loss: What `InterpretableConv` takes.
        mask: Boolean, whether the maps are masked.

    Returns:
        Dictionary of keyword arguments.
    """
    if num_classes == 1:
        num_classes = 2
        background_class = 0 if background_class is None else background_class
    return {
        "num_classes": num_classes,
        "background_class": background_class,
        "filter_loss": filter_loss,
        "mask": mask,
    }


def add_layer(x, filters=None, normalization="batch", interpretable=None):
    """Adds section 5's new layer, 3x3xM with zero padding, above a feature map.

    Args:
        x: Keras tensor `(batch, height, width, channels)`.
        filters: Integer, M; `None` for the map's own channel number.
        normalization: `"batch"` or `None`.
        interpretable: Arguments of `layer_arguments`' result; `None` adds the plain twin
            (convolution, the same normalisation, ReLU).

    Returns:
        Keras tensor `(batch, height, width, filters)`.
    """
    convolution = {
        "filters": filters or x.shape[-1],
        "kernel_size": 3,
        "padding": "same",
        # N(0, 2 / fan_in), not truncated: the initialisation the measured trial used.
        "kernel_initializer": keras.initializers.VarianceScaling(
            2.0, mode="fan_in", distribution="untruncated_normal"
        ),
    }
    if interpretable is not None:
        return InterpretableConv(
            **convolution, normalization=normalization, name=NEW_LAYER, **interpretable
        )(x)
    if normalization is None:
        return keras.layers.Conv2D(**convolution, activation="relu", name=PLAIN_LAYER)(x)
    x = keras.layers.Conv2D(**convolution, name=PLAIN_LAYER)(x)
    # The constants of the interpretable layer's own normalisation.
    x = keras.layers.BatchNormalization(epsilon=1e-5, momentum=0.95, name=f"{PLAIN_LAYER}_bn")(x)
    return keras.layers.ReLU(name=f"{PLAIN_LAYER}_relu")(x)


def finish(inputs, outputs, name, interpretable):
    """A model of the right class: interpretable layers need one that feeds them labels."""
    if interpretable:
        return InterpretableModel(inputs, outputs, name=name)
    return keras.Model(inputs, outputs, name=name)

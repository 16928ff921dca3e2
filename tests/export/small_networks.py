"""Small networks with every kind of head, and pictures with ordinary, tied and empty maps."""

import keras
import numpy as np

import keras_icnn as icnn


def pictures(n=8, size=24, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, size, size, 3)).astype("float32")
    x[-2] = np.tile(x[-2, :4, :4], (size // 4, size // 4, 1))
    x[-1] = 0
    return x


def network(head="pooled", classes=3, activation="softmax", filters=6, filter_loss="default"):
    """An interpretable network with one of several heads."""
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = icnn.InterpretableConv(
        filters,
        3,
        padding="same",
        num_classes=max(classes, 2),
        background_class=0 if classes == 1 else None,
        normalization="batch",
        filter_loss=filter_loss,
        name="interpretable_conv",
    )(x)
    x = _HEADS[head](x)
    if head == "classifier of maps":
        outputs = keras.layers.Activation(activation)(x)
    else:
        outputs = keras.layers.Dense(classes, activation=activation)(x)
    return icnn.InterpretableModel(inputs, outputs)


def _dense(x):
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D()(x))
    return keras.layers.Dense(16, activation="relu")(keras.layers.Dropout(0.5)(x))


def _normalised(x):
    x = keras.layers.BatchNormalization()(keras.layers.MaxPooling2D()(x))
    return keras.layers.GlobalAveragePooling2D()(x)


def _classifier_of_maps(x):
    x = keras.layers.Conv2D(3, 1, activation="relu")(keras.layers.Dropout(0.5)(x))
    return keras.layers.GlobalAveragePooling2D()(x)


_HEADS = {
    "pooled": lambda x: keras.layers.GlobalAveragePooling2D()(x),
    "flat": lambda x: keras.layers.Flatten()(x),
    "dense": _dense,
    "convolution": lambda x: keras.layers.GlobalMaxPooling2D()(
        keras.layers.Conv2D(7, 3, strides=2, padding="same", activation="relu")(x)
    ),
    "normalized": _normalised,
    "classifier of maps": _classifier_of_maps,
}
HEADS = tuple(_HEADS)

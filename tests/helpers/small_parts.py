"""A small network whose filters have parts, and images for it."""

import keras
import numpy as np
from keras import layers

import keras_icnn as icnn
from keras_icnn.datasets import PartDataset

NAMES = ["none", "cat", "dog"]


def network(class_names=NAMES, filter_loss=None, seed=3):
    """Eight filters, assigned to two parts of each of two categories."""
    keras.utils.set_random_seed(seed)
    rule = filter_loss or icnn.FilterLoss(
        gradient="equal", weight="relative", target="assigned", parts=2
    )
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(inputs)
    x = icnn.InterpretableConv(
        8, 3, padding="same", num_classes=3, background_class=0, filter_loss=rule, name="parts"
    )(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(3, activation="softmax")(x)
    return icnn.InterpretableModel(inputs, outputs, name="net", class_names=class_names)


def dataset(n=24, names=NAMES):
    """Noise, brighter for some classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    pixels = rng.integers(0, 120, (n, 16, 16, 3)) + 60 * labels[:, None, None, None]
    return PartDataset(
        image=lambda i: pixels[i].astype("uint8"),
        labels=labels,
        files=[f"{i}.png" for i in range(n)],
        class_names=names,
        image_size=(16, 16),
    )

"""What code on the pages may use without making it: small images, networks and folders.

The functions of the zoo check the arguments that a page gives them, and return a small network
instead of a large one with downloaded weights. `fit` trains for two epochs at most.
"""

import inspect

import keras
import numpy as np
import pytest
from PIL import Image

import keras_icnn as icnn

CLASSES = ("background", "fox")
# Warnings do not fail code that users may copy; of Keras's own, pyproject.toml says why.
WARNINGS_ARE_SHOWN = pytest.mark.filterwarnings(
    "default", "ignore:__array__ implementation:DeprecationWarning"
)


def network(size=(224, 224), classes=2, interpretable=True, class_names=None):
    """A small network for images of any size: maps of 7 x 7, eight filters."""
    x = inputs = keras.Input((*size, 3))
    x = keras.layers.Rescaling(1 / 255)(x)
    x = keras.layers.AveragePooling2D((size[0] // 14, size[1] // 14))(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="below")(x)
    if interpretable:
        x = icnn.InterpretableConv(
            8, 3, padding="same", num_classes=classes, name="interpretable_conv"
        )(x)
    else:
        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="top")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(classes, activation="softmax")(x)
    make = icnn.InterpretableModel if interpretable else keras.Model
    model = make(inputs, outputs, name="interpretable" if interpretable else "ordinary")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def builder(real):
    """A function of the zoo that builds the small network, from arguments that are real ones."""

    def build(**given):
        inspect.signature(real).bind(**given)
        return network(
            classes=given.get("classes", 1000), interpretable="interpretable" in real.__name__
        )

    return build


def fit_briefly(real):
    """`fit` that stops after two epochs, however many the page asks for."""

    def fit(self, *args, epochs=1, **kwargs):
        return real(self, *args, **{**kwargs, "epochs": min(epochs, 2), "verbose": 0})

    return fit


def put_in_place(monkeypatch):
    """Replaces what is large or slow."""
    for name in icnn.zoo.__all__:
        real = getattr(icnn.zoo, name)
        if name in icnn.zoo.list_models():
            monkeypatch.setattr(icnn.zoo, name, builder(real))
    monkeypatch.setattr(icnn.InterpretableModel, "fit", fit_briefly(icnn.InterpretableModel.fit))


def folder(root):
    """The files that pages speak of: a folder of class folders, one image, saved networks."""
    data = icnn.datasets.creatures(
        n_train=16, n_validation=0, n_test=8, image_size=(48, 48), species=["fox"]
    )
    for i, sample in enumerate(data.train):
        path = root / "photos" / CLASSES[sample.label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(sample.image, "uint8")).save(path)
    Image.fromarray(np.asarray(data.train[0].image, "uint8")).save(root / "photo.jpg")
    network().save(root / "parts.keras")
    network(interpretable=False).save(root / "ordinary.keras")


def names(root):
    """The names that a page's code begins with."""
    data = icnn.datasets.creatures(
        n_train=16, n_validation=12, n_test=12, image_size=(224, 224), species=["fox"]
    )
    train = data.train.batches(8, shuffle=True, seed=0)
    images, labels = data.train.batches(8)[0]
    return {
        "keras": keras,
        "np": np,
        "icnn": icnn,
        "data": data,
        "dataset": data.validation,
        "parts": data.validation,
        "train": train,
        "batches": train,
        "val": data.validation.batches(8),
        "model": network(),
        "ordinary": network(interpretable=False),
        "cnn": network(interpretable=False),
        "image": data.validation[0].image,
        "images": np.asarray(images, "float32"),
        "x": np.asarray(images, "float32"),
        "y": np.asarray(labels, "int32"),
        "x_test": np.asarray(images, "float32"),
        "y_test": np.asarray(labels, "int32"),
        "loss_fn": keras.losses.SparseCategoricalCrossentropy(),
        "root": root,
    }

"""Figures, measures, explanations and exports leave a model as it is, at every moment."""

import threading

import keras
import matplotlib
import numpy as np
import pytest
from keras import layers, ops

import keras_icnn as icnn
from keras_icnn.datasets import creatures

SIZE = (32, 32)
PREDICTIONS = 200


@pytest.fixture(scope="module", autouse=True)
def no_windows():
    matplotlib.use("Agg")


@pytest.fixture(scope="module")
def data():
    return creatures(0, 0, 12, SIZE, species=["cat"]).test.cache()


def network():
    """Two interpretable layers of the two kinds, whose filters fire, and a softmax."""
    keras.utils.set_random_seed(3)
    lively = {"bias_initializer": keras.initializers.Constant(1.0)}
    inputs = keras.Input((*SIZE, 3))
    x = layers.Conv2D(6, 3, strides=4, padding="same")(layers.Rescaling(1 / 64)(inputs))
    x = icnn.InterpretableFilters(num_classes=2, name="lower")(x)
    x = icnn.InterpretableConv(5, 3, padding="same", num_classes=2, name="parts", **lively)(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(2, activation="softmax", name="classifier")(x)
    return icnn.InterpretableModel(inputs, outputs, name="net")


def images_of(data):
    return np.stack([data.image(i) for i in range(4)]).astype("float32")


# Keras sets them itself, `built` where a model is made of layers, the others in each layer (not
# the model) when a SavedModel is written; no computation reads them there.
KERAS_OWN = ("built", "train_function", "test_function", "predict_function")
READERS = {
    "explain by ablation": lambda model, data, folder: icnn.explain(model, data.image(0)),
    "explain by gradient": lambda model, data, folder: icnn.explain(
        model, data.image(0), method="gradient", reference=data
    ),
    "filter_maps": lambda model, data, folder: icnn.visualize.filter_maps(model, data.image(0)),
    "filter_gallery": lambda model, data, folder: icnn.visualize.filter_gallery(model, data, 1),
    "part_gallery": lambda model, data, folder: icnn.visualize.part_gallery(model, data, 1),
    "part_heatmap": lambda model, data, folder: icnn.visualize.part_heatmap(model, data),
    "category_filters": lambda model, data, folder: icnn.visualize.category_filters(model, data),
    "evaluate": lambda model, data, folder: icnn.metrics.evaluate(model, data),
    "without_masks": lambda model, data, folder: icnn.models.without_masks(model)(images_of(data)),
    "export": lambda model, data, folder: model.export(folder / "saved", verbose=False),
    "verify": lambda model, data, folder: icnn.export.verify(model, folder / "saved"),
}
if keras.backend.backend() != "tensorflow":
    del READERS["export"], READERS["verify"]


class Predictor(threading.Thread):
    """Predicts the same images over and over until it is told to stop; keeps what differs."""

    def __init__(self, model, images, expected):
        super().__init__()
        self.model, self.images, self.expected = model, images, expected
        self.count, self.wrong, self.error = 0, [], None
        self.enough = threading.Event()

    def run(self):
        try:
            while not (self.enough.is_set() and self.count >= PREDICTIONS):
                # On JAX Keras's own `predict_on_batch` is not made for two threads: it deletes the
                # variables' arrays for the time of the call.
                if self.count % 2 and keras.backend.backend() != "jax":
                    found = self.model.predict_on_batch(self.images)
                else:
                    found = ops.convert_to_numpy(self.model(self.images, training=False))
                self.count += 1
                apart = float(np.abs(np.asarray(found) - self.expected).max())
                if not apart < 1e-6:
                    self.wrong.append(apart)
        except Exception as error:
            self.error = error


@pytest.mark.medium
def test_predictions_in_another_thread_are_the_undisturbed_ones(data, tmp_path):
    model, images = network(), images_of(data)
    expected = np.asarray(model.predict_on_batch(images))
    predictor = Predictor(model, images, expected)
    rounds = 0
    predictor.start()
    try:
        while not rounds or predictor.count < PREDICTIONS:
            for read in READERS.values():
                read(model, data, tmp_path)
            rounds += 1
    finally:
        predictor.enough.set()
        predictor.join()
    assert predictor.error is None
    assert predictor.count >= PREDICTIONS
    assert not predictor.wrong, (
        f"{len(predictor.wrong)} of {predictor.count} predictions are wrong, the worst by "
        f"{max(predictor.wrong):.3f}"
    )


def all_layers(model):
    for layer in model.layers:
        yield layer
        if hasattr(layer, "interpretable"):
            yield layer.interpretable


def attributes(model):
    """What a reader could swap: every attribute of every layer, and its methods' functions."""
    found = {}
    for layer in all_layers(model):
        for name in ("activation", "mask", "call", "rectified", "masked", "masks", "trainable"):
            value = getattr(layer, name, None)
            found[id(layer), name] = getattr(value, "__func__", value)
        for name in vars(layer):
            found[id(layer), "own", name] = None
    return found


class Watched:
    """Notices every attribute that is set on or deleted from a layer while it is in use."""

    def __init__(self, monkeypatch, model):
        self.seen = []
        watched = {id(layer) for layer in all_layers(model)}
        set_, delete = keras.layers.Layer.__setattr__, keras.layers.Layer.__delattr__

        def setattr_(layer, name, value):
            if id(layer) in watched and name not in KERAS_OWN and not name.startswith("_"):
                self.seen.append((layer.name, name))
            if layer is model and name.endswith("_function"):
                self.seen.append((layer.name, name))
            set_(layer, name, value)

        def delattr_(layer, name):
            if id(layer) in watched:
                self.seen.append((layer.name, name))
            delete(layer, name)

        monkeypatch.setattr(keras.layers.Layer, "__setattr__", setattr_)
        monkeypatch.setattr(keras.layers.Layer, "__delattr__", delattr_)


@pytest.mark.medium
def test_readers_set_no_attribute_of_a_layer(data, tmp_path, monkeypatch):
    model = network()
    model.predict_on_batch(images_of(data))
    before = attributes(model)
    watched = Watched(monkeypatch, model)
    for name, read in READERS.items():
        read(model, data, tmp_path)
        after = attributes(model)
        lost = [key for key, value in before.items() if after.get(key, value) is not value]
        assert not lost and before.keys() <= after.keys(), name
        assert not watched.seen, name


def test_a_mask_is_fixed():
    model = network()
    for name in ("lower", "parts"):
        with pytest.raises(AttributeError):
            model.get_layer(name).mask = False

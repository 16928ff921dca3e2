"""Figures on images that the model was trained on say so."""

import csv

import fake_data
import keras
import numpy as np
import pytest

import keras_icnn as icnn
from keras_icnn.datasets import from_arrays
from keras_icnn.metrics._training_mark import training_mark

X = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), "uint8")
Y = np.array([0, 1, 0, 1, 0, 1])
UNKNOWN = "It is not known which images the model was trained on."


@pytest.fixture
def model():
    inputs = keras.Input((12, 12, 3))
    x = icnn.InterpretableConv(4, 3, num_classes=2, name="parts")(inputs)
    x = keras.layers.Dense(2, "softmax")(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, x, name="net")
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    return model


def test_names_notes_csv_and_the_page_are_marked(model, tmp_path):
    assert icnn.metrics.evaluate(model, (X, Y)).notes[-1] == UNKNOWN
    model.fit(X[:4], Y[:4], verbose=0)
    some = icnn.metrics.evaluate(model, (X, Y))
    assert some.name == "net (4 of 6 are training images)"
    assert "trained on 4 of these 6 images: only held-out" in some.summary()
    every = icnn.metrics.evaluate(model, (X[:4], Y[:4]), name="mine")
    assert every.name == "mine (training images)"
    every.to_csv(tmp_path / "table.csv", table="summary")
    with open(tmp_path / "table.csv", newline="") as file:
        assert next(csv.DictReader(file))["detector"] == "mine (training images)"
    held_out = icnn.metrics.evaluate(model, (X[4:], Y[4:]))
    assert held_out.name == "net" and "trained" not in held_out.summary()
    page = icnn.visualize.report(model, (X, Y), tmp_path / "page.html", title="A page")
    assert "A page (4 of 6 are training images)</title>" in page.read_text()
    page = icnn.visualize.report(model, (X[4:], Y[4:]), tmp_path / "page.html")
    assert "training images" not in page.read_text().partition("</title>")[0]


def test_a_model_trained_on_pixels_says_nothing_of_files(model, tmp_path):
    for label, image in zip(Y, X, strict=True):
        (tmp_path / str(label)).mkdir(exist_ok=True)
        keras.utils.save_img(tmp_path / str(label) / f"{image.sum()}.png", image, scale=False)
    files = icnn.datasets.folder(tmp_path, 12, validation_split=0).train
    model.fit(X, Y, verbose=0)
    assert training_mark(model, files).note == UNKNOWN
    assert training_mark(model, from_arrays(X, Y)).suffix == " (training images)"
    model.fit(files.batches(3), verbose=0)
    assert training_mark(model, files).suffix == " (training images)"


def test_models_and_data_that_know_nothing():
    data = fake_data.FakeDataset(8)
    assert training_mark(fake_data.network(), data) == ("", UNKNOWN)

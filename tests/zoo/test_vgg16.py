"""VGG-16 against keras.applications, and its interpretable variant."""

import importlib.util
import inspect

import keras
import numpy as np
import pytest

from keras_icnn import InterpretableModel, zoo

pytestmark = pytest.mark.few_steps

SHAPE = (64, 64, 3)


@pytest.fixture(scope="module")
def reference():
    return keras.applications.VGG16(weights=None, include_top=False, input_shape=SHAPE)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, *SHAPE)).astype("float32")


@pytest.fixture
def published(reference, tmp_path, monkeypatch):
    """Keras's own loading code, with the download replaced by a file made here."""
    path = tmp_path / "vgg16_notop.weights.h5"
    reference.save_weights(path)
    asked = []

    def get_file(name, origin, **kwargs):
        asked.append((name, origin, kwargs["file_hash"]))
        return str(path)

    application = inspect.unwrap(keras.applications.VGG16).__globals__
    monkeypatch.setattr(application["file_utils"], "get_file", get_file)
    return asked


def test_equals_keras_applications(reference, images, tmp_path):
    path = str(tmp_path / "own.weights.h5")
    reference.save_weights(path)
    model = zoo.vgg16(weights=path, include_top=False, input_shape=SHAPE)
    assert [layer.name for layer in model.layers][1:] == [layer.name for layer in reference.layers][
        1:
    ]
    np.testing.assert_allclose(
        model.predict(images, verbose=0), reference.predict(images, verbose=0), atol=1e-5
    )


@pytest.mark.medium
def test_equals_keras_applications_with_head(images, tmp_path):
    path = str(tmp_path / "whole.weights.h5")
    reference = keras.applications.VGG16(weights=None, input_shape=SHAPE, classes=5)
    reference.save_weights(path)
    model = zoo.vgg16(weights=path, input_shape=SHAPE, classes=5)
    np.testing.assert_allclose(
        model.predict(images, verbose=0), reference.predict(images, verbose=0), atol=1e-5
    )


def test_imagenet_convolutions_under_a_fresh_head(published, reference):
    model = zoo.vgg16_interpretable(weights="imagenet", classes=6, input_shape=SHAPE)
    assert "notop" in published[0][0] and published[0][2]
    assert isinstance(model, InterpretableModel)
    for layer in reference.layers:
        for index, value in enumerate(layer.get_weights()):
            ours = np.asarray(model.get_layer(layer.name).weights[index])
            np.testing.assert_array_equal(ours, value)
    assert model.output_shape == (None, 6)
    # Where weights are fine-tuned, fewer filters than the paper's and a pooled head.
    assert model.get_layer("interpretable_conv").kernel.shape == (3, 3, 512, 128)
    assert [layer.name for layer in model.layers][-2:] == ["avg_pool", "predictions"]


def test_interpretable_graph_is_flat_and_ordered():
    model = zoo.vgg16_interpretable(classes=6, input_shape=SHAPE, include_preprocessing=True)
    names = [layer.name for layer in model.layers]
    top = names.index("block5_conv3")
    assert names[1] == "preprocessing"
    assert names[top + 1 : top + 4] == ["interpretable_conv", "block5_pool", "flatten"]
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.get_layer("interpretable_conv").padding == "same"


@pytest.mark.medium
def test_preprocessing_inside_equals_preprocessing_outside(images, reference, tmp_path):
    path = str(tmp_path / "own.weights.h5")
    reference.save_weights(path)
    arguments = {"weights": path, "include_top": False, "input_shape": SHAPE}
    outside = zoo.vgg16(**arguments).predict(zoo.preprocess_input("vgg16", images), verbose=0)
    inside = zoo.vgg16(include_preprocessing=True, **arguments).predict(images, verbose=0)
    np.testing.assert_allclose(inside, outside, atol=1e-4 * np.abs(outside).max())
    keras_own = keras.applications.vgg16.preprocess_input(images.copy())
    np.testing.assert_allclose(zoo.preprocess_input("vgg16", images), keras_own, atol=1e-4)


@pytest.mark.slow
def test_trains_with_keras_callbacks(tmp_path):
    model = zoo.vgg16_interpretable(classes=6, input_shape=(32, 32, 3), new_filters=32)
    model.compile(
        keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 50, (8, 32, 32, 3)).astype("float32"), np.arange(8) % 6
    # TensorFlow no longer brings TensorBoard along.
    installed = importlib.util.find_spec("tensorboard") is not None
    tensorboard = [keras.callbacks.TensorBoard(str(tmp_path / "logs"))] if installed else []
    history = model.fit(
        x,
        y,
        batch_size=4,
        epochs=2,
        validation_data=(x, y),
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"), save_best_only=True),
            keras.callbacks.EarlyStopping(patience=3),
            *tensorboard,
            keras.callbacks.ReduceLROnPlateau(),
            keras.callbacks.BackupAndRestore(str(tmp_path / "backup")),
        ],
    ).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["filter_loss"]).all()
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    assert loaded.predict(x, verbose=0).shape == (8, 6)

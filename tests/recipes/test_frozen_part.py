"""Training above the frozen part of a network, on features that are computed once."""

import keras
import numpy as np
import pytest

import keras_icnn as icnn
from keras_icnn.datasets import from_arrays
from keras_icnn.recipes._feature_cache import network_digest
from keras_icnn.recipes._frozen_part import split_above_frozen, trained_part

X = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3)).astype("uint8")
Y = np.arange(12) % 2


def network(frozen=True, passing_by=False, dropout=False):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(6, 3, strides=2, name="below", trainable=not frozen)(x)
    x = keras.layers.BatchNormalization(name="norm", trainable=not frozen)(x)
    if dropout:
        x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.ReLU(name="cut", trainable=not frozen)(x)
    y = icnn.InterpretableConv(4, 3, padding="same", num_classes=2, name="parts")(x)
    if passing_by:
        y = keras.layers.Concatenate()([y, x])
        y = keras.layers.Concatenate()([y, keras.layers.Resizing(7, 7)(inputs)])
    y = keras.layers.GlobalAveragePooling2D()(y)
    outputs = keras.layers.Dense(2, activation="softmax")(y)
    return icnn.InterpretableModel(inputs, outputs)


class Counted:
    """A data set that counts how often an image is read."""

    def __init__(self, x, y):
        self.reads = 0
        whole = from_arrays(x, y)
        read = whole._read_image

        def image(i):
            self.reads += 1
            return read(i)

        whole._read_image = image
        self.train = whole

    def items(self):
        return [("train", self.train)]


def trained(model, splits, folder, epochs, flip):
    part, batches = trained_part(model, splits, folder, epochs=epochs, batch_size=4, flip=flip)
    part.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    train = batches(splits.train, shuffle=True, seed=1, flip=flip)
    history = part.fit(
        train, epochs=epochs, shuffle=False, verbose=0, callbacks=[train.follow_epochs()]
    )
    return history.history["loss"]


def test_a_network_is_split_where_the_first_layer_learns():
    model = network()
    split = split_above_frozen(model)
    assert [layer.name for layer in split.frozen.layers][-1] == "cut"
    assert "parts" in [layer.name for layer in split.trained.layers]
    maps = split.frozen.predict(X.astype("float32"), verbose=0)
    whole = model.predict(X.astype("float32"), verbose=0)
    np.testing.assert_allclose(split.trained.predict(maps, verbose=0), whole, atol=1e-5)


@pytest.mark.parametrize("options", [{"frozen": False}, {"passing_by": True}])
def test_others_are_not(options):
    assert split_above_frozen(network(**options)) is None


def test_what_is_random_is_not_frozen():
    names = [layer.name for layer in split_above_frozen(network(dropout=True)).frozen.layers]
    assert names[-1] == "norm"


@pytest.mark.medium
@pytest.mark.parametrize("flip", [True, False])
def test_it_learns_what_the_whole_network_learns(tmp_path, flip):
    splits = Counted(X, Y)
    part = network()
    losses = trained(part, splits, tmp_path, epochs=4, flip=flip)
    # Once for the features of each, whatever the epochs; and once to tell the images apart.
    assert splits.reads <= (3 if flip else 2) * len(X)
    whole = network()
    whole.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    batches = splits.train.batches(4, shuffle=True, seed=1, flip=flip)
    history = whole.fit(
        batches, epochs=4, shuffle=False, verbose=0, callbacks=[batches.follow_epochs()]
    )
    # Features are kept in half precision.
    assert losses == pytest.approx(history.history["loss"], rel=2e-3)
    for a, b in zip(part.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=5e-3)


def test_images_are_read_where_that_is_less_work(tmp_path, monkeypatch):
    splits = Counted(X, Y)
    model = network()
    same = {"epochs": 2, "batch_size": 4}
    assert trained_part(model, splits, tmp_path, flip=True, **same)[0] is model
    assert trained_part(model, splits, tmp_path, flip=False, **same)[0] is not model
    monkeypatch.setattr("keras_icnn.recipes._frozen_part._LIMIT", 1000)
    assert trained_part(model, splits, tmp_path, flip=False, **same)[0] is model


@pytest.mark.medium
def test_twins_share_the_features(tmp_path):
    splits = Counted(X, Y)
    trained(network(), splits, tmp_path, epochs=2, flip=False)
    reads = splits.reads
    # Its layers without a name of their own are numbered on.
    trained(network(), splits, tmp_path, epochs=2, flip=False)
    assert splits.reads == reads


def test_a_digest_knows_operations_and_the_way_between_layers():
    def digest(factor, around=False):
        keras.utils.set_random_seed(0)
        x = keras.Input((8, 8, 3))
        a = keras.layers.Conv2D(3, 3, padding="same")(x)
        b = keras.layers.Conv2D(3, 3, padding="same")(x if around else a)
        return network_digest(keras.Model(x, keras.layers.Add()([a, b]) * factor))

    assert digest(2.0) == digest(2.0)  # Keras gives the layers other names each time.
    assert len({digest(2.0), digest(3.0), digest(2.0, around=True)}) == 3

"""`adapt_parts`: a pass over images before training, through all layers below."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_icnn as icnn

pytestmark = pytest.mark.core

NEW = "interpretable_conv"


def images(n=32):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    x = rng.normal(size=(n, 16, 16, 3)).astype("float32")
    x[y == 1, 4:6, 4:6] += 5
    return x, y


def network(filter_loss="default", filters=16, name=NEW):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = icnn.InterpretableConv(
        filters,
        3,
        padding="same",
        num_classes=2,
        background_class=0,
        filter_loss=filter_loss,
        name=name,
    )(x)
    outputs = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(x))
    return icnn.InterpretableModel(inputs, outputs)


def kernel(model, name=NEW):
    return ops.convert_to_numpy(model.get_layer(name).kernel)


def test_a_model_adapts_as_its_layer_does_to_the_features_below():
    x, y = images()
    model, same = network(), network()
    features = keras.Model(model.inputs, model.layers[1].output).predict(x, verbose=0)
    start = kernel(model)
    icnn.adapt_parts(model, x, y, seed=4)
    same.get_layer(NEW).adapt(features, y, seed=4)
    assert kernel(model) == pytest.approx(kernel(same), abs=1e-4)
    assert np.abs(kernel(model) - start).max() > 1e-3


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self._x, self._y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self._x[index * 8 : index * 8 + 8], self._y[index * 8 : index * 8 + 8]


def in_a_list(x, y):
    batches = Batches(x, y)
    return [batches[k] for k in range(len(batches))]


def test_arrays_batches_and_data_sets_give_the_same_filters():
    x, y = images()
    found = []
    for source in (lambda: (x, y), lambda: (Batches(x, y),), lambda: (in_a_list(x, y),)):
        model = network()
        icnn.adapt_parts(model, *source())
        found.append(kernel(model))
    assert found[1] == pytest.approx(found[0], abs=1e-4)
    assert found[2] == pytest.approx(found[0], abs=1e-4)


@pytest.mark.parametrize("rule", ["paper", "official", "one_part", None])
def test_layers_that_choose_categories_in_training_stay_as_they_are(rule):
    x, y = images()
    model = network(rule)
    start = kernel(model)
    icnn.adapt_parts(model, x, y)
    assert (kernel(model) == start).all()


def test_a_converted_convolution_keeps_its_filters_and_gets_categories():
    x, y = images()
    inputs = keras.Input((16, 16, 3))
    top = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="top")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(top)
    cnn = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(pooled))
    model = icnn.make_interpretable(cnn, num_classes=2, new_filters=16)
    before, new = kernel(model, "top"), kernel(model)
    icnn.adapt_parts(model, x, y)
    assert (kernel(model, "top") == before).all()
    assert np.abs(kernel(model) - new).max() > 1e-3
    category, part = model.get_layer("top").parts()
    counts = np.bincount(category, minlength=2)
    assert counts.sum() == 8 and counts.min() >= 3
    for c in (0, 1):
        assert sorted(part[category == c]) == list(range(counts[c]))


@pytest.mark.medium
def test_training_after_it_keeps_the_membership():
    x, y = images()
    model = network()
    icnn.adapt_parts(model, x, y)
    before = model.get_layer(NEW).parts()
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=8, verbose=0)
    after = model.get_layer(NEW).parts()
    assert before.category.tolist() == after.category.tolist() == [1] * 16
    assert before.part.tolist() == after.part.tolist() == [*range(8), *range(8)]


def test_mistakes_are_named():
    x, y = images()
    model = network()
    with pytest.raises(ValueError, match=r"`parts`.*Received: parts=4"):
        icnn.adapt_parts(model, x, y, parts=4)
    with pytest.raises(ValueError, match=r"`layers`.*Received: \['conv9'\]"):
        icnn.adapt_parts(model, x, y, layers=["conv9"])
    with pytest.raises(ValueError, match="equal length"):
        icnn.adapt_parts(model, x, y[:5])
    with pytest.raises(ValueError, match="at least 2 images"):
        icnn.adapt_parts(model, x[:3], y[:3])
    with pytest.raises(ValueError, match="`inputs`"):
        icnn.adapt_parts(model, x)
    with pytest.raises(ValueError, match="integers from 0 to 1"):
        icnn.adapt_parts(model, x, y + 7)

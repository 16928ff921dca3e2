"""`adapt_parts` starts the classifier: each class reads its own filters."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_icnn as icnn

pytestmark = pytest.mark.core

NEW = "interpretable_conv"


def images(classes, n=24):
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, 12, 12, 3)).astype("float32")
    for i, c in enumerate(y):
        x[i, 2 * c : 2 * c + 2, 4:6, c % 3] += 5
    return x, y


def network(head, classes=3, background=None, **arguments):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = icnn.InterpretableConv(
        12,
        3,
        padding="same",
        num_classes=classes,
        background_class=background,
        normalization="batch",
        name=NEW,
        **arguments,
    )(x)
    return icnn.InterpretableModel(inputs, head(x))


def pooled(classes):
    def head(x):
        x = layers.Rescaling(10.0)(layers.GlobalAveragePooling2D()(x))
        return layers.Dense(classes, activation="softmax", name="head")(layers.Dropout(0.5)(x))

    return head


def convolved(x):
    x = layers.Conv2D(3, 1, name="head")(x)
    return layers.Softmax()(layers.GlobalAveragePooling2D()(x))


def kernel(model):
    values = ops.convert_to_numpy(model.get_layer("head").kernel)
    return values.reshape(-1, values.shape[-1])


@pytest.mark.parametrize("head", [pooled(3), convolved], ids=["dense", "convolution"])
def test_each_class_reads_its_own_filters(head):
    x, y = images(3)
    model = network(head)
    icnn.adapt_parts(model, x, y)
    category = model.get_layer(NEW).parts().category
    own = category[:, None] == np.arange(3)
    weights = kernel(model)
    assert (weights[~own] == 0).all()
    for c in range(3):
        mine = weights[category == c, c]
        assert (mine > 0).all()
        assert mine == pytest.approx(mine[0])


def test_logits_have_mean_0_and_terms_of_mean_1_in_the_first_step():
    x, y = images(3)
    model = network(convolved)
    icnn.adapt_parts(model, x, y)
    below = keras.Model(model.inputs[0], model.layers[1].output)(x)
    layer = model.get_layer(NEW)
    maps = layer.masked(layer.rectified(below, training=True))
    logits = ops.convert_to_numpy(ops.mean(model.get_layer("head")(maps), axis=(0, 1, 2)))
    assert logits == pytest.approx(np.zeros(3), abs=1e-4)
    assert ops.convert_to_numpy(model.get_layer("head").bias) == pytest.approx(-1)


def test_data_sorted_by_class_start_it_as_mixed_data_do():
    x, y = images(3, n=300)
    x[np.arange(300), :, :, y] += 3
    order = np.argsort(y, kind="stable")
    logits = []
    for data in ((x, y), (x[order], y[order])):
        model = network(pooled(3))
        icnn.adapt_parts(model, *data, share=0.8)
        below = keras.Model(model.inputs[0], model.layers[1].output)(x)
        layer = model.get_layer(NEW)
        maps = layer.masked(layer.rectified(below, training=True))
        mean = 10 * ops.convert_to_numpy(ops.mean(maps, axis=(0, 1, 2)))
        logits.append(mean @ kernel(model))
    assert np.array(logits) == pytest.approx(1, rel=0.04)


def test_the_background_reads_no_filter():
    x, y = images(3)
    model = network(pooled(3), background=1)
    icnn.adapt_parts(model, x, y)
    assert (kernel(model)[:, 1] == 0).all()
    assert (np.abs(kernel(model)[:, [0, 2]]).sum(axis=0) > 0).all()
    bias = ops.convert_to_numpy(model.get_layer("head").bias)
    assert bias == pytest.approx([-1, 0, -1])


def test_nothing_of_the_layer_but_its_filters_changes():
    x, y = images(3)
    model, same = network(pooled(3)), network(pooled(3))
    icnn.adapt_parts(model, x, y)
    icnn.adapt_parts(same, x, y, classifier=False)
    for one, two in zip(model.get_layer(NEW).weights, same.get_layer(NEW).weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(two))


def hidden(x):
    x = layers.Dense(12, activation="relu")(layers.GlobalAveragePooling2D()(x))
    return layers.Dense(3, activation="softmax", name="head")(x)


def flattened(x):
    return layers.Dense(3, activation="softmax", name="head")(layers.Flatten()(x))


def two_ways(x):
    x = layers.Add()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return layers.Dense(3, activation="softmax", name="head")(x)


def one_output(x):
    return layers.Dense(1, name="head")(layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    ("head", "arguments"),
    [
        (hidden, {}),
        (flattened, {}),
        (two_ways, {}),
        (one_output, {"classes": 2, "background": 0}),
        (pooled(3), {"filter_loss": "one_part"}),
    ],
    ids=["hidden layer", "flattened", "two ways", "one output", "categories that change"],
)
def test_other_heads_stay_as_they_are(head, arguments):
    x, y = images(arguments.get("classes", 3))
    model = network(head, **arguments)
    before = kernel(model)
    icnn.adapt_parts(model, x, y)
    np.testing.assert_array_equal(kernel(model), before)


@pytest.mark.parametrize("scale", [0.0, 1e-9])
def test_filters_that_do_not_fire_leave_the_classifier_alone(scale):
    """A random network's features may be next to nothing: units of their mean would be huge."""
    x, y = images(3)
    model = network(pooled(3))
    model.layers[1].kernel.assign(scale * model.layers[1].kernel)
    before = kernel(model)
    icnn.adapt_parts(model, x, y)
    np.testing.assert_array_equal(kernel(model), before)


def test_it_can_be_left_out():
    x, y = images(3)
    model = network(pooled(3))
    before = kernel(model)
    icnn.adapt_parts(model, x, y, classifier=False)
    np.testing.assert_array_equal(kernel(model), before)

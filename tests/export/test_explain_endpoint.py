"""What `explain` computes, against the model taken apart."""

import keras
import numpy as np
import pytest
from small_networks import HEADS, network, pictures

import keras_icnn as icnn
from keras_icnn.export._endpoints import Explain
from keras_icnn.export._reference import Reference
from keras_icnn.metrics import peaks_of, receptive_field

LAYER = "interpretable_conv"


def explained(model, images, **arguments):
    answer, _, effects, logits = Explain(model, **arguments).explained(images)
    answer = {name: np.asarray(value) for name, value in answer.items()}
    return answer, np.asarray(effects), np.asarray(logits)


def maps_of(model, images):
    return np.asarray(keras.Model(model.input, model.get_layer(LAYER).output)(images))


@pytest.mark.parametrize(
    ("head", "classes", "activation"),
    [(head, 3, "softmax") for head in HEADS]
    + [("pooled", 1, "sigmoid"), ("dense", 1, "sigmoid"), ("dense", 3, None)],
)
def test_effects_are_what_the_logit_loses_without_the_filter(head, classes, activation):
    model = network(head, classes, activation)
    linear = network(head, classes, None)
    linear.set_weights(model.get_weights())
    _, effects, logits = explained(model, pictures())
    top = keras.Model(linear.get_layer(LAYER).output, linear.output)
    maps = maps_of(model, pictures())
    expected = np.asarray(top(maps))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    rows, winner = np.arange(len(maps)), expected.argmax(axis=1)
    for f in range(maps.shape[-1]):
        silent = np.asarray(top(maps * (np.arange(maps.shape[-1]) != f)))
        lost = (expected - silent)[rows, winner]
        np.testing.assert_allclose(effects[:, f], lost, rtol=1e-3, atol=2e-6)
    assert np.abs(effects).max() > 1e-3


def test_peaks_strengths_and_the_strongest_filters(trained):
    x = pictures()
    answer, effects, _ = explained(trained, x, top_filters=4)
    layer = trained.get_layer(LAYER)
    peaks, strengths = peaks_of(maps_of(trained, x), receptive_field(trained, layer).centers)
    np.testing.assert_array_equal(answer["peaks"], peaks.astype("float32"))
    np.testing.assert_allclose(answer["strengths"], strengths, rtol=1e-6)
    np.testing.assert_allclose(answer["predictions"], trained(x), atol=1e-6)
    assert (answer["target_categories"] == layer.target_categories()).all()
    assert answer["target_categories"].shape == (8, 6) and layer.target_categories().min() >= 0
    # Six filters assigned to three categories: each has its parts 0 and 1.
    np.testing.assert_array_equal(answer["part"], np.tile([0, 0, 0, 1, 1, 1], (8, 1)))
    order = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(answer["top_filters"], order)
    np.testing.assert_array_equal(answer["top_effects"], np.take_along_axis(effects, order, 1))
    # The filter that never fires: the first unit, and no effect.
    assert (answer["strengths"][:, 2] == 0).all() and (effects[:, 2] == 0).all()
    assert (answer["peaks"][:, 2] == receptive_field(trained, layer).centers[0, 0]).all()


def test_no_more_filters_than_there_are(trained):
    assert explained(trained, pictures(), top_filters=100)[0]["top_filters"].shape == (8, 6)


def test_an_ordinary_layer_stands_for_no_category(trained):
    answer, _, _ = explained(trained, pictures(), layer=trained.layers[1].name)
    assert (answer["target_categories"] == -1).all() and answer["strengths"].shape == (8, 8)
    assert (answer["part"] == -1).all() and answer["part"].shape == (8, 8)


def test_a_rule_without_parts_has_none():
    answer, _, _ = explained(network(filter_loss="one_part"), pictures())
    assert (answer["part"] == -1).all() and answer["part"].shape == (8, 6)


def test_what_cannot_be_explained():
    inputs = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, name="beside")(inputs)
    bypass = keras.layers.Conv2D(4, 3)(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Add(name="sum")([maps, bypass]))
    model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
    with pytest.raises(ValueError, match=r"everything passes through.*'beside'"):
        Explain(model, "beside")
    with pytest.raises(ValueError, match=r"`top_filters`.*Received: top_filters=0"):
        Explain(model, "sum", top_filters=0)
    with pytest.raises(ValueError, match=r"one output of shape.*endpoint='serve'"):
        Explain(keras.Model(inputs, maps), "beside")


def test_a_head_that_begins_at_the_maps_themselves():
    """As SqueezeNet's, where a dropout follows the layer: the comparison begins there, too."""
    inputs = keras.Input((16, 16, 3))
    x = icnn.InterpretableConv(4, 3, num_classes=3)(inputs)
    x = keras.layers.Conv2D(3, 1)(keras.layers.Dropout(0.5)(x))
    model = icnn.InterpretableModel(inputs, keras.layers.GlobalAveragePooling2D()(x))
    reference = Reference(model)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    answer, *_ = reference.answers(images)
    units = reference.unmasked(images).reshape(2, -1, 4).argmax(axis=1)
    again, *_ = reference.answers_at(images, units)
    for name, value in answer.items():
        np.testing.assert_allclose(again[name], value, rtol=1e-5, err_msg=name)

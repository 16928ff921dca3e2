"""Builders' arguments: wrong ones name themselves, what was received, and the fix."""

import keras
import numpy as np
import pytest

from keras_icnn import zoo

SMALL = (67, 67, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"classes": 0},
            r"Argument `classes` of vgg16.* must be a whole number .*Received: classes=0",
        ),
        ({"classes": 2.5}, r"`classes`.*Received: classes=2.5"),
        ({"classes": True}, "`classes`"),
        ({"pooling": "sum"}, r"`pooling`.*'sum'"),
        ({"input_shape": (8, 8, 3)}, r"`input_shape` of vgg16.* must be at least 32 x 32"),
        ({"input_shape": (64, 64)}, r"`input_shape` of .* must be \(height, width, channels\)"),
        ({"input_shape": (64, 64.5, 3)}, r"`input_shape\[1\]` of vgg16.* must be a whole number"),
        ({"input_shape": (None, 64, 3)}, r"static height and width: pass `input_shape`"),
        ({"include_top": False}, r"static height and width: pass `input_shape`.*224"),
        ({"weights": "imagnet"}, r"`weights`.*'imagnet'.*no such file"),
        ({"weights": 3}, r"`weights`.*Received: weights=3"),
        ({"weights": "imagenet", "classes": 10, "new_head": False}, "`new_head=True`"),
        ({"weights": "imagenet", "input_shape": (64, 64, 1)}, "3 channels when weights"),
        ({"classifier_activation": "sofmax"}, r"`classifier_activation`.*'sofmax'"),
        ({"normalization": "layer"}, r"`normalization`.*'layer'"),
        ({"dropout": 1.0}, r"`dropout`.*1.0"),
        ({"new_filters": -1}, r"`new_filters`.*-1"),
        ({"input_tensor": np.zeros((1, 64, 64, 3))}, "`input_tensor` of .* must be a Keras tensor"),
        ({"extra_layer": False, "interpret_top": False}, "Nothing would be interpretable"),
    ],
)
def test_wrong_argument(arguments, message):
    arguments = {"input_shape": (64, 64, 3)} | arguments
    if arguments.get("include_top") is False or "input_tensor" in arguments:
        arguments.pop("input_shape")
    with pytest.raises(ValueError, match=message):
        zoo.vgg16_interpretable(**arguments)


def test_ordinary_network_takes_any_size_without_head():
    model = zoo.squeezenet(include_top=False)
    assert model.output_shape == (None, None, None, 512)


def test_input_shape_and_input_tensor_must_agree():
    with pytest.raises(ValueError, match="`input_shape` and `input_tensor` differ"):
        zoo.squeezenet(input_shape=SMALL, input_tensor=keras.Input((64, 64, 3)))


def test_input_tensor_is_built_on():
    inputs = keras.Input(SMALL)
    scaled = keras.layers.Rescaling(255.0, name="scaled")(inputs)
    model = zoo.squeezenet_interpretable(input_tensor=scaled, classes=2)
    assert model.inputs[0] is inputs
    assert [layer.name for layer in model.layers].index("scaled") == 1


@pytest.mark.parametrize(
    ("classes", "activation", "expected", "layer_classes", "background"),
    [
        (1, "softmax", "sigmoid", 2, 0),
        (1, None, "linear", 2, 0),
        (3, "softmax", "softmax", 3, None),
        (3, "sigmoid", "sigmoid", 3, None),
    ],
)
def test_heads(classes, activation, expected, layer_classes, background):
    model = zoo.squeezenet_interpretable(
        input_shape=SMALL, classes=classes, classifier_activation=activation
    )
    assert model.output_shape == (None, classes)
    assert keras.activations.serialize(model.get_layer("predictions").activation) == expected
    layer = model.get_layer("interpretable_conv")
    assert (layer.num_classes, layer.background_class) == (layer_classes, background)


def test_classes_count_without_head():
    model = zoo.squeezenet_interpretable(
        include_top=False, input_shape=SMALL, classes=7, background_class=2, pooling="avg"
    )
    assert model.output_shape == (None, 512)
    for name in ("fire9_interpretable", "interpretable_conv"):
        layer = model.get_layer(name)
        assert (layer.num_classes, layer.background_class) == (7, 2)


def test_only_the_new_layer_or_only_the_top_map():
    new = zoo.squeezenet_interpretable(input_shape=SMALL, interpret_top=False, new_filters=16)
    assert "fire9_interpretable" not in [layer.name for layer in new.layers]
    assert new.get_layer("interpretable_conv").filters == 16
    top = zoo.squeezenet_interpretable(input_shape=SMALL, extra_layer=False, filter_loss=None)
    assert "interpretable_conv" not in [layer.name for layer in top.layers]
    assert top.get_layer("fire9_interpretable").filter_loss is None


@pytest.mark.parametrize("normalization", ["batch", None])
def test_twin_has_the_interpretable_networks_trainable_parameters(normalization):
    arguments = {"input_shape": SMALL, "classes": 3, "normalization": normalization}
    twin = zoo.squeezenet(extra_layer=True, **arguments)
    model = zoo.squeezenet_interpretable(**arguments)
    shapes = [[tuple(v.shape) for v in m.trainable_variables] for m in (twin, model)]
    assert shapes[0] == shapes[1]
    assert twin.get_layer("extra_conv").kernel.shape == (3, 3, 512, 512)


@pytest.mark.medium
def test_twin_and_interpretable_network_without_mask_are_the_same_function():
    arguments = {"input_shape": SMALL, "classes": 3}
    twin = zoo.squeezenet(extra_layer=True, **arguments)
    model = zoo.squeezenet_interpretable(mask=False, **arguments)
    for ours, theirs in zip(model.trainable_variables, twin.trainable_variables, strict=True):
        ours.assign(np.array(theirs))  # JAX donates arrays: they must not be shared.
    images = np.random.default_rng(0).normal(0, 50, (2, *SMALL)).astype("float32")
    np.testing.assert_allclose(model.predict(images, verbose=0), twin.predict(images, verbose=0))


@pytest.mark.medium
def test_logistic_heads_binary_accuracy_is_footnote_4():
    """The mean over categories of each category's binary accuracy."""
    model = zoo.squeezenet(input_shape=SMALL, classes=3, classifier_activation="sigmoid")
    model.compile("sgd", "binary_crossentropy", metrics=["binary_accuracy"])
    images = np.random.default_rng(0).normal(0, 90, (6, *SMALL)).astype("float32")
    labels = np.eye(3, dtype="float32")[np.arange(6) % 3]
    scores = model.predict(images, verbose=0)
    expected = np.mean([((scores[:, c] > 0.5) == labels[:, c]).mean() for c in range(3)])
    result = model.evaluate(images, labels, verbose=0, return_dict=True)
    np.testing.assert_allclose(result["binary_accuracy"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [("squeezenet", 31, "fire9"), ("mobilenet_v2", 32, "block_13_depthwise")],
)
def test_map_of_one_unit(name, size, layer):
    with pytest.raises(ValueError, match=f"'{layer}.*1 x 1.*larger `input_shape`"):
        zoo.create_model(f"{name}_interpretable", input_shape=(size, size, 3))

"""Preprocessing: by name, against keras.applications, and as a layer."""

import keras
import numpy as np
import pytest

from keras_icnn import zoo
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._preprocessing import MODES, ImagePreprocessing, preprocess

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype("uint8")
THEIRS = {
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "resnet50": "resnet",
    "mobilenet_v2": "mobilenet_v2",
    "densenet121": "densenet",
}


@pytest.mark.parametrize("name", THEIRS)
def test_same_as_keras_applications(name):
    module = getattr(keras.applications, THEIRS[name])
    expected = module.preprocess_input(IMAGES.astype("float32"))
    np.testing.assert_allclose(zoo.preprocess_input(name, IMAGES), expected, atol=1e-5)


def test_same_as_torchvision_s_preprocessing_in_keras():
    expected = keras.applications.imagenet_utils.preprocess_input(
        IMAGES.astype("float32"), data_format="channels_last", mode="torch"
    )
    np.testing.assert_allclose(zoo.preprocess_input("alexnet_v2", IMAGES), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_v2_b0"])
def test_same_as_the_layers_keras_builds_in(name):
    function = {"convnext_tiny": "ConvNeXtTiny", "efficientnet_v2_b0": "EfficientNetV2B0"}[name]
    theirs = getattr(keras.applications, function)(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    first = next(layer for layer in theirs.layers if layer.weights)
    prepared = keras.Model(theirs.inputs[0], first.input)
    images = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(zoo.preprocess_input(name, images), prepared(images), atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_layer_is_the_function(mode):
    layer = ImagePreprocessing(mode)
    np.testing.assert_allclose(layer(IMAGES.astype("float32")), preprocess(IMAGES, mode), atol=1e-5)
    again = ImagePreprocessing.from_config(layer.get_config())
    np.testing.assert_array_equal(again(IMAGES.astype("float32")), layer(IMAGES.astype("float32")))


def test_by_hand():
    pixel = np.array([[[255, 0, 128]]], "uint8")
    np.testing.assert_allclose(
        zoo.preprocess_input("vgg16", pixel)[0, 0],
        [128 - 103.939, -116.779, 255 - 123.68],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        zoo.preprocess_input("alexnet", pixel)[0, 0],
        [255 - 123.68, -116.779, 128 - 103.939],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        zoo.preprocess_input("mobilenet_v2_interpretable", pixel)[0, 0],
        [1, -1, 128 / 127.5 - 1],
        atol=1e-6,
    )


def test_does_not_change_its_input():
    images = IMAGES.astype("float32")
    before = images.copy()
    zoo.preprocess_input("vgg16", images)
    np.testing.assert_array_equal(images, before)


def test_mean_of_a_weights_file():
    mean = np.full((4, 5, 3), 7.0, "float32")
    np.testing.assert_array_equal(
        zoo.preprocess_input("vgg_s", IMAGES, mean=mean), IMAGES.astype("float32") - 7
    )


def test_layer_stays_in_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = zoo.squeezenet(include_top=False, include_preprocessing=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("preprocessing").compute_dtype == "float32"
    assert model.get_layer("conv1").compute_dtype == "float16"


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_every_network_has_a_mode(name):
    assert MANIFEST[name].preprocessing in MODES


def test_errors():
    with pytest.raises(ValueError, match=r"`name`.*Received: name='vgg'"):
        zoo.preprocess_input("vgg", IMAGES)
    with pytest.raises(ValueError, match=r"`images` must be RGB.*\(2, 4, 5, 1\)"):
        zoo.preprocess_input("vgg16", IMAGES[..., :1])
    with pytest.raises(ValueError, match="`mode`"):
        ImagePreprocessing("caffee")
    with pytest.raises(ValueError, match="`include_preprocessing=False`"):
        zoo.squeezenet(input_shape=(64, 64, 1), include_preprocessing=True)

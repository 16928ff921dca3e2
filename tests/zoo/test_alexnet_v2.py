"""The one-tower AlexNet against NumPy, and its weights in half precision."""

import keras
import numpy as np
import pytest

from keras_icnn import zoo

SHAPE = (63, 63, 3)
# Name, filters, kernel size, stride, zeros on every side, whether 3x3/2 pooling follows.
CONVOLUTIONS = (
    ("conv1", 64, 11, 4, 2, True),
    ("conv2", 192, 5, 1, 2, True),
    ("conv3", 384, 3, 1, 1, False),
    ("conv4", 256, 3, 1, 1, False),
    ("conv5", 256, 3, 1, 1, True),
)


def windows(x, size, stride):
    """`[batch, rows, columns, channels, size, size]` of a map `[batch, h, w, channels]`."""
    views = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return views[:, ::stride, ::stride]


def features(x, arrays):
    """The five convolutions in NumPy: zeros, convolution, ReLU, maximum."""
    for name, _, size, stride, zeros, pooled in CONVOLUTIONS:
        x = np.pad(x, ((0, 0), (zeros, zeros), (zeros, zeros), (0, 0)))
        kernel = arrays[f"{name}/kernel"].astype("float64")
        x = np.einsum("bhwcij,ijco->bhwo", windows(x, size, stride), kernel, optimize=True)
        x = np.maximum(x + arrays[f"{name}/bias"], 0)
        if pooled:
            x = windows(x, 3, 2).max(axis=(-2, -1))
    return x


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    channels, found = 3, {}
    for name, filters, size, *_ in CONVOLUTIONS:
        deviation = np.sqrt(2 / (size * size * channels))
        kernel = rng.normal(0, deviation, (size, size, channels, filters))
        found[f"{name}/kernel"] = kernel.astype("float16")
        found[f"{name}/bias"] = rng.normal(0, 0.3, filters).astype("float16")
        channels = filters
    return found


@pytest.fixture(scope="module")
def weights(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("alexnet_v2") / "half.npz"
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (2, *SHAPE)).astype("float32")


def standardized(images):
    return (images / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def test_convolutions_equal_numpy(arrays, weights, images):
    model = zoo.alexnet_v2(
        weights=weights, include_top=False, input_shape=SHAPE, include_preprocessing=True
    )
    expected = features(standardized(images), arrays)
    assert expected.shape == (2, 1, 1, 256) and expected.std() > 0.1
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_head_equals_numpy(arrays, weights, images):
    keras.utils.set_random_seed(0)
    model = zoo.alexnet_v2(
        weights=weights,
        input_shape=SHAPE,
        classes=3,
        include_preprocessing=True,
        classifier_activation=None,
    )
    x = features(standardized(images), arrays).reshape(2, -1)
    rng = np.random.default_rng(2)
    for name in ("fc6", "fc7", "predictions"):
        layer = model.get_layer(name)
        layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
        kernel, bias = (np.asarray(value, "float64") for value in layer.get_weights())
        x = x @ kernel + bias
        if name != "predictions":
            x = np.maximum(x, 0)
    np.testing.assert_allclose(model.predict(images, verbose=0), x, rtol=1e-3, atol=1e-3)


def test_dropout_comes_before_each_hidden_layer():
    names = [layer.name for layer in zoo.alexnet_v2(input_shape=SHAPE, classes=2).layers]
    head = ["flatten", "fc6_dropout", "fc6", "fc7_dropout", "fc7", "predictions"]
    assert names[-6:] == head
    without = zoo.alexnet_v2(input_shape=SHAPE, classes=2, dropout=0).layers
    assert [layer.name for layer in without[-4:]] == ["flatten", "fc6", "fc7", "predictions"]


def test_interpretable_network_keeps_half_precision_weights(arrays, weights):
    model = zoo.alexnet_v2_interpretable(
        weights=weights, classes=2, input_shape=SHAPE, fine_tune="all"
    )
    for key, value in arrays.items():
        layer, variable = key.split("/")
        ours = getattr(model.get_layer(layer), variable)
        assert keras.backend.standardize_dtype(ours.dtype) == "float32"
        np.testing.assert_array_equal(ours, value)
    assert model.get_layer("interpretable_conv").filters == 256


def test_top_map_is_torchvisions():
    model = zoo.alexnet_v2(include_top=False, input_shape=(224, 224, 3))
    assert model.get_layer("conv5").output.shape == (None, 13, 13, 256)
    assert model.output_shape == (None, 6, 6, 256)


def test_nothing_to_fetch():
    with pytest.raises(ValueError, match=r"no published ImageNet weights.*'alexnet_v2'"):
        zoo.alexnet_v2(weights="imagenet")

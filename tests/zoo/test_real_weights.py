"""The ImageNet weights of the development data, on real photographs."""

import csv

import keras
import numpy as np
import pytest
from PIL import Image

from keras_icnn import zoo

CATEGORIES = 10


def photographs(data, each):
    """So many images of each of ten categories, RGB in [0, 255]; every third is for the test."""
    with open(data / "animal_part" / "annotations.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] != "negative"]
    names = sorted({row["name"] for row in rows})[:CATEGORIES]
    images, labels, is_test = [], [], []
    for label, name in enumerate(names):
        own = [row["file"] for row in rows if row["name"] == name]
        for index, file in enumerate(own[:each]):
            images.append(np.asarray(Image.open(data / "animal_part" / file).convert("RGB")))
            labels.append(label)
            is_test.append(index % 3 == 2)
    return np.stack(images), np.array(labels), np.array(is_test)


def nearest_mean_accuracy(features, labels, is_test):
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack(
        [features[~is_test & (labels == label)].mean(axis=0) for label in range(CATEGORIES)]
    )
    distance = ((features[is_test, None] - means) ** 2).sum(axis=-1)
    return (distance.argmin(axis=1) == labels[is_test]).mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "each", "least"),
    [
        ("squeezenet", "squeezenet1_1_imagenet_notop.npz", 90, 0.75),
        ("mobilenet_v2", "mobilenetv2_1.0_224_imagenet_notop.weights.h5", 90, 0.88),
        ("alexnet_v2", "alexnet_single_tower_imagenet_notop.npz", 90, 0.72),
        # Slow on a CPU: fewer images.
        ("vgg16", "vgg16_imagenet_notop.npz", 18, 0.75),
    ],
)
def test_classifies_by_nearest_class_mean(data, name, file, each, least):
    images, labels, is_test = photographs(data, each)
    keras.utils.set_random_seed(0)
    arguments = {
        "include_top": False,
        "pooling": "avg",
        "input_shape": (224, 224, 3),
        "include_preprocessing": True,
    }
    accuracy = {}
    for weights in (str(data / "weights" / file), None):
        model = zoo.create_model(name, weights=weights, **arguments)
        features = model.predict(images, batch_size=64, verbose=0)
        accuracy[weights is not None] = nearest_mean_accuracy(features, labels, is_test)
    assert accuracy[True] >= least
    assert accuracy[False] < 0.35


def test_interpretable_squeezenet_keeps_the_weights(data):
    path = str(data / "weights" / "squeezenet1_1_imagenet_notop.npz")
    model = zoo.squeezenet_interpretable(weights=path, classes=1, new_filters=128)
    archive = np.load(path, allow_pickle=False)
    assert len(archive.files) == 50
    for key in archive.files:
        layer, variable = key.split("/")
        np.testing.assert_array_equal(getattr(model.get_layer(layer), variable), archive[key])
    without = zoo.squeezenet_interpretable(
        weights=path,
        include_top=False,
        extra_layer=False,
        mask=False,
        input_shape=(224, 224, 3),
        include_preprocessing=False,
    )
    ordinary = zoo.squeezenet(weights=path, include_top=False)
    image = np.random.default_rng(0).uniform(-120, 130, (1, 224, 224, 3)).astype("float32")
    np.testing.assert_allclose(without(image), ordinary(image), atol=1e-4)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "file", "layers"),
    [
        ("vgg16", "vgg16_imagenet_notop.npz", 13),
        ("alexnet_v2", "alexnet_single_tower_imagenet_notop.npz", 5),
    ],
)
def test_half_precision_weights_of_the_papers_networks(data, name, file, layers):
    path = str(data / "weights" / file)
    archive = np.load(path, allow_pickle=False)
    assert len(archive.files) == 2 * layers
    assert np.dtype("float16") in {archive[key].dtype for key in archive.files}
    small = {"weights": path, "input_shape": (64, 64, 3), "include_preprocessing": True}
    with_new_head = [
        zoo.create_model(name, classes=3, new_head=True, **small),
        zoo.create_model(f"{name}_interpretable", classes=3, new_filters=16, **small),
    ]
    assert [model.output_shape for model in with_new_head] == [(None, 3)] * 2
    ordinary = zoo.create_model(name, include_top=False, **small)
    without_mask = zoo.create_model(
        f"{name}_interpretable", include_top=False, extra_layer=False, mask=False, **small
    )
    for model in (*with_new_head, ordinary, without_mask):
        for key in archive.files:
            layer, variable = key.split("/")
            found = getattr(model.get_layer(layer), variable)
            assert keras.backend.standardize_dtype(found.dtype) == "float32"
            np.testing.assert_array_equal(found, archive[key])
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    maps = np.asarray(ordinary(pixels))
    np.testing.assert_allclose(without_mask(pixels), maps, atol=1e-4 * maps.max())
    outside = zoo.create_model(name, include_top=False, weights=path, input_shape=(64, 64, 3))
    prepared = zoo.preprocess_input(name, pixels)
    np.testing.assert_allclose(outside(prepared), maps, atol=1e-4 * maps.max())


@pytest.mark.slow
def test_mobilenet_equals_keras_applications(data):
    path = str(data / "weights" / "mobilenetv2_1.0_224_imagenet_notop.weights.h5")
    arguments = {"include_top": False, "input_shape": (224, 224, 3)}
    theirs = keras.applications.MobileNetV2(weights=None, **arguments)
    theirs.load_weights(path)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype("float32")
    ours = zoo.mobilenet_v2(weights=path, **arguments)
    np.testing.assert_allclose(ours(image), theirs(image), atol=1e-5)
    model = zoo.mobilenet_v2_interpretable(weights=path, classes=2, new_filters=32)
    np.testing.assert_array_equal(
        model.get_layer("Conv_1").kernel, theirs.get_layer("Conv_1").kernel
    )

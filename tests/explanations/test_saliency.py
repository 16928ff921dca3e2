"""Saliency maps against what they are for networks simple enough to know it."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_icnn.datasets import creatures
from keras_icnn.explanations import SaliencyMaps, baseline_image


@pytest.fixture(scope="module")
def image():
    return creatures(0, 0, 2, (32, 32), species=["cat"]).test.image(1)


def network(classes=3, activation="softmax", linear=False):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 64)(inputs)
    act = None if linear else "relu"
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation=act)(x)
    x = layers.Conv2D(5, 3, strides=2, padding="same", activation=act, name="maps")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, activation=activation, name="head")(x))


def numpy(value):
    return keras.ops.convert_to_numpy(value)


@pytest.mark.core
def test_grad_cam_of_a_linear_head_is_the_class_activation_map(image):
    model = network()
    found = SaliencyMaps(model).grad_cam(image, 2)
    maps = numpy(keras.Model(model.inputs[0], model.get_layer("maps").output)(image[None] * 1.0))
    kernel = numpy(keras.ops.convert_to_tensor(model.get_layer("head").kernel))
    # The mean of 64 units: each has a 64th of the weight.
    units = np.maximum(maps[0] @ kernel[:, 2] / 64, 0)
    assert found.shape == (32, 32)
    # "same" padding of stride 2, twice: unit i is centered at pixel 3 + 4 i.
    assert found[3::4, 3::4] == pytest.approx(units, rel=1e-4, abs=1e-6)
    assert found[3, 5] == pytest.approx((units[0, 0] + units[0, 1]) / 2, rel=1e-4, abs=1e-6)


@pytest.mark.core
def test_integrated_gradients_sum_up_to_the_score(image):
    model = network()
    maps = SaliencyMaps(model)
    weights = maps.weights(image, 1)
    for kind in ("black", "mean", "blur"):
        found = maps.integrated_gradients(image, 1, steps=64, baseline=kind)
        ends = np.stack([baseline_image(image, kind), image.astype("float32")])
        nothing, whole = maps.scores(ends, weights)
        assert found.sum() == pytest.approx(whole - nothing, abs=0.02 * abs(whole - nothing))


@pytest.mark.core
def test_of_a_linear_network_everything_is_known(image):
    model = network(1, None, linear=True)
    maps = SaliencyMaps(model)

    def logit(images):
        return numpy(model(np.asarray(images, "float32")))[:, 0].astype("float64")

    # One step is exact, and a pixel's attribution is what the score loses without it.
    found = maps.integrated_gradients(image, 1, steps=1)
    without = image.astype("float32").copy()
    without[9, 20] = 0
    lost = logit(image[None]) - logit(without[None])
    assert found[9, 20] == pytest.approx(lost[0], abs=1e-4)
    # Class 0 of a single output has minus the logit.
    assert maps.integrated_gradients(image, 0, steps=1) == pytest.approx(-found, abs=1e-6)
    # Squares side by side: each pixel has what its square loses.
    occluded = maps.occlusion(image, 1, patch=8, stride=8, baseline="black")
    without = image.astype("float32").copy()
    without[8:16, 24:32] = 0
    lost = logit(image[None]) - logit(without[None])
    assert occluded[8:16, 24:32] == pytest.approx(lost[0], abs=1e-4)
    assert occluded[7, 24] != pytest.approx(occluded[8, 24], abs=1e-6)


def test_occlusion_covers_the_whole_image(image):
    found = SaliencyMaps(network()).occlusion(image, 0, patch=10, stride=7)
    assert np.isfinite(found).all()
    with pytest.raises(ValueError, match="stride"):
        SaliencyMaps(network()).occlusion(image, 0, patch=4, stride=5)


def test_preprocessing_is_applied(image):
    model = network()
    plain = SaliencyMaps(model)
    halved = SaliencyMaps(model, preprocess=lambda images: images / 2)
    assert halved.grad_cam(image, 0) == pytest.approx(plain.grad_cam(image / 2.0, 0), rel=1e-5)
    first = halved.integrated_gradients(image, 0, steps=2)
    assert first == pytest.approx(plain.integrated_gradients(image / 2.0, 0, steps=2), rel=1e-4)


def test_a_batch_is_refused(image):
    with pytest.raises(ValueError, match="one image"):
        SaliencyMaps(network()).grad_cam(image[None])
    with pytest.raises(ValueError, match="baseline_image"):
        baseline_image(image, "white")

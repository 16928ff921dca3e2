"""The radius measured by occlusion, on filters whose true region is known."""

import keras
import numpy as np
import pytest

from keras_icnn import metrics

N = 32


def window(*sizes):
    """A network whose filter f averages a square of sizes[f] pixels."""
    image = keras.Input((N, N, 1))
    largest = max(sizes)
    x = keras.layers.Conv2D(len(sizes), largest, padding="same", activation="relu", name="maps")
    model = keras.Model(image, x(image))
    kernel = np.zeros((largest, largest, 1, len(sizes)), "float32")
    for f, size in enumerate(sizes):
        edge = (largest - size) // 2
        kernel[edge : edge + size, edge : edge + size, 0, f] = 1
    x.set_weights([kernel, np.zeros(len(sizes), "float32")])
    return model


def squares(size, places):
    images = np.zeros((len(places), N, N, 1), "float32")
    for image, (y, x) in zip(images, places, strict=True):
        image[y : y + size, x : x + size] = 1
    return images


def test_the_disc_has_the_area_of_the_region():
    # Every pixel of the bright square matters alike, so the half-maximum area is 9 x 9.
    images = squares(9, [(3, 4), (20, 15), (11, 9)])
    radius = metrics.occlusion_radius(window(9), "maps", images, stride=1, patch=1)
    assert radius == pytest.approx(9 / np.sqrt(np.pi))


def test_the_median_over_the_filters_that_fire():
    images = squares(9, [(3, 4), (12, 15)])
    model = window(1, 5, 9, 9)
    model.get_layer("maps").bias.assign([0, 0, 0, -100])  # the last never fires
    radius = metrics.occlusion_radius(model, "maps", images, stride=1, patch=1)
    assert radius == pytest.approx(5 / np.sqrt(np.pi))


def test_coarse_strides_count_their_cells():
    images = squares(8, [(8, 8), (16, 0)])
    radius = metrics.occlusion_radius(window(9), "maps", images, stride=4, patch=4, verbose=1)
    # Four patches of 4 x 4 cover the square exactly.
    assert radius == pytest.approx(8 / np.sqrt(np.pi))


def test_errors():
    model = window(3)
    with pytest.raises(ValueError, match="responds on the 2 images"):
        metrics.occlusion_radius(model, "maps", np.zeros((2, N, N, 1)))
    with pytest.raises(ValueError, match="`images`"):
        metrics.occlusion_radius(model, "maps", np.zeros((0, N, N, 1)))

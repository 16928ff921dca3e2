"""Corruptions and baselines against what they are by definition."""

import numpy as np
import pytest

from keras_icnn import metrics
from keras_icnn.datasets import creatures


@pytest.fixture(scope="module")
def image():
    return creatures(0, 0, 2, (48, 40), species=["cat"]).test.image(1)


@pytest.mark.parametrize("kind", metrics.CORRUPTIONS)
def test_stronger_is_farther_from_the_image(kind, image):
    away = [
        np.square(metrics.corrupt(image, kind, s).astype(float) - image).mean() for s in (1, 2, 3)
    ]
    assert 0 < away[0] < away[1] < away[2]
    changed = metrics.corrupt(image, kind, 2)
    assert changed.dtype == "uint8"
    assert changed.shape == image.shape


def test_noise_has_the_published_size_and_the_seed_decides():
    gray = np.full((100, 100, 3), 128, "uint8")
    noisy = metrics.corrupt(gray, "gaussian_noise", 1, seed=3)
    assert (noisy / 255.0).std() == pytest.approx(0.08, rel=0.03)
    assert np.array_equal(noisy, metrics.corrupt(gray, "gaussian_noise", 1, seed=3))
    assert not np.array_equal(noisy, metrics.corrupt(gray, "gaussian_noise", 1, seed=4))


def test_contrast_keeps_the_mean_and_shrinks_the_rest(image):
    changed = metrics.corrupt(image, "contrast", 1).astype(float)
    mean = image.mean(axis=(0, 1))
    assert changed == pytest.approx((image - mean) * 0.4 + mean, abs=0.51)


def test_brightness_is_that_of_hsv():
    pixel = np.array([[[100, 50, 0]]], "uint8")
    # The value rises from 100 / 255 by 0.1; the ratio of the channels stays.
    value = 100 + 25.5
    assert metrics.corrupt(pixel, "brightness", 1)[0, 0] == pytest.approx(
        [value, value / 2, 0], abs=0.51
    )
    black = np.zeros((1, 1, 3), "uint8")
    assert metrics.corrupt(black, "brightness", 2)[0, 0] == pytest.approx(0.3 * 255, abs=0.51)


def test_blur_against_a_point():
    point = np.zeros((41, 41, 1), "float32")
    point[20, 20] = 1
    spread = metrics.blurred(point, 3.0)[..., 0]
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert spread[20, 23] / spread[20, 20] == pytest.approx(np.exp(-0.5), rel=1e-4)
    assert spread == pytest.approx(spread.T, abs=1e-7)
    # The edge's pixels go on outside.
    assert metrics.blurred(np.full((9, 9, 3), 7.0), 4.0) == pytest.approx(7, abs=1e-5)


def test_mean_filled(image):
    filled = metrics.mean_filled(image)
    assert filled.shape == image.shape
    assert filled[3, 5] == pytest.approx(image.reshape(-1, 3).mean(axis=0), rel=1e-5)
    assert np.ptp(filled, axis=(0, 1)).tolist() == [0, 0, 0]


def test_shifted():
    image = np.arange(12).reshape(3, 4, 1)
    moved = metrics.shifted(image, right=1, down=-1)[..., 0]
    assert moved.tolist() == [[4, 4, 5, 6], [8, 8, 9, 10], [8, 8, 9, 10]]


def test_a_corrupted_data_set_keeps_its_annotations():
    data = creatures(0, 0, 4, (32, 32), species=["cat"]).test
    changed = metrics.corrupted(data, "jpeg", 3)
    assert changed.files == data.files
    assert np.array_equal(changed.landmarks, data.landmarks, equal_nan=True)
    assert np.array_equal(changed[2].parts, data[2].parts)
    assert np.array_equal(changed.image(2), metrics.corrupt(data.image(2), "jpeg", 3))
    noisy = metrics.corrupted(data, "gaussian_noise", 1)
    # Read twice it is the same, and two images have different noise.
    assert np.array_equal(noisy.image(1), noisy.image(1))


@pytest.mark.parametrize(("kind", "strength"), [("fog", 1), ("jpeg", 0), ("jpeg", 4)])
def test_what_is_unknown_is_refused(kind, strength, image):
    with pytest.raises(ValueError, match="corrupt"):
        metrics.corrupt(image, kind, strength)

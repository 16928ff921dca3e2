"""Trivial detectors on cases small enough to see."""

import numpy as np
import pytest

from keras_icnn import metrics

SIZE = (20, 20)
CENTERS = np.stack(np.meshgrid([5.0, 15.0], [5.0, 15.0]), axis=-1)
# Heads left and right; the second landmark moves by a little around either.
LANDMARKS = np.array(
    [[[4, 5], [4, 9]], [[6, 5], [6, 9]], [[14, 5], [14, 9]], [[16, 5], [16, 9]]], "float64"
)


def table(landmarks=LANDMARKS, **options):
    return metrics.trivial_detectors(
        landmarks, CENTERS, image_size=SIZE, landmark_names=["head", "legs"], **options
    )


def test_positions_by_hand():
    found = table()
    # Sum of squares of the x 4, 6, 14, 16 around 10: 104; around the side's mean: 4.
    assert found["one bit"]["r2"] == pytest.approx(1 - 4 / 104, abs=1e-6)
    assert found["one bit"]["r2_facing"] == pytest.approx(0, abs=1e-6)
    # Four images are too few for the strongest third.
    assert found["centre"]["r2_strongest"] == -1
    # A perfect detector answers the units at x = 5 and 15: errors of 1 and -1.
    assert found["perfect head"]["r2"] == pytest.approx(1 - 4 / 104, abs=1e-6)
    # From x = 10 all four heads are 4 or 6 away; the best constant cannot do worse.
    assert found["best constant"]["instability"] <= found["centre"]["instability"]
    assert found["random"]["r2"] < 0


def test_absent_landmarks():
    absent = LANDMARKS.copy()
    absent[3, 0] = np.nan
    found = table(absent)
    # The perfect head detector is judged where there is a head.
    three = metrics.location_instability(
        [[[5.0, 5]], [[5.0, 5]], [[15.0, 5]]], absent[:3], image_size=SIZE
    )
    assert found["perfect head"]["instability"] == pytest.approx(three.mean)
    assert table(LANDMARKS * np.nan) == {}


def test_regions_by_hand():
    masks = np.zeros((4, 2, *SIZE), bool)
    masks[:, 0] = True  # the first part fills the image
    masks[0, 1, 4:7, 3:6] = True  # the second is small, at the first head
    found = table(part_masks=masks.__getitem__, radius=2.0)
    assert found["whole image"]["part_interpretability"] == 1
    # A disc of radius 8.75 covers about 240 of 400 pixels.
    assert found["centred disc"]["part_interpretability"] == 1
    # A disc of radius 2 (13 pixels) at (5, 5) meets 6 of the 9 pixels of the small part.
    small = table(part_masks=lambda i: masks[i, 1:], radius=2.0)
    assert small["perfect head"]["part_interpretability"] == 1
    assert small["whole image"]["part_interpretability"] == 0
    assert np.isnan(small["random"]["part_interpretability"])


def test_the_random_detector_has_a_seed():
    assert table(seed=3)["random"]["r2"] == table(seed=3)["random"]["r2"]
    assert table(seed=3)["random"]["r2"] != table(seed=4)["random"]["r2"]

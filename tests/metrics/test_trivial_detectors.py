"""Trivial detectors on cases small enough to see."""

import numpy as np
import pytest
import slow_reference

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
    # From (9.5, 9.5) the heads are 5.5, 3.5, 4.5, 6.5 to the side and 4.5 up, the legs 0.5 up.
    deviations = [np.hypot([5.5, 3.5, 4.5, 6.5], up).std(ddof=1) for up in (4.5, 0.5)]
    assert found["centre"]["instability"] == pytest.approx(np.mean(deviations) / np.hypot(*SIZE))
    # The best of all positions a tenth of a pixel apart.
    places = np.stack(np.meshgrid(*[np.arange(0, 19.05, 0.1)] * 2), axis=-1)
    distances = np.linalg.norm(LANDMARKS[:, :, None, None] - places, axis=-1)
    lowest = distances.std(axis=0, ddof=1).mean(axis=0).min() / np.hypot(*SIZE)
    assert found["best constant"]["instability"] == pytest.approx(lowest, rel=0.01)


def test_banks_by_hand():
    rng = np.random.default_rng(0)
    facing = np.resize([1.0, 1, -1, -1], 48)
    centers = np.stack(np.meshgrid(np.arange(1.0, 40, 2), np.arange(1.0, 40, 2)), axis=-1)
    head = np.stack([20 + facing * rng.uniform(8, 14, 48), rng.uniform(8, 30, 48)], axis=1)
    tail = np.stack([20 - facing * 12, rng.uniform(8, 30, 48)], axis=1)
    landmarks = np.stack([head, tail], axis=1)
    found, unnamed = (
        metrics.trivial_detectors(landmarks, centers, image_size=(40, 40), landmark_names=names)
        for names in (["head", "tail"], ["left", "other"])
    )
    for name in ("random", "centre", "best constant"):
        row = found[name]
        assert row["coverage"] < 0.02 and row["anatomy"] < 0.02 and row["parts_followed"] == 0
    # A detector of the head knows where the tail is not: which way the animal faces.
    nearest = np.round((landmarks - 1) / 2) * 2 + 1
    alone = metrics.part_coverage(nearest[:, :1], landmarks, image_size=(40, 40))
    assert found["perfect head"]["coverage"] == pytest.approx(alone.coverage, rel=1e-6)
    assert alone.coverage < 0.6
    both = metrics.part_coverage(nearest, landmarks, image_size=(40, 40))
    every = found["every landmark"]
    assert every["coverage"] == pytest.approx(both.coverage, rel=1e-6) and both.coverage > 0.95
    assert every["parts_followed"] == 2 and every["anatomy"] > 0.9
    assert np.isnan(every["instability"]) and np.isnan(every["part_interpretability"])
    sides = np.where(
        (facing > 0)[:, None, None],
        landmarks[facing > 0].mean(axis=0),
        landmarks[facing < 0].mean(axis=0),
    )
    bit = metrics.part_coverage(sides, landmarks, image_size=(40, 40))
    assert found["one bit"]["coverage"] == pytest.approx(bit.coverage, rel=1e-6)
    assert 0.3 < bit.coverage < 0.9 and found["one bit"]["anatomy"] < 0.1
    # Without a head the landmarks tell the same; within facing there is then no figure.
    assert unnamed["one bit"]["coverage"] == pytest.approx(bit.coverage, rel=1e-6)
    assert np.isnan(unnamed["one bit"]["r2_facing"])


def test_the_limit_of_a_landmark_seen_from_one_side():
    """Left and right eye: the bank of detectors finds the one that is there."""
    rng = np.random.default_rng(0)
    facing = np.resize([1, -1], 60)
    centers = np.stack(np.meshgrid(np.arange(1.0, 40, 2), np.arange(1.0, 40, 2)), axis=-1)
    eye = np.stack([20 + facing * 10, rng.uniform(8, 30, 60)], axis=1)
    landmarks = np.full((60, 3, 2), np.nan)
    landmarks[facing > 0, 0] = eye[facing > 0]
    landmarks[facing < 0, 1] = eye[facing < 0]
    landmarks[:, 2] = 20 - facing[:, None] * [10, 0]
    names = ["right eye", "left eye", "tail"]
    found = metrics.trivial_detectors(landmarks, centers, image_size=(40, 40), landmark_names=names)
    assert found["every landmark"]["coverage"] > 0.95
    assert found["every landmark"]["anatomy"] > 0.9 * 2 / 3  # the tail never moves in its frame


def test_the_random_detector_draws_units_evenly():
    drawn = CENTERS.reshape(-1, 2)[np.random.default_rng(0).integers(4, size=(4, 32))]
    steady = slow_reference.instability(drawn, LANDMARKS, np.ones((4, 32)), SIZE, 100)
    assert table()["random"]["instability"] == pytest.approx(np.mean(steady), rel=1e-5)
    values = [
        max(slow_reference.r2(drawn[:, f], LANDMARKS[:, k]) for k in range(2)) for f in range(32)
    ]
    assert table()["random"]["r2"] == pytest.approx(np.mean(values), rel=1e-4)


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


def test_every_row_on_generated_annotations():
    """As `test_trivial_detectors_on_real_images`, on a generated table, against slow references."""
    rng = np.random.default_rng(0)
    size, n = (56, 56), 24
    units = 4.0 + 4 * np.arange(13)
    centers = np.stack(np.meshgrid(units, units), axis=-1)
    landmarks = rng.uniform(8, 48, (n, 2, 2)).round()
    landmarks[::5, 1] = np.nan
    masks = np.zeros((n, 2, *size), bool)
    for i, k in np.argwhere(np.isfinite(landmarks[..., 0])):
        (x, y), (w, h) = landmarks[i, k].astype(int), rng.integers(4, 25, 2)
        masks[i, k, max(y - h, 0) : y + h, max(x - w, 0) : x + w] = True
    found = metrics.trivial_detectors(
        landmarks,
        centers,
        image_size=size,
        landmark_names=["head", "legs"],
        part_masks=masks.__getitem__,
        radius=14,
    )

    def steady(answers):
        """Mean deviation of the distance from either landmark, where it is."""
        distances = np.linalg.norm(landmarks - answers[:, None], axis=-1) / np.hypot(*size)
        return np.mean([d[np.isfinite(d)].std(ddof=1) for d in distances.T])

    middle = np.full((n, 2), 27.5)
    assert found["centre"]["instability"] == pytest.approx(steady(middle), rel=1e-5)
    flat = centers.reshape(-1, 2)
    nearest = flat[np.linalg.norm(flat - landmarks[:, :1], axis=-1).argmin(axis=1)]
    assert found["perfect head"]["instability"] == pytest.approx(steady(nearest), rel=1e-5)
    head_r2 = slow_reference.r2(nearest, landmarks[:, 0])
    assert found["perfect head"]["r2"] == pytest.approx(head_r2, rel=1e-5)
    right = landmarks[:, 0, 0] >= np.median(landmarks[:, 0, 0])
    sides = np.where(
        right[:, None], landmarks[right, 0].mean(axis=0), landmarks[~right, 0].mean(axis=0)
    )
    assert found["one bit"]["r2"] == pytest.approx(slow_reference.r2(sides, landmarks[:, 0]))

    def rate(region):
        """The higher share of images, of those with the part, whose part the region overlaps."""
        union = (masks | region).sum(axis=(2, 3))
        hit = (masks & region).sum(axis=(2, 3)) / union > 0.2
        present = masks.any(axis=(2, 3))
        return max(hit[present[:, k], k].mean() for k in range(2))

    y, x = np.indices(size)
    disc = np.hypot(x - 27.5, y - 27.5) <= 98 / 224 * 56
    assert found["centred disc"]["part_interpretability"] == rate(disc)
    assert found["whole image"]["part_interpretability"] == rate(np.ones(size, bool))
    assert 0 < rate(np.ones(size, bool)) < 1 and 0 < rate(disc) < 1  # not all or nothing

"""Anatomy: R2 in the object's own frame, and that an offset in the image is no part."""

import numpy as np
import pytest
import slow_reference

from keras_icnn import metrics

SIZE = (100, 200)
NAMES = ["head", "tail", "left eye", "right eye"]


def animals(rng, images=60):
    """Animals that face left and right: a head, a tail, and the eye on the side one sees.

    Returns:
        (landmarks [images, 4, 2], facing [images]: 1 right, -1 left).
    """
    facing = np.where(rng.random(images) < 0.5, -1.0, 1.0)
    body = rng.uniform([80, 30], [120, 70], (images, 2))
    reach = rng.uniform(30, 50, images)
    head = body + np.stack([facing * reach, rng.normal(-10, 4, images)], axis=1)
    tail = body + np.stack([-facing * reach, rng.normal(0, 4, images)], axis=1)
    eye = head + np.stack([facing * 3, np.full(images, -2.0)], axis=1)
    absent = np.full_like(eye, np.nan)
    left, right = (np.where((facing == s)[:, None], eye, absent) for s in (-1, 1))
    return np.stack([head, tail, left, right], axis=1), facing


def measured(peaks, landmarks, strengths=None, names=NAMES, **options):
    return metrics.part_anatomy(
        peaks, landmarks, strengths, image_size=SIZE, landmark_names=names, **options
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_is_that_of_images_turned_by_hand(rng):
    landmarks, facing = animals(rng)
    peaks = landmarks[:, :1] + rng.normal(size=(60, 3, 2)) * [[4], [12], [40]]
    found = measured(peaks, landmarks)
    turned, places = landmarks.copy(), peaks.copy()
    for i in np.flatnonzero(facing < 0):
        turned[i] = turned[i][[0, 1, 3, 2]]
        turned[i, :, 0] = SIZE[1] - 1 - turned[i, :, 0]
        places[i, :, 0] = SIZE[1] - 1 - places[i, :, 0]
    for f in range(3):
        for k in (0, 1):
            expected = slow_reference.r2(places[:, f], turned[:, k])
            assert found.r2[f, k] == pytest.approx(expected, rel=1e-4)
    # Both eyes are one now: nothing is left of the other.
    assert sorted(found.images.tolist()) == [0, 60, 60, 60]
    assert np.isnan(found.r2).all(axis=0).sum() == 1
    np.testing.assert_array_equal(found.per_filter, np.nanmax(found.r2, axis=1))
    assert found.mean == pytest.approx(np.maximum(found.per_filter, 0).mean())


def test_an_offset_in_the_image_is_caught(rng):
    landmarks, facing = animals(rng)
    head = landmarks[:, :1]
    before = head + np.stack([facing * 20, 0 * facing], axis=1)[:, None]
    right = head + np.array([20, 0])
    above = head - [0, 20]
    peaks = np.concatenate([head, before, right, above], axis=1)
    tracking = metrics.part_tracking(peaks, landmarks, image_size=SIZE, head=0)
    # Neither tracking nor facing minds.
    np.testing.assert_allclose(tracking.r2[[0, 2, 3], 0], 1, atol=1e-5)
    np.testing.assert_allclose(tracking.r2_facing[[0, 2, 3], 0], 1, atol=1e-5)
    found = measured(peaks, landmarks)
    np.testing.assert_allclose(found.per_filter[[0, 1, 3]], 1, atol=1e-5)
    assert found.per_filter[2] < 0


def test_an_eye_has_two_names(rng):
    """A place to the image's right of either eye does not escape by the eyes' names."""
    landmarks, _ = animals(rng)
    eye = np.where(np.isfinite(landmarks[:, 2]), landmarks[:, 2], landmarks[:, 3])[:, None]
    only_eyes = np.concatenate([np.full((60, 2, 2), np.nan), landmarks[:, 2:]], axis=1)
    only_eyes[:, 1] = landmarks[:, 1]  # a tail, to tell the facing by
    offset = measured(eye + np.array([20, 0]), only_eyes)
    assert offset.per_filter[0] < 0.3 < 0.99 < measured(eye, only_eyes).per_filter[0]
    # Without the names each eye is seen from one side only, and the offset is constant there.
    assert measured(eye + np.array([20, 0]), only_eyes, names=None).per_filter[0] > 0.99


def test_one_bit_constants_and_silence_are_worth_nothing(rng):
    landmarks, facing = animals(rng, 400)
    sides = [landmarks[facing == s][:, :2].mean(axis=0) for s in (-1, 1)]
    bit = np.where((facing > 0)[:, None, None], sides[1], sides[0])
    assert metrics.part_tracking(bit, landmarks, image_size=SIZE, top=1000).mean > 0.5
    assert measured(bit, landmarks).mean < 0.02
    assert measured(np.full((400, 2, 2), 30.0), landmarks).mean == 0
    silent = measured(rng.uniform(0, 90, (400, 2, 2)), landmarks, np.zeros((400, 2)))
    np.testing.assert_allclose(silent.per_filter, 0, atol=1e-6)
    random = measured(rng.uniform(0, 90, (400, 20, 2)), landmarks)
    assert random.mean == 0 and (random.per_filter < 0).all()


def test_mirroring_an_image_changes_nothing(rng):
    """Of a detector that is mirrored with it, whichever images are mirrored."""
    landmarks, _ = animals(rng)
    peaks = landmarks[:, :1] + rng.normal(size=(60, 2, 2)) * 5
    whole = measured(peaks, landmarks)
    some = rng.random(60) < 0.5
    for points in (landmarks, peaks):
        points[some, :, 0] = SIZE[1] - 1 - points[some, :, 0]
    landmarks[some] = landmarks[some][:, [0, 1, 3, 2]]
    again = measured(peaks, landmarks)
    np.testing.assert_allclose(again.per_filter, whole.per_filter, rtol=1e-5)


def test_streaming_in_any_order_of_batches(rng):
    landmarks, _ = animals(rng)
    peaks = landmarks[:, :2] + rng.normal(size=(60, 2, 2)) * 10
    strengths = rng.uniform(-0.2, 1, (60, 2))
    whole = measured(peaks, landmarks, strengths)
    measure = metrics.PartAnatomy(SIZE, NAMES)
    for ids in np.array_split(rng.permutation(60), 4):
        measure.update(peaks[ids], landmarks[ids], strengths[ids], image_ids=ids)
    np.testing.assert_array_equal(measure.result().r2, whole.r2)
    assert measure.result().mean == whole.mean


def test_undefined_where_nothing_tells_the_facing(rng):
    landmarks, _ = animals(rng)
    peaks = rng.uniform(0, 90, (60, 3, 2))
    one = measured(peaks, landmarks[:, :1], names=["head"])
    assert np.isnan(one.mean) and (one.landmark == -1).all() and one.images.tolist() == [0]
    # A pair of eyes is one landmark to this end; of the head and an eye a facing can be told.
    eyes = measured(peaks, landmarks[:, 2:], names=NAMES[2:])
    assert np.isnan(eyes.mean)
    some = landmarks.copy()
    some[9:, 1:] = np.nan
    assert np.isnan(measured(peaks, some).mean)
    assert np.isfinite(measured(peaks, some, fewest=9).mean)
    with pytest.raises(ValueError, match=r"`landmark_names`.*4 landmarks"):
        measured(peaks, landmarks, names=["head"])

"""Part coverage and the number of parts followed: by hand, against loops, and what fools them."""

import time

import numpy as np
import pytest
import slow_reference

from keras_icnn import metrics

SIZE = (60, 100)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def scene(rng, images=40, landmarks=3, filters=6, absent=0.2):
    """Landmarks, some absent, and filters that follow them more or less."""
    points = rng.uniform([10, 10], [90, 50], (images, landmarks, 2))
    noise = rng.normal(size=(images, filters, 2)) * np.arange(1, filters + 1)[:, None] * 3
    peaks = points[:, np.arange(filters) % landmarks] + noise
    points[rng.random((images, landmarks)) < absent] = np.nan
    strengths = rng.uniform(-0.3, 1, (images, filters)).astype("float32")
    return peaks, points, strengths


def reference(peaks, landmarks, strengths):
    """(coverage, per landmark, the filters chosen), as a plain loop from the definition."""
    height, width = SIZE
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    places = np.where(strengths[..., None] > 0, peaks, middle)
    per_landmark, chosen = [], []
    for k in range(landmarks.shape[1]):
        rows = [i for i in range(len(peaks)) if not np.isnan(landmarks[i, k]).any()]
        halves = rows[::2], rows[1::2]
        r2 = [
            [slow_reference.r2(places[half, f], landmarks[half, k]) for f in range(peaks.shape[1])]
            for half in halves
        ]
        best = [int(np.argmax(values)) for values in r2]
        chosen.append(best)
        per_landmark.append(max(0.0, (r2[1][best[0]] + r2[0][best[1]]) / 2))
    return np.mean(per_landmark), per_landmark, chosen


def test_by_hand():
    # Ten images; the landmark's x alternates in pairs: 0, 0, 8, 8, 0, 0, ... in either half the
    # same. Filter 0 is always 1 off on the side of the middle, filter 1 answers the middle.
    x = np.array([0.0, 0, 8, 8, 0, 0, 8, 8, 4, 4])
    landmarks = np.stack([x, np.full(10, 5.0)], axis=-1)[:, None]
    shrunk = np.where(x < 4, x + 1, np.where(x > 4, x - 1, x))
    peaks = np.stack([np.stack([shrunk, np.full(10, 5.0)], axis=-1), np.full((10, 2), 4.0)], 1)
    found = metrics.part_coverage(peaks, landmarks, image_size=SIZE)
    # In each half 0, 8, 0, 8, 4: squares from 4 are 64; the errors 1, 1, 1, 1, 0 about mean 0: 4.
    assert found.per_landmark[0] == pytest.approx(1 - 4 / 64, abs=1e-6)
    assert found.coverage == found.per_landmark[0]
    assert found.filter.tolist() == [[0, 0]] and found.images.tolist() == [10]
    np.testing.assert_allclose(found.r2, [[1 - 8 / 128], [0]], atol=1e-6)
    assert found.parts_followed == 1


def test_is_that_of_plain_loops(rng):
    given = scene(rng)
    found = metrics.part_coverage(*given, image_size=SIZE)
    coverage, per_landmark, chosen = reference(*given)
    assert found.coverage == pytest.approx(coverage, rel=1e-5)
    np.testing.assert_allclose(found.per_landmark, per_landmark, rtol=1e-5, atol=1e-7)
    assert found.filter.tolist() == chosen
    assert min(per_landmark) > 0 and coverage < 0.95  # nothing is trivial here
    tracking = metrics.part_tracking(*given, image_size=SIZE, top=1000)
    np.testing.assert_allclose(found.r2, tracking.r2, rtol=1e-4, atol=1e-5)


def test_streaming_in_any_order_of_batches(rng):
    peaks, landmarks, strengths = scene(rng)
    whole = metrics.part_coverage(peaks, landmarks, strengths, image_size=SIZE)
    order = rng.permutation(len(peaks))
    for pieces in (np.array_split(np.arange(40), 7), np.array_split(order, 3)):
        measure = metrics.PartCoverage(SIZE)
        for ids in pieces:
            measure.update(peaks[ids], landmarks[ids], strengths[ids], image_ids=ids)
        found = measure.result()
        assert found.coverage == whole.coverage
        np.testing.assert_array_equal(found.r2, whole.r2)
        np.testing.assert_array_equal(found.filter, whole.filter)


def test_copies_gain_nothing_and_other_detectors_do(rng):
    peaks, landmarks, _ = scene(rng)
    one = metrics.part_coverage(peaks[:, :1], landmarks, image_size=SIZE)
    copies = metrics.part_coverage(np.repeat(peaks[:, :1], 50, axis=1), landmarks, image_size=SIZE)
    np.testing.assert_array_equal(copies.per_landmark, one.per_landmark)
    assert one.coverage < 0.4 < metrics.part_coverage(peaks, landmarks, image_size=SIZE).coverage
    # Nor does any number of filters that know nothing: chosen on one half, they fail on the other.
    random = rng.uniform([0, 0], [100, 60], (40, 300, 2))
    chance = metrics.part_coverage(random, landmarks, image_size=SIZE)
    assert chance.coverage < 0.05 and (chance.per_landmark == 0).any()


def test_a_constant_and_silence_are_worth_nothing(rng):
    _, landmarks, _ = scene(rng)
    for peaks, strengths in (
        (np.full((40, 4, 2), 17.0), None),
        (rng.uniform(0, 60, (40, 4, 2)), np.zeros((40, 4))),
    ):
        found = metrics.part_coverage(peaks, landmarks, strengths, image_size=SIZE)
        assert found.coverage == pytest.approx(0, abs=1e-6) and found.parts_followed == 0
        np.testing.assert_allclose(found.r2, 0, atol=1e-6)
    # The center is as constant in images that differ in shape.
    sizes = rng.integers(40, 120, (40, 2))
    silent = metrics.part_coverage(
        rng.uniform(0, 60, (40, 4, 2)), landmarks, np.zeros((40, 4)), image_size=sizes
    )
    np.testing.assert_allclose(silent.r2, 0, atol=1e-12)


def test_rare_landmarks_are_left_out(rng):
    peaks, landmarks, strengths = scene(rng, absent=0)
    landmarks[9:, 1] = np.nan
    landmarks[:, 2] = np.nan
    found = metrics.part_coverage(peaks, landmarks, strengths, image_size=SIZE)
    assert found.images.tolist() == [40, 9, 0]
    assert np.isnan(found.per_landmark[1:]).all() and np.isnan(found.r2[:, 1:]).all()
    assert found.filter[1:].tolist() == [[-1, -1], [-1, -1]]
    assert found.coverage == found.per_landmark[0]
    assert metrics.part_coverage(peaks, landmarks, image_size=SIZE, fewest=9).coverage != (
        found.coverage
    )
    nothing = metrics.part_coverage(peaks, landmarks * np.nan, image_size=SIZE)
    assert np.isnan(nothing.coverage) and np.isnan(nothing.parts_followed)


def test_halves_are_of_the_images_with_the_landmark(rng):
    """Each landmark on every second image only, as in images beside their mirror images."""
    peaks, landmarks, _ = scene(rng, landmarks=2, absent=0)
    landmarks[::2, 0] = landmarks[1::2, 1] = np.nan
    found = metrics.part_coverage(peaks, landmarks, image_size=SIZE)
    alone = metrics.part_coverage(peaks[1::2], landmarks[1::2, :1], image_size=SIZE)
    assert found.per_landmark[0] == alone.per_landmark[0] > 0


def test_followed_parts_by_hand():
    r2 = np.full((40, 3), -1.0)
    r2[:2, 0] = 0.9  # two of forty are a twentieth
    r2[2, 1] = 0.9  # one is not
    r2[3:9, 2] = 0.5  # not above one half
    assert metrics.parts_followed(r2) == 1
    assert metrics.parts_followed(r2, share=0.025) == 2
    assert metrics.parts_followed(r2, above=0.4) == 2
    r2[0, 1] = 0.95  # each filter counts for its best landmark only
    assert metrics.parts_followed(r2) == 1 and metrics.parts_followed(r2[[1, 2]]) == 2
    assert metrics.parts_followed(np.zeros((0, 3))) == 0
    with pytest.raises(ValueError, match=r"`r2`.*shape"):
        metrics.parts_followed([0.4, 0.5])


def test_mistakes_are_named(rng):
    peaks, landmarks, strengths = scene(rng)
    with pytest.raises(ValueError, match=r"`fewest`.*at least 4"):
        metrics.part_coverage(peaks, landmarks, image_size=SIZE, fewest=3)
    with pytest.raises(ValueError, match=r"`image_size`"):
        metrics.PartCoverage().update(peaks, landmarks)
    with pytest.raises(ValueError, match="call `update`"):
        metrics.PartCoverage(SIZE).result()
    measure = metrics.PartCoverage(SIZE)
    measure.update(peaks, landmarks)
    with pytest.raises(ValueError, match="same filters and landmarks: 6 and 3"):
        measure.update(peaks[:, 1:], landmarks)
    peaks[3, 2] = np.nan
    strengths[3, 2] = 1
    with pytest.raises(ValueError, match="`peaks` must be finite"):
        measure.update(peaks, landmarks, strengths)


def test_many_filters_take_no_time(rng):
    peaks = rng.uniform(0, 224, (300, 512, 2))
    landmarks = rng.uniform(0, 224, (300, 15, 2))
    started = time.perf_counter()
    metrics.part_coverage(peaks, landmarks, image_size=(224, 224))
    metrics.part_anatomy(peaks, landmarks, image_size=(224, 224))
    assert time.perf_counter() - started < 1

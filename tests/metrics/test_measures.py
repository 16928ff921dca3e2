"""Each measure against hand-computed values, the slow reference, and its streaming form."""

import math

import numpy as np
import pytest
import slow_reference

from keras_icnn import metrics

SIZE = (30, 40)  # diagonal 50


def random_case(images=60, filters=5, seed=0):
    rng = np.random.default_rng(seed)
    peaks = rng.uniform(0, 30, (images, filters, 2)).astype("float32")
    landmarks = rng.uniform(0, 30, (images, 3, 2))
    landmarks[rng.uniform(size=(images, 3)) < 0.3] = np.nan
    landmarks[1:, 2] = np.nan  # the third landmark in at most one image
    # Few levels, so that ties happen; the last filter is mostly silent.
    strengths = rng.integers(-1, 4, (images, filters)).astype("float32")
    strengths[:, -1] = np.where(np.arange(images) < 8, 1, 0)
    return peaks, landmarks, strengths


# Location instability


def test_instability_by_hand():
    # Distances 5 and 15 of a diagonal of 50: deviation (N - 1) of .1 and .3 is .1 * sqrt(2).
    peaks = [[[3.0, 4.0]], [[0.0, 15.0]]]
    landmarks = np.zeros((2, 1, 2))
    result = metrics.location_instability(peaks, landmarks, image_size=SIZE)
    np.testing.assert_allclose(result.per_landmark, [[0.1 * math.sqrt(2)]], rtol=1e-6)
    assert result.mean == pytest.approx(0.1 * math.sqrt(2))


def test_instability_takes_the_strongest_images():
    # The outlier has the lowest peak and the third landmark-free image the highest.
    peaks = [[[5.0, 0.0]], [[5.0, 0.0]], [[35.0, 0.0]], [[20.0, 0.0]]]
    landmarks = np.zeros((4, 1, 2))
    landmarks[3] = np.nan
    strengths = [[2.0], [3.0], [1.0], [9.0]]
    two = metrics.location_instability(peaks, landmarks, strengths, image_size=SIZE, top=2)
    assert two.mean == pytest.approx(0, abs=1e-7)
    three = metrics.location_instability(peaks, landmarks, strengths, image_size=SIZE, top=3)
    assert three.mean == pytest.approx(np.std([0.1, 0.1, 0.7], ddof=1), rel=1e-6)


def test_one_hundred_images_count_by_default():
    rng = np.random.default_rng(0)
    peaks = rng.uniform(0, 30, (130, 1, 2))
    landmarks = rng.uniform(0, 30, (130, 1, 2))
    strengths = rng.permutation(130)[:, None] + 1.0
    chosen = np.argsort(-strengths[:, 0])[:100]
    expected = np.std(np.linalg.norm(peaks - landmarks, axis=-1)[chosen] / 50, ddof=1)
    result = metrics.location_instability(peaks, landmarks, strengths, image_size=SIZE)
    assert result.mean == pytest.approx(expected, rel=1e-6)


def test_fewer_than_two_images_are_undefined():
    landmarks = np.full((3, 2, 2), np.nan)
    landmarks[:, 0] = 1.0
    landmarks[0, 1] = 1.0
    peaks = np.arange(6.0).reshape(3, 1, 2)
    result = metrics.location_instability(peaks, landmarks, image_size=SIZE)
    assert np.isnan(result.per_landmark[0, 1])
    assert result.per_filter[0] == pytest.approx(result.per_landmark[0, 0])
    nothing = metrics.location_instability(peaks, landmarks * np.nan, image_size=SIZE)
    assert np.isnan(nothing.mean)


def test_silent_image_is_at_the_centre_and_counted():
    landmarks = np.zeros((2, 1, 2))
    # The second image's peak position means nothing: its filter is silent.
    silent = metrics.location_instability(
        [[[3.0, 4.0]], [[0.0, 0.0]]], landmarks, [[1.0], [0.0]], image_size=SIZE
    )
    centre = math.hypot(19.5, 14.5)
    assert silent.mean == pytest.approx(np.std([5 / 50, centre / 50], ddof=1), rel=1e-6)


def test_ties_are_won_by_the_earlier_image():
    peaks = [[[5.0, 0.0]], [[5.0, 0.0]], [[30.0, 0.0]]]
    landmarks = np.zeros((3, 1, 2))
    result = metrics.location_instability(peaks, landmarks, image_size=SIZE, top=2)
    assert result.mean == pytest.approx(0, abs=1e-7)
    renumbered = metrics.location_instability(
        peaks, landmarks, image_size=SIZE, top=2, image_ids=[2, 0, 1]
    )
    # Now the second and third image count: 5 and 30 of 50 pixels away.
    assert renumbered.mean == pytest.approx(np.std([0.1, 0.6], ddof=1), rel=1e-6)


def test_images_of_different_sizes_have_their_own_diagonals():
    peaks = [[[5.0, 0.0]], [[10.0, 0.0]]]
    landmarks = np.zeros((2, 1, 2))
    sizes = [(30, 40), (60, 80)]
    result = metrics.location_instability(peaks, landmarks, image_size=sizes)
    assert result.mean == pytest.approx(0, abs=1e-7)


# Part tracking


def test_tracking_by_hand():
    landmarks = np.array([[[0.0, 0.0]], [[2.0, 0.0]], [[4.0, 6.0]]])
    offset = np.array([7.0, -3.0])
    follows = landmarks + offset
    still = np.broadcast_to([10.0, 10.0], (3, 1, 2))
    halfway = landmarks * 0.5
    peaks = np.concatenate([follows, still, halfway], axis=1)
    result = metrics.part_tracking(peaks, landmarks, image_size=SIZE)
    # Half the movement followed leaves a quarter of the variance.
    np.testing.assert_allclose(result.best_r2, [1, 0, 0.75], atol=1e-6)
    assert result.mean == pytest.approx(1.75 / 3, abs=1e-6)
    assert np.isnan(result.r2_facing).all()
    # Three firing images are too few for the second way.
    np.testing.assert_array_equal(result.best_r2_strongest, [-1, -1, -1])
    np.testing.assert_array_equal(result.r2_strongest_landmark, [-1, -1, -1])


def test_tracking_takes_the_best_landmark():
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(0, 30, (20, 3, 2))
    peaks = landmarks[:, [2, 1]]
    result = metrics.part_tracking(peaks, landmarks, image_size=SIZE)
    np.testing.assert_array_equal(result.r2_landmark, [2, 1])
    np.testing.assert_allclose(result.best_r2, 1, atol=1e-6)


def test_facing_is_worth_nothing_within_facing():
    # The detector knows the side only: two constants.
    rng = np.random.default_rng(0)
    side = np.arange(40) % 2
    landmarks = np.stack([side * 20 + rng.uniform(0, 5, 40), rng.uniform(0, 20, 40)], -1)[:, None]
    peaks = np.stack([side * 20.0, np.full(40, 9.0)], axis=-1)[:, None]
    result = metrics.part_tracking(peaks, landmarks, image_size=SIZE, head=0)
    assert result.best_r2[0] == pytest.approx(slow_reference.r2(peaks[:, 0], landmarks[:, 0]))
    assert result.best_r2_facing[0] == pytest.approx(0, abs=1e-6)
    perfect = metrics.part_tracking(landmarks, landmarks, image_size=SIZE, head=0)
    assert perfect.best_r2_facing[0] == pytest.approx(1, abs=1e-6)


def test_strongest_third_takes_firing_images_only():
    # 12 firing images that follow, 20 silent ones that cannot.
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(0, 30, (32, 1, 2))
    peaks = landmarks.copy()
    strengths = np.where(np.arange(32) < 12, 1.0, 0.0)[:, None]
    result = metrics.part_tracking(peaks, landmarks, strengths, image_size=SIZE)
    assert result.best_r2_strongest[0] == pytest.approx(1, abs=1e-6)
    # Silent, the filter is at the center of the 40 x 30 image.
    located = np.where(strengths > 0, peaks[:, 0], (19.5, 14.5))
    assert result.best_r2[0] == pytest.approx(slow_reference.r2(located, landmarks[:, 0]))
    strengths[9:] = 0
    nine = metrics.part_tracking(peaks, landmarks, strengths, image_size=SIZE)
    assert nine.best_r2_strongest[0] == -1


def test_the_thirty_strongest_count():
    rng = np.random.default_rng(1)
    landmarks = rng.uniform(0, 30, (50, 1, 2))
    strengths = (50.0 - np.arange(50))[:, None]
    peaks = landmarks.copy()
    peaks[30:] = 3.0  # wrong, but among the weakest 20
    result = metrics.part_tracking(peaks, landmarks, strengths, image_size=SIZE)
    assert result.best_r2_strongest[0] == pytest.approx(1, abs=1e-6)
    assert result.best_r2[0] == pytest.approx(slow_reference.r2(peaks[:, 0], landmarks[:, 0]))


def test_a_landmark_that_never_moves_is_undefined():
    result = metrics.part_tracking(
        np.random.default_rng(0).uniform(size=(5, 1, 2)), np.ones((5, 1, 2)), image_size=SIZE
    )
    assert np.isnan(result.r2).all()
    assert np.isnan(result.best_r2).all()
    assert result.r2_landmark[0] == -1


# Part interpretability

CENTERS = np.stack(np.meshgrid([5.0, 15.0, 25.0], [5.0, 15.0, 25.0]), axis=-1)


def test_interpretability_by_hand():
    # Two images of 9 units; share 1/9 leaves the two highest of 18 values valid.
    maps = np.zeros((2, 3, 3, 1))
    maps[0, 0, 0] = 5
    maps[1, 2, 2] = 4
    maps[0, 1, 1] = 3
    masks = np.zeros((2, 3, 30, 30), bool)
    masks[:, 0, :10, :10] = True  # the upper left unit
    masks[0, 1, 20:, 20:] = True  # the lower right one, where the filter is not active
    result = metrics.part_interpretability(
        maps, masks, centers=CENTERS, radius=5, share=1 / 9, iou=0.2
    )
    np.testing.assert_array_equal(result.thresholds, [3])
    np.testing.assert_array_equal(result.rates, [[0.5, 0, np.nan]])
    assert result.per_filter[0] == 0.5
    assert result.part[0] == 0
    assert result.mean == 0.5


def test_interpretability_of_equal_values_is_strictly_above():
    maps = np.ones((2, 3, 3, 1))
    masks = np.ones((2, 1, 30, 30), bool)
    result = metrics.part_interpretability(maps, masks, centers=CENTERS, radius=60, share=0.2)
    np.testing.assert_array_equal(result.rates, [[0]])
    sparse = np.zeros((2, 3, 3, 1))
    sparse[0, 1, 1] = 0.1  # fewer positive values than the share: all are valid
    result = metrics.part_interpretability(sparse, masks, centers=CENTERS, radius=60, share=0.2)
    np.testing.assert_array_equal(result.rates, [[0.5]])
    assert result.thresholds[0] == 0


def test_iou_is_a_strict_bound():
    maps = np.array([1.0, 0.0]).reshape(1, 1, 2, 1)
    masks = np.zeros((1, 1, 10, 10), bool)
    masks[0, 0, 0, :2] = True
    whole = {"centers": [[[0.0, 0.0], [9.0, 9.0]]], "radius": 50, "share": 0.5}
    at_the_bound = metrics.part_interpretability(maps, masks, iou=0.02, **whole)
    above = metrics.part_interpretability(maps, masks, iou=0.0199, **whole)
    assert (at_the_bound.mean, above.mean) == (0, 1)


def test_streaming_needs_the_number_of_images():
    masks = np.ones((1, 30, 30), bool)
    measure = metrics.PartInterpretability(2, lambda i: masks, CENTERS, 5, (30, 30))
    with pytest.raises(ValueError, match="images=2"):
        measure.update(np.zeros((3, 3, 3, 1)))


# Everything against the slow reference, one shot and streaming


@pytest.mark.parametrize("seed", range(3))
def test_peaks_measures_equal_the_slow_reference(seed):
    peaks, landmarks, strengths = random_case(seed=seed)
    expected = slow_reference.instability(peaks, landmarks, strengths, SIZE, 15)
    result = metrics.location_instability(peaks, landmarks, strengths, image_size=SIZE, top=15)
    np.testing.assert_allclose(result.per_landmark, expected, rtol=1e-5)
    expected = slow_reference.tracking(peaks, landmarks, strengths, SIZE, 25, 12, 6, head=0)
    result = metrics.part_tracking(
        peaks, landmarks, strengths, image_size=SIZE, top=25, strongest=12, fewest=6, head=0
    )
    for mine, slow in zip(
        (result.r2, result.r2_strongest, result.r2_facing), expected, strict=True
    ):
        np.testing.assert_allclose(mine, slow, rtol=1e-4, atol=1e-5)
    assert metrics.peak_diversity(peaks, strengths, image_size=SIZE) == pytest.approx(
        slow_reference.diversity(peaks, strengths, SIZE)
    )


def test_interpretability_equals_the_slow_reference():
    rng = np.random.default_rng(0)
    maps = np.maximum(rng.normal(size=(6, 3, 3, 4)), 0).round(1)
    maps[..., 3] = 0
    masks = np.zeros((6, 2, 20, 24), bool)
    for i, k in np.ndindex(6, 2):
        y, x = rng.integers(0, 14, 2)
        masks[i, k, y : y + rng.integers(3, 12), x : x + rng.integers(3, 12)] = True
    masks[3:, 1] = False
    centers = CENTERS * 0.8
    for share, radius in ((0.1, 4.0), (0.3, 6.5)):
        expected = slow_reference.interpretability(maps, masks, centers, radius, share, 0.2)
        result = metrics.part_interpretability(
            maps, masks, centers=centers, radius=radius, share=share
        )
        np.testing.assert_allclose(result.rates, expected)
        assert 0 < result.mean < 1


@pytest.mark.parametrize("backwards", [False, True])
def test_streaming_equals_one_shot_in_any_order(backwards, monkeypatch):
    import keras_icnn.metrics._part_interpretability as module
    import keras_icnn.metrics._top_images as top_images

    # Small buffers, so that the selection within a run is used.
    monkeypatch.setattr(module, "_BUFFER", 10)
    monkeypatch.setattr(top_images, "_PENDING_IMAGES", 20)
    peaks, landmarks, strengths = random_case(seed=4)
    maps = np.random.default_rng(5).uniform(-1, 1, (60, 3, 3, 5)).astype("float32").round(2)
    masks = np.random.default_rng(6).uniform(size=(60, 2, 30, 40)) < 0.6
    instability = metrics.LocationInstability(SIZE, 15)
    tracking = metrics.PartTracking(SIZE, 15, head=0)
    parts = metrics.PartInterpretability(60, masks.__getitem__, CENTERS, 9, SIZE, share=0.05)
    diversity = metrics.PeakDiversity(SIZE)
    batches = np.array_split(np.arange(60), 9)
    for ids in reversed(batches) if backwards else batches:
        for measure in (instability, tracking):
            measure.update(peaks[ids], landmarks[ids], strengths[ids], image_ids=ids)
        parts.update(maps[ids], ids)
        diversity.update(peaks[ids], strengths[ids])
    given = {"image_size": SIZE, "top": 15}
    once = metrics.location_instability(peaks, landmarks, strengths, **given)
    np.testing.assert_allclose(instability.result().per_landmark, once.per_landmark)
    once = metrics.part_tracking(peaks, landmarks, strengths, head=0, **given)
    np.testing.assert_allclose(tracking.result().r2, once.r2)
    np.testing.assert_allclose(tracking.result().r2_strongest, once.r2_strongest)
    np.testing.assert_allclose(tracking.result().r2_facing, once.r2_facing)
    monkeypatch.undo()
    once = metrics.part_interpretability(maps, masks, centers=CENTERS, radius=9, share=0.05)
    np.testing.assert_array_equal(parts.result().thresholds, once.thresholds)
    np.testing.assert_allclose(parts.result().rates, once.rates)
    assert once.rates.max() > 0
    once = metrics.peak_diversity(peaks, strengths, image_size=SIZE)
    assert diversity.result() == pytest.approx(once)


def test_kept_activations_do_not_grow_with_the_maps(monkeypatch):
    import keras_icnn.metrics._part_interpretability as module

    monkeypatch.setattr(module, "_BUFFER", 1000)
    rng = np.random.default_rng(0)
    measure = metrics.PartInterpretability(2000, None, CENTERS, 5, (30, 30))
    for _ in range(100):
        measure.update(rng.uniform(size=(20, 3, 3, 4)))
        assert measure._buffered <= 1000
    # .5 % of 18,000 positions, plus the threshold itself, of four filters.
    assert len(measure._compact()[1]) == 4 * 91


def test_fewer_images_than_were_announced_have_the_threshold_of_their_own_number():
    rng = np.random.default_rng(0)
    maps = rng.uniform(size=(60, 3, 3, 4)).astype("float32")
    exact = metrics.PartInterpretability(60, None, CENTERS, 5, (30, 30))
    more = metrics.PartInterpretability(200, None, CENTERS, 5, (30, 30))
    for measure in (exact, more):
        measure.update(maps)
        measure.detectors()
    expected = [np.sort(maps[..., f].ravel())[::-1][int(0.005 * 540)] for f in range(4)]
    np.testing.assert_array_equal(exact._thresholds, expected)
    np.testing.assert_array_equal(more._thresholds, expected)


@pytest.mark.parametrize("table", [1, 8192])
def test_the_first_guess_of_the_floor_and_the_selections_lose_nothing(table, monkeypatch):
    """Thresholds and valid units by sorting everything: rare, frequent, equal and dead filters."""
    import keras_icnn.metrics._part_interpretability as module

    monkeypatch.setattr(module, "_BUFFER", 100)
    monkeypatch.setattr(module, "_TABLE", table)
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(40, 10, 9, 5)).astype("float32")
    maps[..., 1] = np.abs(maps[..., 1]) + 1
    maps[..., 2] = np.round(maps[..., 2])
    maps[..., 3] = 0
    maps[:30, ..., 4] = -1
    centers = np.zeros((10, 9, 2))
    measure = metrics.PartInterpretability(40, None, centers, 5, (30, 30))
    first = maps[:13]
    for batch in (first, *np.split(maps[13:], 9)):
        measure.update(batch)
        assert (measure._floor >= 0).all()
    # Some of the first batch was never gathered.
    guess = module.PartInterpretability(40, None, centers, 5, (30, 30))
    guess.update(first)
    assert guess._buffered < 0.2 * (first > 0).sum()
    rank = int(0.005 * 40 * 90)
    expected = np.maximum(np.sort(maps.reshape(-1, 5), axis=0)[::-1][rank], 0)
    thresholds, image, filter_, unit = measure._valid()
    np.testing.assert_array_equal(thresholds, expected.astype("float64"))
    valid = np.zeros((40, 90, 5), bool)
    valid[image, unit, filter_] = True
    np.testing.assert_array_equal(valid, maps.reshape(40, 90, 5) > expected)


def test_unions_and_overlaps_of_discs_in_pieces(monkeypatch):
    from keras_icnn.metrics import _bit_masks as bits

    rng = np.random.default_rng(0)
    masks = rng.uniform(size=(6, 30, 41)) < 0.3
    parts = np.zeros((2, 30, 41), bool)
    parts[0, 5:9] = True
    members, starts = rng.integers(0, 6, 14), np.array([0, 1, 6, 7, 9])
    drawn = [masks[some].any(axis=0) for some in np.split(members, starts[1:])]
    for words in (1, 20, 1 << 13):
        monkeypatch.setattr(bits, "_WORDS", words)
        found = bits.unions(bits.pack(masks), members, starts)
        np.testing.assert_array_equal(found, bits.pack(drawn))
        shared = bits.overlaps(found, bits.pack(parts))
        np.testing.assert_array_equal(shared, [[(d & p).sum() for p in parts] for d in drawn])


# Alive, diversity, accuracy


def test_alive_is_more_than_half_of_the_images():
    strengths = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, -1.0]])
    alive, share = metrics.alive(strengths)
    np.testing.assert_array_equal(alive, [False, True, False])
    np.testing.assert_array_equal(share, [0.5, 0.75, 0])


def test_diversity_by_hand():
    # Filters 0 and 1 are 5 apart, 2 is silent; in the second image only one fires.
    peaks = np.array([[[0, 0], [3, 4], [30, 30]], [[0, 0], [9, 9], [9, 9]]])
    strengths = np.array([[1, 1, 0], [1, 0, 0]])
    assert metrics.peak_diversity(peaks, strengths, image_size=SIZE) == pytest.approx(0.1)
    assert np.isnan(metrics.peak_diversity(peaks, strengths * 0, image_size=SIZE))
    # Copies of one detector.
    copies = np.repeat(np.random.default_rng(0).uniform(0, 30, (9, 1, 2)), 5, axis=1)
    assert metrics.peak_diversity(copies, image_size=SIZE) == 0


@pytest.mark.parametrize("units", [4, 512])
def test_diversity_from_units(units, monkeypatch):
    monkeypatch.setattr("keras_icnn.metrics._diversity._UNITS", units)
    rng = np.random.default_rng(0)
    unit, strengths = rng.integers(0, 9, (5, 20)), rng.integers(0, 2, (5, 20)).astype("float32")
    given = metrics.PeakDiversity(SIZE)
    for batch in (slice(2), slice(2, 5)):
        given.update_units(unit[batch], strengths[batch], CENTERS)
    peaks = CENTERS.reshape(-1, 2)[unit]
    once = metrics.peak_diversity(peaks, strengths, image_size=SIZE)
    assert once > 0 and given.result() == pytest.approx(once)


def test_part_diversity():
    assert metrics.part_diversity(["head"] * 512) == pytest.approx(1)
    assert metrics.part_diversity(["head", "legs", "", "head", "legs"]) == pytest.approx(2)
    assert np.isnan(metrics.part_diversity([""]))


def test_accuracy_plain_and_balanced():
    # 3 of 4 negatives and 0 of 1 positive.
    probabilities = [0.1, 0.5, 0.2, 0.9, 0.4]
    labels = [0, 0, 0, 0, 1]
    assert metrics.accuracy(probabilities, labels) == (0.6, 0.375)
    logits = np.log(np.array(probabilities) / (1 - np.array(probabilities)))
    assert metrics.accuracy(logits[:, None], labels, from_logits=True) == (0.6, 0.375)
    # A positive class of any number counts as positive.
    assert metrics.accuracy([0.9, 0.1], [7, 0]) == (1.0, 1.0)
    assert metrics.accuracy(np.eye(3)[[0, 0, 1, 2]], [0, 1, 1, 2]) == (0.75, pytest.approx(5 / 6))
    with pytest.raises(ValueError, match="label 5"):
        metrics.accuracy(np.eye(3), [0, 1, 5])


# Errors name the argument


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peaks": np.zeros((3, 2))}, "`peaks`"),
        ({"landmarks": np.zeros((2, 1, 2))}, "`landmarks`"),
        ({"strengths": np.zeros((3, 5))}, "`strengths`"),
        ({"strengths": np.full((3, 1), np.nan)}, "`strengths` must be finite"),
        ({"image_size": (0, 40)}, "`image_size`"),
        ({"top": 1}, "`top`"),
    ],
)
def test_errors_name_the_argument(change, message):
    given = {
        "peaks": np.zeros((3, 1, 2)),
        "landmarks": np.zeros((3, 1, 2)),
        "strengths": np.ones((3, 1)),
        "image_size": SIZE,
        **change,
    }
    for measure in (metrics.location_instability, metrics.part_tracking):
        with pytest.raises(ValueError, match=message):
            measure(**given)


def test_interpretability_errors():
    maps, masks = np.zeros((2, 3, 3, 1)), np.zeros((2, 1, 30, 30), bool)
    with pytest.raises(ValueError, match="`radius`"):
        metrics.part_interpretability(maps, masks, centers=CENTERS, radius=0)
    with pytest.raises(ValueError, match="`part_masks`"):
        metrics.part_interpretability(maps, masks[:1], centers=CENTERS, radius=5)
    with pytest.raises(ValueError, match="`centers`"):
        metrics.part_interpretability(maps, masks, centers=np.zeros((2, 2, 3)), radius=5)
    with pytest.raises(ValueError, match="height and width of `centers`"):
        metrics.part_interpretability(maps, masks, centers=np.zeros((2, 2, 2)), radius=5)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (17, 18), (260, 256)])
def test_peaks_are_the_first_of_the_highest_units(size):
    height, width = size
    # Whole numbers, so that many units are equally high; some maps are silent.
    maps = np.random.default_rng(0).integers(0, 4, (3, height, width, 5)).astype("float32")
    maps[1, ..., 2] = 0
    centers = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) * 16.0
    peaks, strengths = metrics.peaks_of(maps, centers)
    flat = maps.reshape(3, -1, 5)
    np.testing.assert_array_equal(peaks, centers.reshape(-1, 2)[flat.argmax(axis=1)])
    np.testing.assert_array_equal(strengths, flat.max(axis=1))

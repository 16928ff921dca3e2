"""Generated creatures: exact annotations, reproducible pictures, no shortcuts."""

import numpy as np
import pytest

from keras_icnn.datasets import creatures
from keras_icnn.datasets._creature_body import SPECIES


@pytest.fixture(scope="module")
def data():
    return creatures(210, 0, 0, seed=1).train


def test_form(data):
    assert data.class_names == ["background", "cat", "deer", "elephant", "fox", "hare", "ram"]
    assert data.landmark_names == data.part_names == ["head", "torso", "legs", "tail"]
    sample = data[0]
    assert sample.image.shape == (64, 64, 3) and sample.image.dtype == np.uint8
    assert sample.parts.shape == (4, 64, 64) and sample.parts.dtype == bool
    assert np.bincount(data.labels).tolist() == [30] * 7


def test_background_has_no_parts_and_creatures_have_all(data):
    for i in range(70):
        sample = data[i]
        if sample.label == 0:
            assert np.isnan(sample.landmarks).all() and not sample.parts.any()
        else:
            assert (sample.landmarks > 3).all() and (sample.landmarks < 60).all()
            assert sample.parts[:3].any((1, 2)).all()
            # A pixel belongs to two parts only where each covers exactly half of it.
            owners = sample.parts.sum(0)
            assert owners.max() <= 2 and (owners == 2).sum() < 0.1 * (owners == 1).sum()


def test_masks_lie_around_their_landmarks(data):
    # Ears, trunks and what hides a part move a mask's centre a little from the part's.
    distances = []
    for i in np.flatnonzero(data.labels)[:90]:
        masks = data.part_masks(i)
        for mask, landmark in zip(masks, data.landmarks[i], strict=True):
            rows, columns = np.nonzero(mask)
            if len(rows):
                center = (columns.mean(), rows.mean())
                distances.append(np.hypot(*(center - landmark)))
    assert len(distances) > 350
    assert np.median(distances) < 2 and np.max(distances) < 10


def test_the_skull_is_drawn_at_the_head_landmark(data):
    hit = [
        data.part_masks(i)[0, *np.round(data.landmarks[i, 0, ::-1]).astype(int)]
        for i in np.flatnonzero(data.labels)[:90]
    ]
    assert np.mean(hit) > 0.95  # blades of grass may hide one


def test_parts_are_drawn_in_the_picture_where_the_masks_say():
    # On the head there is an eye, white and black side by side: a contrast no fur has.
    data = creatures(40, 0, 0, image_size=(128, 128), species=["fox"]).train
    for i in np.flatnonzero(data.labels):
        inside = data.image(i)[data.part_masks(i)[0]].mean(-1)
        assert inside.max() > 150 and inside.min() < 60


def test_a_picture_depends_on_seed_split_and_position_only():
    small, large = creatures(5, 3, 3, seed=2), creatures(50, 3, 3, seed=2)
    for i in (4, 0):  # in any order, drawn twice
        np.testing.assert_array_equal(small.train[i].image, large.train[i].image)
        np.testing.assert_array_equal(small.train[i].parts, large.train[i].parts)
    assert small.train.labels.tolist() == large.train.labels.tolist()[:5]
    other = creatures(5, 3, 3, seed=3)
    pictures = [d[i].image.tobytes() for s in (small, other) for _, d in s.items() for i in (0, 1)]
    assert len(set(pictures)) == 12


def test_masks_do_not_depend_on_whether_the_picture_was_drawn(data):
    before = data.part_masks(3)
    data.image(3)
    np.testing.assert_array_equal(before, data.part_masks(3))


def test_picture_size_scales_the_scene():
    small = creatures(6, 0, 0, image_size=(64, 96)).train
    large = creatures(6, 0, 0, image_size=(128, 192)).train
    assert small[0].image.shape == (64, 96, 3) and small[0].parts.shape == (4, 64, 96)
    creature = np.flatnonzero(small.labels)[0]
    areas = [d.part_masks(creature).sum((1, 2)) for d in (small, large)]
    np.testing.assert_allclose(areas[1] / areas[0], 4, rtol=0.25)


def test_species_are_classes_in_the_order_given():
    data = creatures(12, 0, 0, species=["ram", "cat"]).train
    assert data.class_names == ["background", "ram", "cat"]
    single = creatures(20, 0, 0, species=["fox"]).train
    assert single.class_names == ["background", "fox"]
    assert np.bincount(single.labels).tolist() == [10, 10]


def test_place_and_colour_are_no_shortcuts():
    data = creatures(700, 0, 0, seed=5).train
    heads = data.landmarks[data.labels > 0, 0]
    # Always the centre is a bad detector, and the side alone does not place the head.
    assert heads.std(0).min() > 9
    left = heads[:, 0] < np.median(heads[:, 0])
    within = sum(heads[side].var(0).sum() * side.mean() for side in (left, ~left))
    assert 1 - within / heads.var(0).sum() < 0.65
    facing = (data.landmarks[:, 0, 0] > data.landmarks[:, 1, 0])[data.labels > 0]
    assert 0.42 < facing.mean() < 0.58
    # Mean colors of the classes differ by less than a third of their spread.
    colors = np.array([data.image(i).mean((0, 1)) for i in range(350)])
    labels = data.labels[:350]
    means = np.array([colors[labels == c].mean(0) for c in range(7)])
    assert means.std(0).max() < colors.std(0).min() / 3


def test_scale_makes_the_same_creatures_larger():
    spans = []
    for scale in ((0.3, 0.46), (0.45, 0.6)):
        data = creatures(40, 0, 0, image_size=(128, 128), species=["fox"], scale=scale).train
        head, tail = data.landmarks[:, 0], data.landmarks[:, 3]
        spans.append(np.nanmean(np.linalg.norm(head - tail, axis=1)))
    # The means of both ranges, on a logarithmic scale: 0.371 and 0.520.
    assert spans[1] / spans[0] == pytest.approx(0.520 / 0.371, rel=0.05)


def test_absent_splits_are_explained():
    assert [name for name, _ in creatures(3, 0, 2).items()] == ["train", "test"]
    with pytest.raises(AttributeError, match=r"no `validation` split.*more than 0 images"):
        _ = creatures(3, 0, 2).validation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"n_train": -1},
            "Argument `n_train` of creatures must be a whole .* at least 0. Received: n_train=-1",
        ),
        ({"n_test": 1.5}, "`n_test` of creatures must be a whole number"),
        ({"n_train": 0, "n_validation": 0, "n_test": 0}, "must be above 0"),
        (
            {"image_size": 16},
            "`image_size` of creatures must be .*, two whole numbers of at least 32",
        ),
        (
            {"seed": -3},
            "`seed` of creatures must be a whole number of at least 0. Received: seed=-3",
        ),
        (
            {"species": "fox"},
            "`species` of creatures must be a list of different names of .*'ram'.*species='fox'",
        ),
        ({"species": ["wolf"]}, "different names of .*'elephant'"),
        ({"species": ["fox", "fox"]}, "different names"),
        ({"species": []}, "different names"),
        ({"scale": 0.4}, "`scale` of creatures must be two lengths.*Received: scale=0.4"),
        ({"scale": (0.6, 0.4)}, "`scale` of creatures must be two lengths"),
        ({"scale": (0.0, 0.4)}, "`scale` of creatures must be two lengths"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        creatures(**options)


def test_every_species_can_be_drawn_in_every_pose():
    for name in SPECIES:
        data = creatures(24, 0, 0, species=[name], image_size=32).train
        assert all(np.ptp(data.image(i)) > 30 for i in range(24))

"""Maps of explanations, the share that they leave out, and the checks of decisions, by hand."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import keras_icnn as icnn
from keras_icnn.datasets import creatures
from keras_icnn.explanations import DecisionChecks, Explainer, part_map, strongest_point
from keras_icnn.explanations._decision_checks import at_border, share_of
from keras_icnn.explanations._part_map import outside_share, shown_places


@pytest.fixture(scope="module")
def data():
    return creatures(0, 0, 60, (32, 32), species=["cat"]).test


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(6, 3, strides=4, padding="same", activation="relu")(
        layers.Rescaling(1 / 64)(inputs)
    )
    x = layers.Conv2D(5, 3, padding="same", activation="relu", name="maps")(x)
    lively = keras.initializers.Constant(10.0)
    head = layers.Dense(1, bias_initializer=lively, name="logit")
    outputs = head(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="linear")


@pytest.fixture(scope="module")
def explanation(model, data):
    return icnn.explain(model, data.image(1), 1, reference=False)


def test_a_part_is_a_hill_at_its_place(explanation):
    part = replace(explanation.parts[0], effect=2.0, x=10.0, y=20.0)
    other = replace(explanation.parts[0], effect=-1.0, x=30.0, y=4.0)
    two = replace(explanation, parts=(part, other))
    found = part_map(two, radius=3.0)
    y, x = np.mgrid[:32, :32]
    expected = 2 * 0.5 ** (((x - 10) ** 2 + (y - 20) ** 2) / 9)
    expected -= 0.5 ** (((x - 30) ** 2 + (y - 4) ** 2) / 9)
    assert found == pytest.approx(expected)
    # Half of its height at the radius.
    assert found[20, 13] == pytest.approx(1, abs=1e-6)
    assert strongest_point(two).tolist() == [10, 20]
    assert np.isnan(strongest_point(replace(two, parts=(other,)))).all()


def test_filters_have_places_of_their_own(explanation):
    found = part_map(explanation, radius=2.0, each="filter")
    y, x = np.mgrid[:32, :32]
    expected = np.zeros((32, 32))
    for effect, (px, py), strength in zip(
        explanation.effects, explanation.peaks, explanation.strengths, strict=True
    ):
        if strength > 0:
            expected += effect * 0.5 ** (((x - px) ** 2 + (y - py) ** 2) / 4)
    assert found == pytest.approx(expected, abs=1e-5)


def test_units_have_places_of_their_own(explanation):
    assert explanation.unit_effects.shape == (len(explanation.parts), 8, 8)
    # The head is linear.
    sums = explanation.unit_effects.sum(axis=(1, 2))
    assert sums == pytest.approx([part.effect for part in explanation.parts], rel=1e-4, abs=1e-6)
    found = part_map(explanation, radius=2.0, each="unit")
    y, x = np.mgrid[:32, :32]
    expected = np.zeros((32, 32))
    added = explanation.unit_effects.sum(axis=0)
    for effect, (px, py) in zip(added.ravel(), explanation.centers.reshape(-1, 2), strict=True):
        expected += effect * 0.5 ** (((x - px) ** 2 + (y - py) ** 2) / 4)
    assert found == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="unit_effects"):
        part_map(replace(explanation, unit_effects=None), each="unit")


def test_outside_share_by_hand():
    centers = np.stack(np.meshgrid([0.0, 10.0, 20.0], [0.0, 10.0]), axis=-1)
    added = np.zeros((2, 3, 2))
    added[0, 0, 0], added[0, 1, 0], added[1, 2, 0] = 3, -1, 2
    added[1, 1, 1] = 4
    places = np.array([[0.0, 0.0], [np.nan, np.nan]])
    # Of the first filter 3 and -1 are within 10 pixels; the second is not shown at all.
    assert outside_share(added, centers, places, 10) == pytest.approx((2 + 4) / 10)
    assert outside_share(added, centers, places, 100) == pytest.approx(4 / 10)
    assert np.isnan(outside_share(0 * added, centers, places, 10))


def test_filters_of_a_part_are_shown_at_its_strongest():
    peaks = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found = shown_places(peaks, np.array([1.0, 2.0, 0.0]), [(0, 1), (2,)])
    assert found[:2].tolist() == [[3, 4], [3, 4]]
    assert np.isnan(found[2]).all()


def test_outside_share_of_a_network(model, explanation, data):
    # The head is linear: what a unit adds is its activation times the filter's weight over 64.
    below = keras.Model(model.inputs[0], model.get_layer("maps").output)
    image = data.image(1)[None].astype("float32")
    maps = keras.ops.convert_to_numpy(below(image))[0]
    added = maps * keras.ops.convert_to_numpy(model.get_layer("logit").kernel)[:, 0] / 64
    field = icnn.metrics.receptive_field(model, "maps")
    away = np.hypot(*np.moveaxis(field.centers[:, :, None] - explanation.peaks, -1, 0))
    outside = np.abs(added)[away > explanation.field_radius].sum() / np.abs(added).sum()
    assert 0 < outside < 1
    assert explanation.outside_share == pytest.approx(outside, rel=1e-4)
    assert f"{outside:.0%} of the decision comes from outside" in explanation.summary()


def test_a_large_share_outside_is_said_in_words(explanation):
    assert "Most of it is not shown" in replace(explanation, outside_share=0.7).summary()
    assert "Most of it is not shown" not in replace(explanation, outside_share=0.3).summary()


def test_border_and_shares():
    centers = np.stack(np.meshgrid([2.0, 6.0, 10.0], [2.0, 6.0, 10.0]), axis=-1)
    peaks = np.array([[2.0, 6.0], [6.0, 6.0], [6.0, 10.0]], "float32")
    assert at_border(peaks, centers).tolist() == [True, False, True]
    assert share_of([[1.0, -2.0, 1.0], [0, 0, 0]], [True, False, True]).tolist() == [0.5, 0]


def test_what_a_decision_rests_on_is_flagged():
    centers = np.stack(np.meshgrid([2.0, 6.0, 10.0], [2.0, 6.0, 10.0]), axis=-1)
    peaks = np.array([[2.0, 6.0], [6.0, 6.0], [6.0, 6.0]], "float32")
    checks = DecisionChecks(
        partless=np.array([False, True, False]),
        background=np.array([False, False, True]),
        limits={(1, "partless"): 0.2, (1, "background"): 0.4},
    )
    found = checks.warnings(np.array([1.0, -3.0, 1.0]), peaks, centers, 1)
    assert found == [
        "60% of this decision rests on filters that follow no annotated part; up to 20% is usual."
    ]
    # Of another class nothing is known, and half is too much of anything.
    assert checks.warnings(np.array([1.0, -1.0, 1.0]), peaks, centers, 0) == []
    found = checks.warnings(np.array([3.0, 0.0, 1.0]), peaks, centers, 0)
    assert found == [
        "75% of this decision rests on filters that fire at the border of their map; up to 50% is "
        "usual."
    ]


def test_limits_come_from_the_reference_images(model, data):
    explainer = Explainer(model, "gradient", reference=data)
    checks = explainer.checks
    assert checks.partless.shape == checks.background.shape == (5,)
    assert all(0 <= limit <= 1 for limit in checks.limits.values())
    # By hand: the filters' mean peaks on the background and on cats.
    below = keras.Model(model.inputs[0], model.get_layer("maps").output)
    images = np.stack([data.image(i) for i in range(len(data))]).astype("float32")
    heights = keras.ops.convert_to_numpy(below(images)).max(axis=(1, 2))
    means = [heights[data.labels == c].mean(axis=0) for c in (0, 1)]
    assert checks.background.tolist() == ((means[0] >= means[1]) & (means[0] > 0)).tolist()
    # A limit is the 95 % quantile of the rightly decided images of its class.
    found = explainer.batch(images)
    right = np.array([e.prediction for e in found]) == data.labels
    field = icnn.metrics.receptive_field(model, "maps")
    for c in (0, 1):
        mine = np.flatnonzero(right & (data.labels == c))
        assert ((c, "border") in checks.limits) == (len(mine) >= 20)
        if len(mine) >= 20:
            shares = [
                share_of(found[i].effects, at_border(found[i].peaks, field.centers)) for i in mine
            ]
            limit = np.quantile(shares, 0.95)
            assert checks.limits[c, "border"] == pytest.approx(limit, abs=1e-4)
    assert len(checks.limits) > 0


def test_warnings_reach_the_summary_and_the_dict(model, data, explanation):
    told = replace(explanation, warnings=["Half of it is at the border."])
    assert "Warning: Half of it is at the border." in told.summary()
    assert told.to_dict()["warnings"] == ["Half of it is at the border."]
    assert told.to_dict()["outside_share"] == told.outside_share


def test_a_decision_by_filters_of_other_categories_is_flagged():
    checks = DecisionChecks()
    centers = np.stack(np.meshgrid(np.arange(3) * 16.0, np.arange(3) * 16.0), axis=-1)
    peaks = np.full((3, 2), 16.0)
    effects = np.array([1.0, 2.0, 1.0])
    found = checks.warnings(effects, peaks, centers, 0, np.array([0, 1, -1]))
    assert found == []
    found = checks.warnings(effects, peaks, centers, 0, np.array([0, 1, 1]))
    assert found == ["75% of this decision rests on filters that stand for other categories."]
    # The background has no filters of its own, and an ordinary network's stand for nothing.
    assert checks.warnings(effects, peaks, centers, 2, np.array([0, 1, 1])) == []
    assert checks.warnings(effects, peaks, centers, 0, None) == []

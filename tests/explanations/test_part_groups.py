"""Explanations of layers whose filters were assigned to parts: groups, names, words."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_icnn as icnn
from keras_icnn.datasets import PartDataset
from keras_icnn.explanations import Explainer
from keras_icnn.explanations._classes import Classes
from keras_icnn.explanations._filter_groups import FilterGroups
from keras_icnn.explanations._part_groups import (
    member_groups,
    named_as_given,
    named_by_majority,
    named_by_people,
)
from keras_icnn.layers._interpretable_filters import PartMembership
from keras_icnn.models._part_membership import part_membership

RULE = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2)
# What each filter looks at: the red square (head), the green one (tail), or nothing.
SEES = ("head", "head", "tail", "tail", "tail", "", "head")
PART = (0, 0, 0, 1, 1, 1, -1)


def network(part=PART, rule=RULE):
    """One logit, and filters of which the first six have a part."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((32, 32, 3))
    options = {"num_classes": 2, "background_class": 0, "filter_loss": rule, "name": "parts"}
    x = icnn.InterpretableConv(len(SEES), 4, strides=4, **options)(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(4, activation="relu", kernel_initializer="he_normal")(x)
    model = icnn.InterpretableModel(inputs, layers.Dense(1, activation="sigmoid")(x), name="net")
    kernel = np.zeros((4, 4, 3, len(SEES)), "float32")
    for f, name in enumerate(SEES):
        if name:
            kernel[:, :, ("head", "tail").index(name), f] = (1 + f) / 255
    model.get_layer("parts").kernel.assign(kernel)
    assign(model, [1] * len(SEES), part)
    return model


def assign(model, category, part):
    state = model.get_layer("parts").interpretable._state
    state.category.assign(ops.convert_to_tensor(category, "int32"))
    state.part.assign(ops.convert_to_tensor(part, "int32"))


def pictures(landmarks=True):
    """A red square at the head and a green one at the tail, each at places of its own."""
    rng = np.random.default_rng(0)
    places = np.stack([rng.permutation(64)[:30], rng.permutation(64)[:30]], axis=1)
    x, y = places % 8 * 4, places // 8 * 4

    def picture(i):
        result = np.zeros((32, 32, 3), "uint8")
        for k in range(2):
            result[y[i, k] : y[i, k] + 4, x[i, k] : x[i, k] + 4, k] = 255
        return result

    marks = {}
    if landmarks:
        marks["landmarks"] = np.stack([x, y], axis=-1).astype("float32") + 1.5
        marks["landmark_names"] = ["head", "tail"]
    return PartDataset(
        image=picture,
        labels=np.ones(30, int),
        files=[str(i) for i in range(30)],
        class_names=["negative", "beast"],
        image_size=(32, 32),
        **marks,
    )


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def data():
    return pictures()


def described(groups):
    return list(zip(groups.groups, groups.names, groups.keys, strict=True))


ALONE = [((0, 1, 2), "", "beast/0"), ((3, 4, 5), "", "beast/1"), ((6,), "", "")]


def test_groups_are_the_parts_of_the_layer(model, data):
    names = data.class_names
    explainer = Explainer(model, class_names=names)
    assert explainer.groups.grouped_by == "membership"
    assert described(explainer.groups) == ALONE
    found = explainer(data.image(0), target=1)
    by_key = {part.key: part for part in found.parts if part.key}
    assert by_key["beast/0"].label == "beast/0" and by_key["beast/0"].count == 3
    # Removed together, as with groups given by hand.
    given = FilterGroups([(0, 1, 2), (3, 4, 5), (6,)], [""] * 3)
    by_hand = icnn.explain(model, data.image(0), 1, class_names=names, reference=given)
    assert [part.effect for part in found.parts] == [part.effect for part in by_hand.parts]
    assert max(abs(part.effect) for part in found.parts) > 1e-4
    assert by_hand.grouped_by == "reference" and {part.key for part in by_hand.parts} == {""}


def test_without_names_of_classes(model, data):
    assert Explainer(model).groups.keys == ["class 1/0", "class 1/1", ""]
    assert [len(p.filters) for p in icnn.explain(model, data.image(0)).parts if p.key] == [3, 3]


def test_several_categories_are_listed_in_order(data):
    found = PartMembership(np.array([2, 1, 2, 1, 2, 7]), np.array([1, 0, 0, 0, 1, 0]))
    groups = member_groups(found, Classes(3, ["a", "b", "c"]))
    assert groups.groups == [(1, 3), (2,), (0, 4), (5,)]
    # A category that the network has no name of has a number.
    assert groups.keys == ["b/0", "c/0", "c/1", "class 7/0"]


def test_parts_are_named_after_the_landmark_that_most_of_their_filters_follow(model, data):
    explainer = Explainer(model, reference=data)
    assert explainer.groups.grouped_by == "membership"
    # The filter without a part follows the head, and is no part of it. One of part 1 is dead.
    expected = [
        ((0, 1, 2), "head", "beast/0"),
        ((3, 4, 5), "tail", "beast/1"),
        ((6,), "head", ""),
    ]
    assert described(explainer.groups) == expected
    report = icnn.metrics.evaluate(model, data, parts=False)
    assert described(Explainer(model, reference=data, parts=report).groups) == expected
    assert (
        described(Explainer(model, parts=report, class_names=data.class_names).groups) == expected
    )


@pytest.mark.parametrize(
    ("names", "alive", "expected"),
    [
        (["head", "head", "", ""], [1, 1, 1, 1], "head"),  # half of them
        (["head", "", "", ""], [1, 1, 1, 1], ""),
        (["head", "", "", ""], [1, 0, 1, 0], "head"),  # half of those alive
        (["head", "head", "tail", "tail"], [1, 1, 1, 1], ""),  # neither is more
        (["head", "head", "tail", "ear"], [1, 1, 1, 1], "head"),
        (["", "", "", ""], [0, 0, 0, 0], ""),
    ],
)
def test_the_majority_by_hand(names, alive, expected):
    groups = FilterGroups([(0, 1, 2, 3)], [""], "membership", ["a/0"])
    found = named_by_majority(groups, names, np.array(alive, bool))
    assert found.names == [expected] and found.keys == ["a/0"]


def test_images_without_landmarks_do_not_change_the_parts(model):
    found = Explainer(model, reference=pictures(landmarks=False))
    assert found.groups.grouped_by == "membership" and described(found.groups) == ALONE


def test_filters_without_a_part_are_grouped_by_their_place():
    # All filters but the first two: those of the head agree on every image, as those of the tail.
    model = network(part=(0, 0, -1, -1, -1, -1, -1))
    found = Explainer(model, reference=pictures(landmarks=False)).groups
    assert described(found)[0] == ((0, 1), "", "beast/0")
    assert sorted(found.groups[1:]) == [(2, 3, 4), (5,), (6,)]
    assert set(found.names) == set(found.keys[1:]) == {""}
    # With this image alone nothing is known of them.
    assert Explainer(model).groups.groups == [(0, 1), (2,), (3,), (4,), (5,), (6,)]


def test_names_that_are_given_win():
    groups = FilterGroups([(0, 1), (2, 3), (4,)], [""] * 3, "membership", ["a/0", "a/1", ""])
    agree = named_as_given(groups, ["ear", "ear", "", "", ""])
    assert agree.grouped_by == "membership"
    assert sorted(described(agree)) == [((0, 1), "ear", "a/0"), ((2, 3), "", "a/1"), ((4,), "", "")]
    # Another grouping than the layer's: what is left of a part of the layer is not that part.
    conflict = named_as_given(groups, ["ear", "", "ear", "tail", ""])
    assert conflict.grouped_by == "annotation"
    assert described(conflict) == [
        ((0, 2), "ear", ""),
        ((3,), "tail", ""),
        ((1,), "", ""),
        ((4,), "", ""),
    ]


def test_names_that_are_given_win_over_landmarks(model, data):
    given = ["ear", "ear", "ear", "", "", "", ""]
    found = Explainer(model, reference=data, parts=given).groups
    assert sorted(described(found)) == sorted(
        [((0, 1, 2), "ear", "beast/0"), ((3, 4, 5), "", "beast/1"), ((6,), "", "")]
    )


def test_every_filter_alone_stays(model, data):
    found = Explainer(model, reference=False).groups
    assert found.grouped_by == "nothing" and found.groups == [(f,) for f in range(7)]


def test_words_figure_and_json(model, data, tmp_path):
    found = icnn.explain(model, data.image(0), target="beast", class_names=data.class_names)
    text = found.summary()
    assert "beast/0" in text and "assigned to one part of a category" in text
    rows = {row["part"]: row for row in found.table()}
    assert rows["beast/1"]["key"] == "beast/1" and rows["beast/1"]["filters"] == [3, 4, 5]
    assert rows["remainder"]["key"] == "" and rows["beast/1"]["category"] == "beast"
    labels = [
        tick.get_text() for tick in found.plot(path=tmp_path / "a.png").axes[1].get_yticklabels()
    ]
    assert any(label.endswith("beast/0 (3 filters)") for label in labels)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {row["key"] for row in told["parts"]} == {"beast/0", "beast/1", ""}
    assert told["grouped_by"] == "membership"
    # By gradient many images at once: the same parts.
    explainer = Explainer(model, "gradient", class_names=data.class_names)
    (many,) = explainer.batch(data.image(0)[None])
    assert {part.key for part in many.parts} == {"beast/0", "beast/1", ""}


# --- which layers have parts ----------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["paper", "official", "one_part", None])
def test_rules_without_parts_have_no_membership(rule, data):
    model = network(part=[-1] * 7 if rule else PART, rule=rule)
    assert part_membership(model.get_layer("parts")) is None
    found = icnn.explain(model, data.image(0), target=1)
    assert found.grouped_by == "image" and {part.key for part in found.parts} == {""}
    named = Explainer(model, reference=data).groups
    assert named.grouped_by == "annotation" and set(named.names) == {"head", "tail", ""}


def test_a_layer_says_what_its_filters_were_assigned_to(model):
    assert part_membership(model.layers[-1]) is None
    found = part_membership(model.get_layer("parts"))
    assert found.category.tolist() == [1] * 7 and found.part.tolist() == list(PART)
    view = icnn.models.without_masks(model).get_layer("parts")
    assert view.parts().part.tolist() == part_membership(view).part.tolist() == list(PART)
    # No part without a category.
    other = network()
    assign(other, [1, 1, 1, 1, 1, 1, -1], [0, 0, 0, 0, 0, 1, 1])
    assert part_membership(other.get_layer("parts")).part.tolist() == [0, 0, 0, 0, 0, 1, -1]
    assign(other, [-1] * 7, [0] * 7)
    assert part_membership(other.get_layer("parts")) is None


def test_names_that_people_gave_and_keys_that_tell_equal_ones_apart():
    membership = PartMembership(np.array([1, 1, 1, 2]), np.array([0, 1, 2, 0]))
    groups = FilterGroups(
        [(0,), (1,), (2,), (3,)],
        ["head", "head", "tail", "head"],
        "membership",
        ["cat/0", "cat/1", "cat/2", "dog/0"],
    )
    found = named_by_people(groups, {(1, 1): "left ear"}, membership)
    assert found.names == ["head (cat/0)", "left ear", "tail", "head"]
    assert found.follows == groups.names and found.keys == groups.keys
    assert named_by_people(groups, {}, membership).names[:2] == ["head (cat/0)", "head (cat/1)"]

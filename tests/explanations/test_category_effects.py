"""What a category rests on, and networks with parts switched off, against the layers by hand."""

import threading

import keras
import numpy as np
import pytest
from small_parts import dataset, network

import keras_icnn as icnn
from keras_icnn.explanations import accuracy_without_parts, category_effects


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def data():
    return dataset()


def images_of(data):
    return np.stack([data.image(i) for i in range(len(data))]).astype("float32")


def logits_without(model, images, filters):
    """Logits from the layer's maps, some set to zero, with the classifier's own weights."""
    layer = model.get_layer("parts")
    maps = np.array(keras.ops.convert_to_numpy(keras.Model(model.input, layer.output)(images)))
    maps[..., list(filters)] = 0
    kernel, bias = model.layers[-1].get_weights()
    return maps.mean(axis=(1, 2)) @ kernel + bias


def members(model, category, part):
    of, number = model.get_layer("parts").parts()
    return np.flatnonzero((of == category) & (number == part)).tolist()


@pytest.mark.parametrize("parts", [["cat/0"], ["cat/1", "dog/0"]])
def test_a_view_without_parts_has_their_maps_at_zero(model, data, parts):
    x = images_of(data)
    view = icnn.without_parts(model, parts)
    places = {"cat/0": (1, 0), "cat/1": (1, 1), "dog/0": (2, 0)}
    off = [f for key in parts for f in members(model, *places[key])]
    logits = logits_without(model, x, off)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(view.predict_on_batch(x), expected, rtol=1e-4, atol=1e-6)
    maps = icnn.metrics.MapReader(view).maps(x, before=True)
    fires = maps.after.any(axis=(0, 1, 2))
    assert not fires[off].any() and not maps.before[..., off].any() and fires.any()


def test_the_model_itself_stays_as_it_is_while_views_are_used(model, data):
    x = images_of(data)
    before = model.predict_on_batch(x)
    config = model.to_json()
    seen = []

    def look():
        for _ in range(5):
            seen.append(np.abs(model.predict_on_batch(x) - before).max())

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(5):
        view = icnn.without_parts(model, ["cat/0", "cat/1"])
        assert np.abs(view.predict_on_batch(x) - before).max() > 1e-4
    thread.join()
    assert max(seen) == 0 and len(seen) == 5
    assert model.to_json() == config
    assert view.get_layer("parts").layer is model.get_layer("parts")


def test_parts_are_switched_off_by_name(data):
    model = network()
    icnn.name_parts(model, {"cat/0": "leg", "cat/1": "leg", "dog/0": "cat/1"})
    x = images_of(data)

    def predict(parts):
        return icnn.without_parts(model, parts).predict_on_batch(x)

    np.testing.assert_array_equal(predict(["leg"]), predict(["cat/0", "cat/1"]))
    # A key means the part itself, even if another one is named so.
    assert np.abs(predict(["cat/1"]) - predict(["dog/0"])).max() > 1e-4


@pytest.mark.parametrize("parts", [["cat/7"], "cat/0", [], ["cat/0", "cat/0"]])
def test_parts_that_there_are_not(model, parts):
    with pytest.raises(ValueError, match=r"`parts` of without_parts .*'cat/0', 'cat/1', 'dog/0'"):
        icnn.without_parts(model, parts)


def test_a_network_without_parts_is_refused(data):
    plain = network(filter_loss="one_part")
    with pytest.raises(ValueError, match="with parts"):
        icnn.without_parts(plain, ["cat/0"])
    with pytest.raises(ValueError, match="with parts"):
        category_effects(plain, data)


def test_effects_over_a_category(model, data):
    x, labels = images_of(data), data.labels
    found = category_effects(model, data, batch_size=5)
    assert {part.key for part in found.parts} == {"cat/0", "cat/1", "dog/0", "dog/1"}
    full = logits_without(model, x, [])
    for part in found.parts:
        category, number = model.class_names.index(part.category), int(part.key[-1])
        assert list(part.filters) == members(model, category, number)
        lacking = logits_without(model, x, part.filters)
        mine = labels == category
        effect = (full - lacking)[mine, category]
        assert part.images == mine.sum() == 8
        assert part.mean == pytest.approx(effect.mean(), rel=1e-3, abs=1e-5)
        assert part.spread == pytest.approx(effect.std(), rel=1e-3, abs=1e-5)
        assert part.supports == pytest.approx((effect > 0).mean())
        for rows, logits, value in (
            (mine, full, part.accuracy),
            (mine, lacking, part.accuracy_without),
            (~mine, full, part.others),
            (~mine, lacking, part.others_without),
        ):
            right = logits.argmax(axis=1) == labels
            assert value == pytest.approx(right[rows].mean())
    means = [part.mean for part in found.parts if part.category == "cat"]
    assert means == sorted(means, reverse=True)
    assert [row["key"] for row in found.table("cat")] == [p.key for p in found.parts[:2]]
    assert len(found.summary().splitlines()) == 8


def test_one_output_speaks_for_class_1(data):
    inputs = keras.Input((16, 16, 3))
    rule = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2)
    x = icnn.InterpretableConv(
        4, 3, num_classes=2, background_class=0, filter_loss=rule, name="parts"
    )(inputs)
    outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.GlobalMaxPooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs, class_names=["none", "cat"])
    found = category_effects(model, data.select(["none", "cat"]), others=3)
    kernel = model.layers[-1].get_weights()[0][:, 0]
    maps = icnn.metrics.MapReader(model).maps(images_of(data)[data.labels == 1]).after
    for part in found.parts:
        effect = maps.max(axis=(1, 2))[:, list(part.filters)] @ kernel[list(part.filters)]
        assert part.mean == pytest.approx(effect.mean(), rel=1e-3)
    with pytest.raises(ValueError, match=r"Received: images of 'dog'"):
        category_effects(model, data)


def test_other_images_can_be_left_out(model, data):
    found = category_effects(model, data.select(["none", "cat", "dog"]), others=0)
    assert all(np.isnan(part.others) for part in found.parts)
    assert " -" in found.summary()


def test_accuracy_of_each_class_with_and_without(model, data):
    rows = accuracy_without_parts(model, data, ["dog/0"], batch_size=7)
    x = images_of(data)
    for row, category in zip(rows, range(3), strict=True):
        mine = data.labels == category
        right = [
            (logits_without(model, x, off).argmax(axis=1) == data.labels)[mine].mean()
            for off in ([], members(model, 2, 0))
        ]
        assert row["category"] == model.class_names[category] and row["images"] == 8
        assert [row["accuracy"], row["accuracy_without"]] == pytest.approx(right)


def test_other_forms_of_data_give_the_same(model, data):
    arrays = (images_of(data), data.labels)
    assert category_effects(model, arrays).parts == category_effects(model, data).parts
    with pytest.raises((TypeError, ValueError), match="accuracy_without_parts"):
        accuracy_without_parts(model, 5, ["cat/0"])
    assert accuracy_without_parts(model, arrays, ["cat/0"]) == accuracy_without_parts(
        model, data, ["cat/0"]
    )

"""`evaluate` on a network whose filters are known by construction."""

import csv
import json

import fake_data
import keras
import numpy as np
import pytest
import slow_reference
from PIL import Image

import keras_icnn as icnn
from keras_icnn import metrics

UNKNOWN = "It is not known which images the model was trained on."


@pytest.fixture(scope="module")
def dataset():
    return fake_data.FakeDataset()


@pytest.fixture(scope="module")
def report(dataset):
    return metrics.evaluate(fake_data.network(), dataset, batch_size=10, radius=5.0)


def test_a_filter_that_finds_the_head(report, dataset):
    filters = report.filters
    assert report.layer == "maps"
    np.testing.assert_array_equal(filters["alive"], [True, False, False, False])
    assert filters["fired"][0] == 1
    assert filters["r2"][0] > 0.98
    assert filters["r2_landmark"][0] == "head"
    assert filters["r2_facing"][0] > 0.95
    assert filters["part"][0] == "head"
    assert filters["instability_head"][0] < 0.03 < filters["instability_legs"][0]
    assert filters["category"][0] == "beast"
    assert report.values["accuracy"] == report.values["balanced_accuracy"] == 1
    assert report.values["images"] == 48
    assert report.values["images_measured"] == 24
    assert report.values["alive"] == 0.25


def test_filters_not_alive_enter_means_as_the_random_detector(report):
    found, chance = report.filters["instability"][0], report.trivial["random"]["instability"]
    assert report.values["instability"] == pytest.approx((found + 3 * chance) / 4)
    for way in ("r2", "r2_strongest", "r2_facing"):
        assert report.values[way] == pytest.approx((report.filters[way][0] - 3) / 4)
        assert report.values[f"{way}_median"] == -1
    # A dead filter's raw entry is that of the centre.
    assert report.filters["r2"][3] == pytest.approx(0, abs=1e-6)


def test_trivial_detectors_stand_beside(report, dataset):
    table = report.trivial
    assert list(table) == [
        "random",
        "centre",
        "best constant",
        "one bit",
        "perfect head",
        "perfect legs",
        "every landmark",
        "whole image",
        "centred disc",
    ]
    assert table["centre"]["r2"] == pytest.approx(0, abs=1e-6)
    assert table["perfect head"]["r2"] > 0.98
    beasts = dataset.landmarks[dataset.labels == 1]
    side = beasts[:, 0, 0] >= np.median(beasts[:, 0, 0])
    answers = np.where(side[:, None, None], beasts[side].mean(0), beasts[~side].mean(0))
    values = [slow_reference.r2(answers[:, k], beasts[:, j]) for k in range(2) for j in range(2)]
    assert table["one bit"]["r2"] == pytest.approx(max(values), rel=1e-4)
    assert table["one bit"]["r2_facing"] == pytest.approx(0, abs=1e-5)
    text = report.summary()
    for name in ("net", *table, "radius 5.0 pixels"):
        assert name in text


def test_measures_are_those_of_the_arrays(report, dataset):
    model = fake_data.network()
    positives = np.flatnonzero(dataset.labels == 1)
    reader = metrics.MapReader(model, "maps", batch_size=7)
    maps, _ = reader(dataset.images[positives].astype("float32"))
    centers = metrics.receptive_field(model, "maps").centers
    peaks, strengths = metrics.peaks_of(maps, centers)
    given = (peaks, dataset.landmarks[positives], strengths)
    steady = metrics.location_instability(*given, image_size=fake_data.SIZE)
    np.testing.assert_allclose(report.filters["instability"], steady.per_filter, rtol=1e-6)
    track = metrics.part_tracking(*given, image_size=fake_data.SIZE, head=0)
    np.testing.assert_allclose(report.filters["r2_facing"], track.best_r2_facing, rtol=1e-6)
    parts = metrics.part_interpretability(
        maps, dataset.masks[positives], centers=centers, radius=5.0
    )
    np.testing.assert_allclose(report.filters["part_interpretability"], parts.per_filter)
    coverage = metrics.part_coverage(*given, image_size=fake_data.SIZE)
    np.testing.assert_allclose(report.filters["r2_head"], coverage.r2[:, 0], rtol=1e-6)
    np.testing.assert_allclose(report.filters["r2_legs"], coverage.r2[:, 1], rtol=1e-6)
    assert report.values["coverage"] == pytest.approx(coverage.coverage, rel=1e-6)
    assert report.landmark_coverage == pytest.approx(
        dict(zip(("head", "legs"), coverage.per_landmark, strict=True)), rel=1e-6
    )
    assert report.values["parts_followed"] == coverage.parts_followed == 1
    names = {"landmark_names": dataset.landmark_names}
    anatomy = metrics.part_anatomy(*given, image_size=fake_data.SIZE, **names)
    np.testing.assert_allclose(report.filters["anatomy"], anatomy.per_filter, rtol=1e-6)
    # The three filters that are not alive count as 0.
    assert report.values["anatomy"] == pytest.approx(anatomy.per_filter[0] / 4, rel=1e-6)
    assert report.filters["anatomy_landmark"][0] == "head"


def test_batch_size_and_cached_features_change_nothing(report, dataset):
    model = fake_data.network()
    whole = metrics.evaluate(model, dataset, "maps", batch_size=48, radius=5.0)
    pooled = keras.Model(model.inputs[0], model.layers[1].output).predict(
        dataset.images.astype("float32"), verbose=0
    )
    x = features = keras.Input(pooled.shape[1:])
    for layer in model.layers[2:]:
        x = layer(x)
    cached = metrics.evaluate(
        keras.Model(features, x),
        dataset,
        "maps",
        features=pooled,
        receptive_field=metrics.receptive_field(model, "maps"),
        radius=5.0,
    )
    for other in (whole, cached):
        assert other.values == pytest.approx(report.values, nan_ok=True, rel=1e-5)


def test_the_radius_is_measured_when_it_is_not_given(dataset):
    model = fake_data.network()
    reader = metrics.MapReader(model, "maps", 32)
    centers = metrics.receptive_field(model, "maps").centers

    def reference(images, stride, patch):
        return slow_reference.occlusion_radius(
            lambda batch: reader(batch)[0], images, centers, stride, patch
        )

    images = dataset.images[dataset.labels == 1][:3]
    radius = metrics.occlusion_radius(model, "maps", images, stride=6, patch=5)
    assert radius == pytest.approx(reference(images, 6, 5))
    report = metrics.evaluate(model, dataset, preprocess=lambda x: x)
    assert report.values["radius"] == pytest.approx(
        reference(metrics.occlusion_images(dataset), 16, 16)
    )
    without = metrics.evaluate(model, dataset, parts=False)
    assert np.isnan(without.values["radius"])
    assert np.isnan(without.values["part_interpretability"])


def test_logits_are_cut_at_zero(dataset):
    model = fake_data.network(activation=None)
    assert metrics.evaluate(model, dataset, parts=False).values["accuracy"] == 1
    model.get_layer("head").bias.assign([0.3])
    logits = metrics.evaluate(model, dataset, parts=False)
    assert logits.values["accuracy"] == 0.5  # negatives' logits of .3 are above 0
    forced = metrics.evaluate(model, dataset, parts=False, from_logits=False)
    assert forced.values["accuracy"] == 1


def test_several_categories_by_both_rules():
    data = fake_data.FakeDataset(60, classes=("negative", "red", "green", "blue"))
    model = fake_data.network(4, "softmax")
    report = metrics.evaluate(model, data, radius=5.0)
    assert report.categories == ["red", "green", "blue"]
    # By the mean of sums each color filter belongs to its color.
    assert report.filters["category"][:3].tolist() == ["red", "green", "blue"]
    assert report.filters["alive"].tolist() == [True, True, True, False]
    assert report.filters["best_category"][:3].tolist() == ["red", "green", "blue"]
    assert report.values["r2_best_class"] >= report.values["r2"]
    assert report.values["instability_best_class"] <= report.values["instability"]
    assert "instability_best_class" in report.trivial["centre"]
    assert "instab.*" in report.summary()
    # In each category its own colour's filter is found among all of them, and follows the head.
    assert report.landmark_coverage["head"] > 0.9 > 0.2 > report.landmark_coverage["legs"]
    assert report.values["parts_followed"] == 1
    assert report.notes == [UNKNOWN]
    assert report.values["accuracy"] == 1
    # Another target: the filter is silent there, so not alive.
    moved = metrics.evaluate(model, data, radius=5.0, target_categories=[2, -1, 3, -1])
    assert moved.filters["category"][:3].tolist() == ["green", "green", "blue"]
    assert moved.filters["alive"].tolist() == [False, True, True, False]
    one = metrics.evaluate(model, data, parts=False, categories=["green"])
    assert one.values["images_measured"] == 15


def test_independent_outputs_have_their_own_accuracy():
    data = fake_data.FakeDataset(60, classes=("negative", "red", "green", "blue"))
    report = metrics.evaluate(fake_data.network(4, "sigmoid"), data, parts=False)
    # Logits of 0 are no "yes"; 20 at every output is, and right at one of the four.
    assert report.values["accuracy_outputs"] == 0.25
    soft = metrics.evaluate(fake_data.network(4, "softmax"), data, parts=False)
    assert "accuracy_outputs" not in soft.values


def test_the_layer_to_measure():
    class Interpretable(keras.layers.ReLU):
        def target_categories(self):
            return np.array([1, 1, 1, -1])

    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="below")(image)
    x = Interpretable(name="here")(x)
    x = keras.layers.Conv2D(4, 3, name="above")(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Dense(1)(keras.layers.Flatten()(x))
    model = keras.Model(image, x)
    assert metrics.measured_layer(model).name == "here"
    assert metrics.measured_layer(model, "above").name == "above"
    # SqueezeNet's classifier is a map, too, but not one to measure.
    x = keras.layers.Conv2D(4, 3, activation="relu", name="top")(image)
    x = keras.layers.Conv2D(2, 1, name="classifier")(keras.layers.Dropout(0.5)(x))
    squeeze = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    assert metrics.measured_layer(squeeze).name == "top"
    plain = fake_data.network()
    assert metrics.measured_layer(plain).name == "maps"
    with pytest.raises(ValueError, match="'nowhere'"):
        metrics.measured_layer(plain, "nowhere")


def test_landmarks_left_out_of_coverage_are_named(dataset):
    data = fake_data.FakeDataset(parts=False)
    data.landmarks = data.landmarks.copy()
    known = np.flatnonzero(np.isfinite(data.landmarks[:, 1, 0]))
    data.landmarks[known[9:], 1] = np.nan
    report = metrics.evaluate(fake_data.network(), data)
    assert np.isnan(report.landmark_coverage["legs"]) and np.isnan(report.filters["r2_legs"]).all()
    assert report.values["coverage"] == report.landmark_coverage["head"] > 0.9
    note, unknown = report.notes
    assert unknown == UNKNOWN
    assert note.endswith(": legs.") and note in report.summary()
    assert "Coverage by landmark: head 0.9" in report.summary()


def test_a_landmark_named_as_a_column_does_not_take_its_place(report):
    data = fake_data.FakeDataset()
    data.landmark_names = ["head", "strongest"]
    named = metrics.evaluate(fake_data.network(), data, parts=False)
    np.testing.assert_array_equal(named.filters["r2_strongest"], report.filters["r2_strongest"])


def test_csv_appears_complete_and_dict_is_json(report, tmp_path):
    path = tmp_path / "filters.csv"
    report.to_csv(path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert rows[0]["part"] == "head"
    assert float(rows[0]["r2"]) == pytest.approx(report.filters["r2"][0], rel=1e-5)
    report.to_csv(tmp_path / "summary.csv", table="summary")
    assert "best constant" in (tmp_path / "summary.csv").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["filters.csv", "summary.csv"]
    with pytest.raises(ValueError, match="`table`"):
        report.to_csv(path, table="rows")
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["values"]["alive"] == 0.25
    assert report.rows()[0]["filter"] == 0
    assert report.summary(report).count("\nnet") == 2


def test_a_data_set_without_annotations_still_gives_accuracy(dataset):
    data = fake_data.FakeDataset(parts=False)
    data.landmark_names = []
    data.landmarks = np.zeros((len(data), 0, 2))
    report = metrics.evaluate(fake_data.network(), data, verbose=1)
    assert report.values["accuracy"] == 1
    for key in ("instability", "r2", "r2_strongest", "part_interpretability"):
        assert np.isnan(report.values[key])
    assert report.trivial == {}


def test_images_of_different_size_are_measured_in_their_own_pixels(dataset):
    """Every image enlarged by a whole number: shares of its own diagonal stay what they were."""
    data = fake_data.FakeDataset(60, classes=("negative", "red", "green"))
    model = fake_data.network(3, "softmax")
    centers = metrics.receptive_field(model, "maps").centers
    maps, predictions = metrics.MapReader(model, "maps", 20)(data.images.astype("float32"))
    factor = np.random.default_rng(0).integers(1, 4, len(data))
    names = dict(
        class_names=data.class_names,
        landmark_names=data.landmark_names,
        part_names=data.part_names,
        predictions=predictions,
        radius=5.0,
    )
    same = metrics.evaluate_maps(
        maps,
        data.labels,
        data.landmarks,
        centers,
        image_size=fake_data.SIZE,
        part_masks=data.part_masks,
        **names,
    )
    enlarged = metrics.evaluate_maps(
        maps,
        data.labels,
        (data.landmarks + 0.5) * factor[:, None, None] - 0.5,
        centers,
        image_size=np.array(fake_data.SIZE) * factor[:, None],
        input_size=fake_data.SIZE,
        part_masks=lambda i: data.masks[i].repeat(factor[i], 1).repeat(factor[i], 2),
        **names,
    )
    assert enlarged.values == pytest.approx(same.values, rel=1e-4, nan_ok=True)
    assert list(enlarged.trivial) == list(same.trivial)
    for name, row in same.trivial.items():
        # The random detector is drawn alike; the lattice of constants may fall differently.
        assert enlarged.trivial[name] == pytest.approx(row, rel=2e-3, abs=1e-4, nan_ok=True)
    with pytest.raises(ValueError, match="`input_size` is needed"):
        metrics.evaluate_maps(
            maps,
            data.labels,
            data.landmarks,
            centers,
            image_size=np.ones((60, 2)) * fake_data.SIZE,
            class_names=data.class_names,
            landmark_names=data.landmark_names,
        )


def test_a_data_set_of_images_that_differ(dataset, report):
    class Differing(fake_data.FakeDataset):
        def __init__(self, sizes):
            super().__init__()
            self.image_size = None
            self.small, self.small_masks = self.images, self.masks
            self.images = [
                np.asarray(Image.fromarray(image).resize(size[::-1]))
                for image, size in zip(self.small, sizes, strict=True)
            ]
            scale = np.array(sizes)[:, None, ::-1] / np.array(fake_data.SIZE)[::-1]
            self.landmarks = (self.landmarks + 0.5) * scale - 0.5

        def part_masks(self, i):
            height, width = self.images[i].shape[:2]
            y = np.arange(height) * fake_data.SIZE[0] // height
            return self.small_masks[i][:, y[:, None], np.arange(width) * fake_data.SIZE[1] // width]

    rng = np.random.default_rng(1)
    n = len(dataset)
    equal = metrics.evaluate(
        fake_data.network(), Differing([fake_data.SIZE] * n), batch_size=10, radius=5.0
    )
    assert equal.values == pytest.approx(report.values, rel=1e-5, nan_ok=True)
    sizes = [(int(h), int(w)) for h, w in rng.integers((40, 40), (90, 120), (n, 2))]
    differing = metrics.evaluate(fake_data.network(), Differing(sizes), batch_size=7)
    assert differing.values["accuracy"] == 1
    images = metrics.occlusion_images(Differing(sizes), input_size=fake_data.SIZE)
    assert differing.values["radius"] == metrics.occlusion_radius(
        fake_data.network(), "maps", images
    )
    assert differing.filters["r2"][0] > 0.95
    assert differing.filters["part_interpretability"][0] > 0.9
    assert differing.filters["instability_head"][0] < 0.03
    assert differing.trivial["perfect head"]["r2"] > 0.98
    open_size = keras.Model(
        image := keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3, name="maps")(image)
    )
    with pytest.raises(ValueError, match="leaves its size open"):
        metrics.evaluate(open_size, Differing(sizes), "maps")


def test_errors(dataset):
    model = fake_data.network()
    with pytest.raises(ValueError, match="`receptive_field`"):
        metrics.evaluate(model, dataset, features=np.zeros((48, 1)))
    field = metrics.receptive_field(model, "maps")
    with pytest.raises(ValueError, match="`radius`"):
        metrics.evaluate(model, dataset, features=np.zeros((48, 1)), receptive_field=field)
    with pytest.raises(ValueError, match="48 images"):
        metrics.evaluate(model, dataset, features=np.zeros((47, 1)))
    with pytest.raises(ValueError, match="`categories`"):
        metrics.evaluate(model, dataset, categories=["unicorn"], parts=False)
    other = fake_data.FakeDataset()
    other.image_size = (64, 64)
    with pytest.raises(ValueError, match="input size"):
        metrics.evaluate(model, other)
    maps = np.full((2, 3, 3, 1), np.nan, "float32")
    with pytest.raises(ValueError, match="NaN"):
        metrics.evaluate_maps(
            maps,
            [1, 1],
            np.zeros((2, 1, 2)),
            np.zeros((3, 3, 2)),
            image_size=(9, 9),
            class_names=["negative", "cat"],
            landmark_names=["head"],
        )


def network_of_rule(rule):
    image = keras.Input((*fake_data.SIZE, 3))
    options = {"num_classes": 3, "background_class": 0, "filter_loss": rule, "name": "i"}
    x = icnn.InterpretableConv(5, 3, padding="same", **options)(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return icnn.InterpretableModel(image, keras.layers.Dense(3, activation="softmax")(x))


def test_the_table_says_which_part_a_filter_was_assigned_to(tmp_path):
    data = fake_data.FakeDataset(20, classes=("negative", "red", "green"))
    rule = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2)
    model = network_of_rule(rule)
    for view in (model, icnn.models.without_masks(model)):
        table = metrics.evaluate(view, data, radius=6.0).filters
        assert table["part_category"].tolist() == ["red", "green", "red", "green", "red"]
        assert table["part_number"].tolist() == [0, 0, 1, 1, 0]
        assert "part" in table
    # It stays so where only one category is measured, and one filter has no part.
    state = model.get_layer("i").interpretable._state
    state.part.assign(keras.ops.convert_to_tensor([0, 0, -1, 1, 0], "int32"))
    report = metrics.evaluate(model, data, parts=False, categories=["green"])
    assert report.filters["part_category"].tolist() == ["red", "green", "", "green", "red"]
    report.to_csv(tmp_path / "filters.csv")
    with open(tmp_path / "filters.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part_number"] for row in rows] == ["0", "0", "-1", "1", "0"]
    assert {row["category"] for row in rows} == {"green"}


@pytest.mark.parametrize("rule", ["paper", "official", "one_part", None])
def test_without_parts_the_table_has_no_column_of_them(rule):
    data = fake_data.FakeDataset(12, classes=("negative", "red", "green"))
    table = metrics.evaluate(network_of_rule(rule), data, parts=False).filters
    assert not {"part_number", "part_category"} & set(table)


@pytest.mark.medium
def test_interpretable_layers_bring_their_target_categories():
    data = fake_data.FakeDataset(40, classes=("negative", "red", "green"))
    image = keras.Input((*fake_data.SIZE, 3))
    x = keras.layers.AveragePooling2D(4)(image)
    x = icnn.InterpretableConv(6, 3, padding="same", num_classes=3, background_class=0, name="i")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = icnn.InterpretableModel(image, keras.layers.Dense(3, activation="softmax")(x))
    before = metrics.evaluate(model, data, radius=6.0)
    assert before.layer == "i"
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(data.batches(8), epochs=1, verbose=0)
    report = metrics.evaluate(model, data, radius=6.0)
    targets = model.get_layer("i").target_categories()
    assert set(targets) <= {1, 2}
    assert report.filters["category"].tolist() == [data.class_names[c] for c in targets]


def test_the_best_part_is_the_one_whose_filters_follow_best_on_average():
    from keras_icnn.metrics._evaluate import best_part

    table = {
        "part_category": np.array(["cat", "cat", "cat", "cat", "dog", "dog", ""], dtype=object),
        "part_number": np.array([0, 0, 1, 1, 0, 1, -1]),
        "r2_strongest": np.array([0.9, 0.1, 0.6, 0.8, np.nan, 0.3, 1.0]),
    }
    # Cat: 0.5 and 0.7. Dog: one part undefined, the other 0.3.
    assert best_part(table) == {"best_part": pytest.approx(0.5)}
    assert best_part({"r2_strongest": np.ones(3)}) == {}

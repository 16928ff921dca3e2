"""The HTML report without a browser: what it holds, that it is safe, and its errors."""

import base64
import builtins
import collections
import dataclasses
import json
import os
import re

import keras
import numpy as np
import pytest
from report_data import MARKUP, SCRIPT, SIZE, network, pictures

import keras_icnn as icnn
from keras_icnn import datasets, metrics
from keras_icnn.explanations import Explainer
from keras_icnn.explanations._category_effects import spread_over_classes
from keras_icnn.explanations._filter_groups import names_of
from keras_icnn.metrics import MapReader
from keras_icnn.visualize import _report_data, _report_page, _report_words, report


@pytest.fixture(scope="module")
def data():
    return pictures()


@pytest.fixture(scope="module")
def models():
    return network(), network(interpretable=False)


@pytest.fixture(scope="module")
def page(data, models, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert report(models[0], data, path, models[1], radius=6.0, batch_size=8) == path
    return path.read_text(encoding="utf-8")


def content_of(page):
    return json.loads(re.search(r'id="content">(.*?)</script>', page, re.S).group(1))


def array(text, dtype, shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def maps_of(model, data):
    images = np.stack([data.image(i) for i in range(len(data))])
    return MapReader(model, None, len(data)).maps(images)


@pytest.mark.medium
def test_peaks_and_strengths_of_every_picture_and_filter(page, data, models):
    for packed, model in zip(content_of(page)["networks"], models, strict=True):
        maps = maps_of(model, data)
        peaks, strengths = metrics.peaks_of(maps.after, maps.field.centers)
        shape = (len(data), packed["filters"])
        units = array(packed["units"], "<u2", shape)
        width = len(packed["x"])
        np.testing.assert_allclose(
            np.array(packed["x"])[units % width] * SIZE[1] - 0.5, peaks[..., 0], atol=1e-3
        )
        np.testing.assert_allclose(
            np.array(packed["y"])[units // width] * SIZE[0] - 0.5, peaks[..., 1], atol=1e-3
        )
        share = array(packed["strengths"], "u1", shape) / 255
        highest = strengths.max(axis=0)
        np.testing.assert_allclose(packed["highest"], highest, rtol=1e-3)
        np.testing.assert_allclose(share * highest, strengths, atol=highest.max() / 254)
        assert ((share == 0) == (strengths == 0)).all()


def test_strongest_pictures_with_their_maps(page, data, models):
    packed = content_of(page)["networks"][0]
    maps = maps_of(models[0], data)
    rows, columns = packed["cells"]["rows"], packed["cells"]["columns"]
    top = np.array(packed["top"])
    stored = array(packed["maps"], "u1", (*top.shape, -1))
    cells = np.stack([stored >> 4, stored & 15], axis=-1).reshape(*top.shape, -1)
    strengths = maps.after.max(axis=(1, 2))
    for f in range(packed["filters"]):
        order = np.argsort(-strengths[:, f], kind="stable")[: top.shape[1]]
        assert top[f].tolist() == [i if strengths[i, f] > 0 else -1 for i in order]
        for place, i in enumerate(order):
            if strengths[i, f] > 0:
                expected = np.round(maps.after[i, :, :, f] / strengths[i, f] * 15)
                got = cells[f, place, : rows * columns].reshape(rows, columns)
                assert np.abs(got - expected).max() <= 1 and got.max() == 15


def test_figures_are_those_of_evaluate(page, data, models):
    own = metrics.evaluate(models[0], data, radius=6.0, batch_size=8)
    columns = content_of(page)["networks"][0]["columns"]
    np.testing.assert_allclose(
        np.array(columns["r2"], float), own.filters["r2"], rtol=2e-3, atol=1e-4
    )
    row = re.search(r'<tr class="network network-0">(.*?)</tr>', page, re.S).group(1)
    assert f"<td>{own.values['accuracy']:.3f}</td>" in row
    assert f"<td>{own.values['instability']:.3f}</td>" in row
    for name in own.trivial:
        assert f'<th scope="row">{name}<' in page


def test_parts_add_up_to_the_score(page):
    for packed in content_of(page)["networks"]:
        for d in packed["decisions"]:
            total = d["baseline"] + d["remainder"] + d["others"]["effect"]
            total += sum(part["effect"] for part in d["parts"])
            assert total == pytest.approx(d["score"], abs=1e-2)
            assert all(0 <= p["x"] <= 1 and 0 <= p["y"] <= 1 for p in d["parts"])


def test_decisions_are_the_networks_own(page, data, models):
    images = np.stack([data.image(i) for i in range(len(data))]).astype("float32")
    for packed, model in zip(content_of(page)["networks"], models, strict=True):
        predicted = keras.ops.convert_to_numpy(model.predict_on_batch(images))
        assert [d["predicted"] for d in packed["decisions"]] == predicted.argmax(-1).tolist()
        np.testing.assert_allclose(
            [d["probability"] for d in packed["decisions"]], predicted.max(-1), rtol=1e-3
        )


def test_groups_hold_every_filter_once(page):
    for packed in content_of(page)["networks"]:
        of = packed["groups"]["of"]
        assert len(of) == packed["filters"] and set(of) == set(
            range(len(packed["groups"]["names"]))
        )


def test_groups_are_the_parts_of_the_layer(page, data, models):
    own, ordinary = (packed["groups"] for packed in content_of(page)["networks"])
    category, part = models[0].get_layer("parts").parts()
    keys = [f"{data.class_names[c]}/{p}" for c, p in zip(category, part, strict=True)]
    assert [own["keys"][group] for group in own["of"]] == keys
    assert [own["categories"][group] for group in own["of"]] == [
        data.class_names[c] for c in category
    ]
    # A name only where at least half of the living filters follow the landmark.
    report = metrics.evaluate(models[0], data, radius=6.0, batch_size=8)
    follow = names_of(report, len(keys))
    assert set(own["names"]) == {""}
    for group, name in enumerate(own["follows"]):
        living = [f for f, g in enumerate(own["of"]) if g == group and report.filters["alive"][f]]
        counts = collections.Counter(follow[f] for f in living if follow[f])
        if name:
            assert counts[name] == max(counts.values()) and 2 * counts[name] >= len(living)
        else:
            assert all(2 * n <= len(living) for n in counts.values())
    assert set(ordinary["keys"]) == {""} and len(ordinary["keys"]) == len(ordinary["names"])
    decided = content_of(page)["networks"][0]["decisions"][0]["parts"]
    decided = {own["keys"][p["group"]] for p in decided}
    assert decided <= set(keys) and decided
    assert f"“{own['keys'][0]}” is a part's category" in page


def test_a_network_whose_layer_has_no_parts_is_not_grouped_by_them(data, models, tmp_path):
    page = report(models[1], data, tmp_path / "r.html", radius=6.0).read_text(encoding="utf-8")
    assert "filters form" not in page.split("<script")[0]
    assert content_of(page)["networks"][0]["effects"] == []


def test_fewer_pictures_than_the_data_set(data, models, tmp_path):
    path = report(models[1], data, tmp_path / "few.html", n=7, radius=6.0, batch_size=8, top=3)
    content = content_of(path.read_text(encoding="utf-8"))
    rows = spread_over_classes(data.labels, 7)
    assert content["labels"] == data.labels[rows].tolist() and len(content["pictures"]) == 7
    packed = content["networks"][0]
    strengths = maps_of(models[1], data.subset(rows)).after.max(axis=(1, 2))
    share = array(packed["strengths"], "u1", (7, -1)) / 255
    highest = strengths.max(axis=0)
    np.testing.assert_allclose(share * highest, strengths, atol=highest.max() / 254)
    # Measures are of all pictures all the same.
    measured = metrics.evaluate(models[1], data, radius=6.0)
    np.testing.assert_allclose(packed["columns"]["fired"], measured.filters["fired"], rtol=1e-3)
    assert "Measured on 30 images; 7 of them" in path.read_text(encoding="utf-8")


def test_spread_takes_every_class_by_its_share():
    labels = np.array([0, 1] * 50 + [1] * 100)
    rows = spread_over_classes(labels, 40)
    assert len(rows) == 40 and (np.diff(rows) > 0).all()
    assert (labels[rows] == 0).sum() == 10
    assert spread_over_classes(labels, 500).tolist() == list(range(200))


def test_large_maps_are_pooled():
    maps = np.zeros((1, 40, 33, 2), "float32")
    maps[0, 39, 32, 1] = 2.0
    pooled = _report_data._pooled(maps)
    assert pooled.shape == (1, 14, 11, 2)
    assert pooled[0, 13, 10, 1] == 2.0 and pooled.sum() == 2.0


def test_pictures_are_kept_once_and_small(page, data):
    content = content_of(page)
    assert len(content["pictures"]) == len(data)
    assert all(page.count(picture) == 1 for picture in content["pictures"][:5])
    one = base64.b64decode(content["pictures"][0])
    assert one[:2] == b"\xff\xd8"


def test_hostile_names_are_text(models, tmp_path):
    hostile = pictures(hostile=True)
    path = report(models[0], hostile, tmp_path / "h.html", models[1], title=SCRIPT, radius=6.0)
    page = path.read_text(encoding="utf-8")
    assert MARKUP not in page and SCRIPT not in page
    # One for the data and one for the page's own code.
    assert page.count("<script") == page.count("</script>") == 2
    content = content_of(page)
    assert content["classes"][1] == MARKUP and content["landmarks"][0] == SCRIPT
    assert "somebody" not in page


def test_json_survives_and_cannot_end_the_element():
    value = {"a": "</script><!-- & '\u2028", "b": [1, None]}
    text = _report_page.as_json(value)
    assert json.loads(text) == value and not set("<>&") & set(text)


def test_loads_nothing_from_anywhere(page):
    assert "default-src 'none'" in page and "unsafe-inline" not in page
    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:)", page)


def test_without_annotations_filters_are_still_shown(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("one", "two", "three"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(3):
            picture = Image.fromarray(rng.integers(0, 255, (50, 70, 3), "uint8"))
            picture.save(tmp_path / "photos" / name / f"{i}.png")
    data = datasets.folder(tmp_path / "photos", SIZE, validation_split=0).train
    path = report(network(), data, tmp_path / "plain.html")
    page = path.read_text(encoding="utf-8")
    assert "no annotated parts" in page and ">Accuracy" in page
    # No table of dashes: what cannot be measured has neither column nor row.
    table = re.search(r'<table id="table">(.*?)</table>', page, re.S).group(1)
    assert table.count("<tr") == 2 and "R²" not in table and "<td></td>" not in table
    packed = content_of(page)["networks"][0]
    assert packed["columns"]["r2"] == [None] * packed["filters"]
    assert content_of(page)["files"][0] == "one/0.png"


def test_words_follow_the_figures(data, models):
    reports = [metrics.evaluate(m, data, parts=False, name=m.name) for m in models]
    text = " ".join(" ".join(entry) for entry in _report_words.verdict(reports, []))
    assert f"{reports[0].values['accuracy']:.1%}" in text
    # A filter that hardly ever fires follows nothing, as in the explanations.
    filters = {
        "filter": np.arange(3),
        "r2": np.array([0.9, 0.9, np.nan]),
        "r2_landmark": np.array(["head", "tail", ""], dtype=object),
        "alive": np.array([True, False, False]),
    }
    few = dataclasses.replace(reports[0], filters=filters)
    assert _report_words.landmarks(few) == "1 of 3 (head 1)"
    assert _report_words._share(0.9) == "90%" and _report_words._share(-0.5) == "nothing"


def entries(r2=0.9, bit=0.5, accuracy=(0.99, 0.99), follows=("head",) * 8, landmarks=True):
    """The verdict on figures that are given, without a network."""
    names = ["head", "tail"] if landmarks else []
    filters = {
        "filter": np.arange(8),
        "r2": np.where([bool(name) for name in follows], 0.9, 0.1),
        "r2_landmark": np.array(follows, dtype=object),
        "alive": np.ones(8, bool),
    }
    reports = []
    for name, value in zip(("own", "other"), accuracy, strict=False):
        values = {"r2_median": r2 if landmarks else np.nan, "accuracy": value, "images": 50}
        trivial = {"one bit": {"r2": bit}} if landmarks else {}
        reports.append(
            metrics.EvaluationReport(name, "parts", values, filters, trivial, ["cat"], names)
        )
    parts = [{"category": "cat", "follows": name} for name in follows[:4]]
    return {
        question: (answer, text) for question, answer, text in _report_words.verdict(reports, parts)
    }


def test_the_verdict_says_how_many_parts():
    answer, text = entries()["How many different parts?"]
    assert answer == "1 of 2 annotated parts"
    assert "follow the head. No part follows the tail." in text
    assert "not different parts of the body" in text and "8 filters form 4 parts of one" in text
    answer, text = entries(follows=("head", "tail") * 4)["How many different parts?"]
    assert answer == "2 of 2 annotated parts" and "not different" not in text
    answer, text = entries(follows=("",) * 8)["How many different parts?"]
    assert answer == "0 of 2 annotated parts" and "follow none of them" in text
    answer, text = entries(landmarks=False)["How many different parts?"]
    assert answer == "4 parts" and "nothing measures" in text


@pytest.mark.parametrize(
    ("r2", "word"), [(0.9, "Closely"), (0.6, "Loosely"), (0.2, "Hardly"), (-3, "Not at all")]
)
def test_the_verdict_says_how_well_they_are_followed(r2, word):
    answer, text = entries(r2)["How well are they followed?"]
    assert answer == word and "whether the head is on the left" in text
    assert ("no less" in text) == (r2 <= 0.5)
    assert "How well are they followed?" not in entries(landmarks=False)


@pytest.mark.parametrize(
    ("accuracy", "answer"),
    [
        ((0.99, 0.992), "Nothing"),
        ((0.9, 0.95), "5.0 points"),
        ((0.95, 0.9), "It gained 5.0 points"),
    ],
)
def test_the_verdict_says_what_it_cost(accuracy, answer):
    assert entries(accuracy=accuracy)["What did it cost in accuracy?"][0] == answer


def test_the_verdict_on_one_network_has_nothing_to_compare():
    found = entries(accuracy=(0.5,))
    assert found["How often is it right?"] == ("50.0%", "It classifies 50.0% of 50 images rightly.")


def test_a_part_lies_where_its_peak_and_its_steady_distance_say():
    rng = np.random.default_rng(0)
    head = rng.uniform(30, 60, (20, 2))
    # Filter 0 fires 16 pixels to the right of the head, filter 1 on it and elsewhere where it is
    # silent, filter 2 follows nothing, filter 3 fires on too few images.
    peaks = np.stack([head + np.array([16, 0]), head, head, head], axis=1)
    firing = np.ones((20, 4), bool)
    peaks[10:, 1], firing[10:, 1], firing[4:, 3] = 0, False, False
    landmarks = np.stack([head, np.full((20, 2), np.nan)], axis=1)
    counted = np.ones((20, 4), bool)
    away = _report_data.steady_distances(peaks, firing, landmarks, [0, 0, -1, 0], counted, (64, 96))
    assert away[0] == pytest.approx([-16 / 96, 0], abs=1e-4) and away[1] == pytest.approx([0, 0])
    assert away[2] is None and away[3] is None
    # Images of other categories do not count.
    peaks[:15, 0], counted[:15, 0] = 0, False
    same = _report_data.steady_distances(peaks, firing, landmarks, [0, 0, -1, 0], counted, (64, 96))
    assert same[0] == away[0]


def test_names_and_effects_of_the_parts(data, tmp_path):
    model = network()
    model.class_names = data.class_names
    icnn.name_parts(model, {"cat/1": "whiskers"})
    path = report(model, data, tmp_path / "r.html", radius=6.0)
    packed = content_of(path.read_text(encoding="utf-8"))["networks"][0]
    groups = packed["groups"]
    assert groups["keys"] == groups["own"]
    assert [n for n in groups["names"] if n] == ["whiskers"]
    assert groups["names"][groups["own"].index("cat/1")] == "whiskers"
    effects = icnn.explanations.category_effects(model, data, class_names=data.class_names)
    assert len(packed["effects"]) == len(effects.parts) > 8
    for row, part in zip(packed["effects"], effects.parts, strict=True):
        assert groups["keys"][row["group"]] == part.key and row["category"] == part.category
        assert row["mean"] == pytest.approx(part.mean, rel=1e-3, abs=1e-6)
        assert row["accuracy_without"] == pytest.approx(part.accuracy_without, abs=1e-3)


@pytest.mark.medium
def test_images_that_a_network_was_trained_on_are_marked(data, tmp_path):
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(data.subset([2, 5]).batches(2), verbose=0)
    page = report(model, data, tmp_path / "r.html", radius=6.0).read_text(encoding="utf-8")
    assert content_of(page)["networks"][0]["trained"] == [2, 5]
    assert "interpretable was trained on 2 of the 30 images" in page
    assert "some of them trained on" in page


def test_nothing_is_said_of_training_images_where_there_are_none(page):
    assert "was trained on" not in page.split("<script")[0]
    assert [packed["trained"] for packed in content_of(page)["networks"]] == [[], []]


def test_warnings_of_explanations_are_kept(data, models, monkeypatch, tmp_path):
    class Doubtful:
        def __init__(self, e, warnings):
            self.e, self.warnings = e, warnings

        def __getattr__(self, name):
            return getattr(self.e, name)

    def batch(self, images):
        found = explain(self, images)
        return [Doubtful(e, ["Look twice."] if k == 1 else []) for k, e in enumerate(found)]

    explain = Explainer.batch
    monkeypatch.setattr(Explainer, "batch", batch)
    path = report(models[0], data.take(4), tmp_path / "r.html", radius=6.0)
    decisions = content_of(path.read_text(encoding="utf-8"))["networks"][0]["decisions"]
    assert [d["warnings"] for d in decisions] == [[], ["Look twice."], [], []]


@pytest.mark.parametrize("options", [{"n": 0}, {"top": True}, {"thumbnail": 3}])
def test_wrong_numbers(options, data, models, tmp_path):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be a whole number"):
        report(models[0], data, tmp_path / "r.html", **options)


def test_wrong_arguments(data, models, tmp_path):
    with pytest.raises(ValueError, match="folder that exists"):
        report(models[0], data, tmp_path / "no" / "r.html")
    for name in ("page.pdf", "page"):
        with pytest.raises(ValueError, match=r"must end in '\.html'.*Call it 'page\.html'"):
            report(models[0], data, tmp_path / name)
    with pytest.raises(ValueError, match="must be a file"):
        report(models[0], data, tmp_path)
    with pytest.raises(ValueError, match="at least one image"):
        report(models[0], data.take(0), tmp_path / "r.html")
    with pytest.raises(ValueError, match="same question"):
        report(models[0], data, tmp_path / "r.html", network(outputs=2))
    with pytest.raises(ValueError, match=r"the model.s 2 classes .*Received: 3 classes"):
        report(network(False, outputs=1), data, tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_an_earlier_page_survives_a_failure(data, models, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("before", encoding="utf-8")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        report(models[1], data.take(8), path, radius=6.0)
    assert path.read_text(encoding="utf-8") == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_missing_jinja2_names_the_extra(data, models, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("jinja2"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "keras-icnn\[report\]"'):
        report(models[0], data, tmp_path / "r.html")

"""The demo: everything it writes, in a tiny setting; its figures, in the slow test."""

import csv

import numpy as np
import pytest

from keras_icnn import _demo_words, cli, demo
from keras_icnn._demo_files import chosen_filters


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return demo.run_demo(tmp_path_factory.mktemp("demo"), seed=0, quick=True, verbose=False)


@pytest.mark.medium
def test_writes_what_it_names(quick):
    assert all(path.stat().st_size > 0 for path in quick.paths)
    names = {path.name for path in quick.paths}
    for network in ("ordinary", "interpretable"):
        assert {
            f"{network}.keras",
            f"filters_{network}.csv",
            f"maps_{network}_1.png",
            f"gallery_{network}_best.png",
            f"gallery_{network}_median.png",
            f"heatmap_{network}.png",
        } <= names
    assert "report.html" in names


@pytest.mark.medium
def test_table_has_both_networks_and_every_trivial_detector(quick):
    path = next(path for path in quick.paths if path.name == "summary.csv")
    with path.open(newline="", encoding="utf-8") as file:
        detectors = [row["detector"] for row in csv.DictReader(file)]
    assert detectors[:2] == ["interpretable", "ordinary"]
    assert {"random", "centre", "best constant", "one bit", "perfect head"} <= set(detectors)
    text = quick.reports["interpretable"].summary(quick.reports["ordinary"])
    assert all(any(line.startswith(d) for line in text.splitlines()) for d in detectors)


def test_twins_differ_in_the_new_layer_only():
    setting = demo.QUICK
    import keras

    inputs, x = demo.lower_layers(setting)
    start = keras.Model(inputs, x).get_weights()
    twins = []
    for interpretable in (False, True):
        keras.utils.set_random_seed(3)
        twins.append(demo.build(setting, start, interpretable))
    kernels = [
        twin.get_layer(name).get_weights()[0]
        for twin, name in zip(twins, ("top", demo.LAYER), strict=True)
    ]
    np.testing.assert_array_equal(*kernels)
    counts = [sum(w.size for w in map(np.asarray, t.trainable_weights)) for t in twins]
    assert counts[0] == counts[1]


@pytest.mark.medium
def test_reading_follows_the_figures(quick):
    text = demo.reading(quick.reports)
    assert f"{quick.reports['ordinary'].values['accuracy']:.1%}" in text
    better = _demo_words.verdict(0.8, 0.2)
    worse = _demo_words.verdict(0.2, 0.8)
    assert "better" in better and "worse" in worse
    assert "did not help" in _demo_words.verdict(0.5, 0.51)
    assert "Neither" in _demo_words.verdict(-1.0, -0.5)


@pytest.mark.medium
def test_both_networks_are_drawn_by_one_rule(quick):
    r2 = quick.reports["ordinary"].filters["r2"]
    chosen = chosen_filters(quick.reports["ordinary"])
    assert list(chosen) == ["best", "median", "weak"]
    filters = list(chosen.values())
    assert filters[0] == np.nanargmax(r2)
    assert list(r2[filters]) == sorted(r2[filters], reverse=True)


def test_the_verb(tmp_path, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(demo, "run_demo", lambda out, **options: called.append((out, options)))
    assert cli.main(["demo", "--out", str(tmp_path), "--seed", "2", "--quick"]) == cli.DONE
    assert called == [(str(tmp_path), {"seed": 2, "quick": True})]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    reports = demo.run_demo(tmp_path_factory.mktemp("full"), seed=0, verbose=False).reports
    return reports["ordinary"], reports["interpretable"]


@pytest.mark.slow
def test_interpretable_filters_follow_different_parts(full):
    ordinary, own = full
    assert own.values["alive"] >= 0.9
    assert own.values["r2_median"] > 0.5
    assert own.values["r2_median"] >= ordinary.values["r2_median"] + 0.2
    assert own.values["instability"] < ordinary.values["instability"]
    assert own.values["accuracy"] >= ordinary.values["accuracy"] - 0.02
    assert own.values["coverage"] >= ordinary.values["coverage"] + 0.15
    assert own.values["diversity"] >= 0.7 * ordinary.values["diversity"]
    followed = own.filters["r2_landmark"][own.filters["r2"] > 0.5].astype(str).tolist()
    for part in ("head", "torso"):
        assert followed.count(part) >= len(own.filters["r2"]) / 10

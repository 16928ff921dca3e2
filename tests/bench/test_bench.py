"""The benchmark: it times what it says, and its relations hold by wide margins."""

import csv

import keras
import numpy as np
import pytest

from keras_icnn import bench, cli
from keras_icnn.bench import _cases as cases
from keras_icnn.bench import _memory

SMALL = bench.LayerSetting(size=7, filters=16, batch=8)
MODE = bench.MODES[keras.backend.backend()][0]


def arrays(tree):
    return [keras.ops.convert_to_numpy(t) for t in keras.tree.flatten(tree)]


def test_functions_are_timed_in_turns():
    called, ticks = [], iter(np.cumsum([0, 3, 0, 1, 0, 1, 0, 5] * 2))
    a, b = bench.paired_seconds(
        lambda: called.append("a"), lambda: called.append("b"), 2, clocks=[lambda: next(ticks)]
    )
    assert "".join(called) == "abbaabba"
    assert a.tolist() == [[[3, 5], [3, 5]]]
    assert b.tolist() == [[[1, 1], [1, 1]]]
    summary = bench.summarize(a, b)
    assert summary["ratio"] == summary["ratio_q1"] == summary["ratio_q3"] == 4
    assert summary["cpu_ratio"] == 4
    assert (summary["seconds"], summary["plain_seconds"]) == (4, 1)


def test_the_plain_twin_is_plain_keras():
    layers = cases.layer_model("plain", SMALL).layers
    assert [type(layer).__name__ for layer in layers] == ["Conv2D", "BatchNormalization", "ReLU"]
    own = layers[1].get_config()
    assert (own["axis"], own["epsilon"], own["momentum"]) == (-1, 1e-5, 0.95)


@pytest.mark.parametrize("rule", bench.RULES)
def test_both_sides_compute_the_same_gradients(rule):
    train, infer = cases.layer_steps(rule, SMALL, MODE)
    plain_train, plain_infer = cases.layer_steps(cases.PLAIN, SMALL, MODE)

    def gradients(results):
        results = arrays(results)
        # On JAX the new state comes last.
        return results[0], results[1 : 1 + len(("input", "kernel", "bias", "gamma", "beta"))]

    logged, own = gradients(train())
    _, plain = gradients(plain_train())
    assert sorted(g.shape for g in own) == sorted(g.shape for g in plain)
    assert all(np.isfinite(g).all() and np.any(g) for g in own)
    assert logged.shape == () and np.isfinite(logged)
    assert arrays(infer())[0].shape == arrays(plain_infer())[0].shape


def test_state_moves_in_the_timed_step(monkeypatch):
    made = []
    build = cases.layer_model
    monkeypatch.setattr(cases, "layer_model", lambda *args: made.append(build(*args)) or made[-1])
    train, _ = cases.layer_steps("default", SMALL, MODE)
    results = train()
    if keras.backend.backend() == "jax":  # holds its state outside the layer
        state = dict(
            zip((v.path for v in made[0].non_trainable_variables), results[2], strict=True)
        )
        steps = next(int(value) for path, value in state.items() if path.endswith("steps"))
        rms = next(float(value) for path, value in state.items() if path.endswith("push_rms"))
    else:
        layer = made[0].layers[-1].interpretable
        steps = int(layer.state.steps)
        rms = float(layer.state.push_rms)
    assert steps == 1
    assert rms > 0


@pytest.mark.medium
def test_quick_mode(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["bench", "--quick", "--plot", "--out", str(tmp_path)]) == cli.DONE
    name = f"layer_{keras.backend.backend()}"
    with (tmp_path / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["rule"], row["phase"]) for row in rows} == {
        (rule, phase) for rule in bench.RULES for phase in bench.PHASES
    }
    for row in rows:
        assert all(row[name] for name in ("backend_version", "keras_icnn", "machine", "batch"))
        assert 0 < float(row["ratio_q1"]) <= float(row["ratio"]) <= float(row["ratio_q3"])
    # Tiny maps, so fixed costs show: only what no machine would exceed.
    assert np.median([float(row["ratio"]) for row in rows]) < 10
    assert (tmp_path / f"{name}.png").stat().st_size > 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1 + len(rows) + 2


def row(ratio, cpu_ratio, seconds=1.0, rule="default"):
    return {
        "rule": rule,
        "phase": "train",
        "mode": "graph",
        "ratio": ratio,
        "cpu_ratio": cpu_ratio,
        "seconds": seconds,
    }


def test_relations_of_the_quick_mode(monkeypatch, capsys):
    full = row(2.0, 2.0, rule="full_sum")
    assert bench.unmet([row(30.0, 2.0), full]) == []  # waited for a core
    assert bench.unmet([row(30.0, 20.0), full]) == [
        "rule default, train, graph: 20.00 times the plain twin's time"
    ]
    assert len(bench.unmet([row(0.01, 0.01)])) == 1
    assert bench.unmet([row(2.0, 2.0, seconds=12.0), full]) == [
        "rule default, train, graph: 12.0 times the full sum's time"
    ]

    def slow(setting, report, **options):
        report(row(30.0, 30.0) | {"size": 7, "filters": 8, "plain_seconds": 1.0} | quartiles)

    quartiles = {"ratio_q1": 30.0, "ratio_q3": 30.0}
    monkeypatch.setattr(bench, "benchmark_layer", slow)
    assert cli.main(["bench", "--quick"]) == cli.FAILED
    assert "Too far from its twin: rule default" in capsys.readouterr().out
    assert cli.main(["bench"]) == cli.DONE


PEER = """
import numpy as np

def make(setting, x, above, y):
    assert x.shape == (setting.batch, *setting.input_shape)
    assert above.shape == (*x.shape[:3], setting.filters) and y.shape == (setting.batch,)
    return (lambda: np.sort(x, axis=0)), (lambda: x + 1)
"""


def test_peers_are_timed_beside_the_rules(tmp_path, monkeypatch, capsys):
    (tmp_path / "some_peer.py").write_text(PEER)
    monkeypatch.syspath_prepend(str(tmp_path))
    options = ["--quick", "--rules", "mask", "--peers", "some_peer:make", "--phases", "inference"]
    # How fast this one is does not matter.
    monkeypatch.setattr(bench, "unmet", lambda rows: [])
    assert cli.main(["bench", *options]) == cli.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["rule", "mask", "some_peer:make"]


@pytest.mark.slow
def test_a_layer_costs_little_at_a_common_size():
    setting = bench.LayerSetting(filters=128)
    (row,) = bench.benchmark_layer(
        setting, rules=("default",), modes=(MODE,), phases=("train",), memory=False
    )
    assert 0.3 < row["ratio"] < 5


@pytest.mark.slow
@pytest.mark.skipif(not _memory.supported(), reason="needs Linux with glibc")
def test_peak_memory():
    setting = bench.LayerSetting(filters=64)
    one = np.prod((setting.batch, *setting.input_shape)) * 4
    (row,) = bench.benchmark_layer(
        setting, rules=("default",), modes=(MODE,), phases=("train",), repeats=1
    )
    # The input, the output and their gradients are there at once on either side.
    assert row["plain_memory_mib"] * 2**20 > 3 * one
    assert 0.5 < row["memory_ratio"] < 5


@pytest.mark.medium
@pytest.mark.skipif(not _memory.supported(), reason="needs Linux with glibc")
def test_rise_of_memory_is_seen():
    size = 64 * 2**20

    def build():
        kept = np.ones(size, "uint8")
        return lambda: (kept, np.ones(size, "uint8"))

    assert 1.9 * size < _memory.peak_of(build) < 2.5 * size


@pytest.mark.medium
def test_networks():
    setting = bench.NetworkSetting("squeezenet", image_size=64, batch=2, filters=8)
    (row,) = bench.benchmark_network(
        setting, modes=(MODE,), phases=("train",), repeats=1, memory=False
    )
    assert row["network"] == "squeezenet"
    assert 0 < row["ratio"] < 20


def test_a_grid_of_settings(monkeypatch):
    timed = []

    def benchmark(setting, report, **options):
        timed.append(setting)

    monkeypatch.setattr(bench, "benchmark_layer", benchmark)
    monkeypatch.setattr(bench, "benchmark_network", benchmark)
    sizes = ["--size", "7", "9", "--filters", "4", "8"]
    assert cli.main(["bench", "--quick", *sizes, "--normalization", "none"]) == cli.DONE
    assert [(s.size, s.filters) for s in timed] == [(7, 4), (7, 8), (9, 4), (9, 8)]
    assert all(s.normalization is None and s.batch == 8 for s in timed)
    timed.clear()
    assert cli.main(["bench", "--network", "vgg16", "--batch", "4"]) == cli.DONE
    (network,) = timed
    assert (network.network, network.batch, network.image_size) == ("vgg16", 4, 224)


def test_mistakes_are_named(capsys):
    with pytest.raises(ValueError, match=r"`rules`.*Received: rules entry 'best'"):
        bench.benchmark_layer(SMALL, rules=("best",))
    with pytest.raises(ValueError, match=r"A peer must be 'module:function'.*'no_such_peer:f'"):
        bench.benchmark_layer(SMALL, rules=("no_such_peer:f",))
    with pytest.raises(ValueError, match="Peers are timed as layers"):
        bench.benchmark_network(rules=("math:sqrt",))
    with pytest.raises(ValueError, match=r"`modes`.*Received: modes entry 'fast'"):
        bench.benchmark_layer(SMALL, modes=("fast",))
    with pytest.raises(ValueError, match=r"`phases`.*Received: phases entry 'sleep'"):
        bench.benchmark_layer(SMALL, phases=("sleep",))
    with pytest.raises(ValueError, match=r"`repeats`.*Received: repeats=0"):
        bench.benchmark_layer(SMALL, repeats=0)
    assert cli.main(["bench", "--network", "vgg16", "--kernel-size", "3"]) == cli.FAILED
    assert "--kernel-size" in capsys.readouterr().err

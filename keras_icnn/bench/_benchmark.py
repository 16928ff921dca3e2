"""How much slower than a plain convolution is an interpretable layer, or a network with one?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_icnn.bench import _memory
from keras_icnn.bench._environment import environment
from keras_icnn.bench._settings import (
    MODES,
    PHASES,
    PLAIN,
    RULES,
    LayerSetting,
    NetworkSetting,
    check_mode,
    check_rule,
)
from keras_icnn.bench._timing import paired_seconds, summarize


def benchmark_layer(
    setting: LayerSetting | None = None,
    *,
    rules: Sequence[str] = RULES,
    modes: Sequence[str] | None = None,
    phases: Sequence[str] = PHASES,
    repeats: int = 5,
    memory: bool = True,
    report: Callable[[dict[str, Any]], Any] | None = None,
) -> list[dict[str, Any]]:
    """Times `InterpretableConv` with each rule beside `Conv2D`, the same normalization and ReLU.

    Args:
        setting: `LayerSetting`; its defaults if None.
        rules: Among `"default"`, `"paper"`, `"official"`, `"full_sum"`, and `"mask"`: the mask
            alone; or `"module:function"`, a peer: another implementation that is installed. The
            function gets the setting, the batch, the gradient from above and the labels (NumPy
            arrays) and returns `(train, infer)`, two functions without arguments.
        modes: How the backend computes, among `"graph"` and `"jit"` on TensorFlow, `"jit"` on JAX,
            `"eager"` on PyTorch; all of the backend's if None.
        phases: `"train"`, forward and backward, and `"inference"`.
        repeats: Groups of four timed calls (rule, plain, plain, rule).
        memory: Whether the peak memory is measured, too, each in a fresh process.
        report: Function that is called with each row as soon as it is there.

    Returns:
        List of dicts, one for each mode, rule and phase.

    Raises:
        ValueError: For rules, modes, phases or peers that do not exist.

    Example:

    ```python
    setting = icnn.bench.LayerSetting(size=7, filters=8, batch=2)
    rows = icnn.bench.benchmark_layer(setting, rules=["default"], repeats=1, memory=False)
    ```
    """
    setting = setting or LayerSetting()
    return _benchmark("layer", setting, rules, modes, phases, repeats, memory, report)


def benchmark_network(
    setting: NetworkSetting | None = None,
    *,
    rules: Sequence[str] = ("default",),
    modes: Sequence[str] | None = None,
    phases: Sequence[str] = PHASES,
    repeats: int = 3,
    memory: bool = True,
    report: Callable[[dict[str, Any]], Any] | None = None,
) -> list[dict[str, Any]]:
    """Times a whole network's step beside the same network with a plain extra layer.

    Args:
        setting: `NetworkSetting`; its defaults if None.
        rules, modes, phases, repeats, memory, report: As in `benchmark_layer`.

    Returns:
        List of dicts, as of `benchmark_layer`.

    Example:

    ```python
    setting = icnn.bench.NetworkSetting("squeezenet", image_size=64, batch=2)
    rows = icnn.bench.benchmark_network(setting, repeats=1, memory=False)
    ```
    """
    setting = setting or NetworkSetting()
    return _benchmark("network", setting, rules, modes, phases, repeats, memory, report)


def _benchmark(kind, setting, rules, modes, phases, repeats, memory, report):
    import keras

    # Needs Keras, which the names and the options of the benchmark do not.
    from keras_icnn.bench import _cases as cases

    _check(kind, rules, phases, repeats)
    modes = MODES[keras.backend.backend()] if modes is None else modes
    for mode in modes:
        check_mode(mode)
    make = cases.layer_steps if kind == "layer" else cases.network_steps
    described = {"repeats": int(repeats)} | dataclasses.asdict(setting) | environment()
    rows = []
    for mode in modes:
        plain = dict(zip(PHASES, make(PLAIN, setting, mode), strict=True))
        plain_peak = {}
        for rule in rules:
            own = dict(zip(PHASES, make(rule, setting, mode), strict=True))
            for phase in phases:
                for _ in range(2):  # compiles, then settles
                    own[phase]()
                    plain[phase]()
                row = {"what": kind, "rule": rule, "phase": phase, "mode": mode}
                row |= summarize(*paired_seconds(own[phase], plain[phase], repeats))
                if memory:
                    if phase not in plain_peak:
                        plain_peak[phase] = _memory.measure(kind, PLAIN, setting, mode, phase)
                    peak = _memory.measure(kind, rule, setting, mode, phase)
                    row |= _memory_columns(peak, plain_peak[phase])
                row |= described
                rows.append(row)
                if report is not None:
                    report(row)
    return rows


def _check(kind, rules, phases, repeats):
    if isinstance(repeats, bool) or not hasattr(repeats, "__index__") or repeats < 1:
        raise ValueError(
            "Argument `repeats` must be a whole number of at least 1. "
            f"Received: repeats={repeats!r}"
        )
    for phase in phases:
        if phase not in PHASES:
            raise ValueError(
                f"Argument `phases` must be among {PHASES}. Received: phases entry {phase!r}"
            )
    for rule in rules:
        check_rule(rule)
        if kind == "network" and ":" in rule:
            raise ValueError(f"Peers are timed as layers. Received: rules entry {rule!r}")


def _memory_columns(peak, plain):
    if peak is None or plain is None:
        return {"memory_ratio": "", "memory_mib": "", "plain_memory_mib": ""}
    return {
        "memory_ratio": round(peak / plain, 4),
        "memory_mib": round(peak / 2**20, 1),
        "plain_memory_mib": round(plain / 2**20, 1),
    }


def unmet(rows: Sequence[Mapping[str, Any]], limit: float = 10.0) -> list[str]:
    """What is wrong with the figures of a quick run, by margins that hold on any machine.

    No time is compared with a fixed one, only with the twin's in the same run; at the quick mode's
    tiny sizes fixed costs show, so the limit is wide.

    Args:
        rows: Of `benchmark_layer` or `benchmark_network`.
        limit: Of every ratio, by the wall's or the processors' clock, whichever is smaller; and of
            what a rule's step may take beside the full sum over templates.

    Returns:
        List of sentences, empty where all holds.
    """
    wrong = []
    full = {
        (row["mode"], row["phase"]): row["seconds"] for row in rows if row["rule"] == "full_sum"
    }
    for row in rows:
        where = f"rule {row['rule']}, {row['phase']}, {row['mode']}"
        ratio = min(row["ratio"], row["cpu_ratio"])
        if not 1 / limit < ratio < limit:
            wrong.append(f"{where}: {ratio:.2f} times the plain twin's time")
        beside = full.get((row["mode"], row["phase"]))
        if beside and row["seconds"] > limit * beside:
            wrong.append(f"{where}: {row['seconds'] / beside:.1f} times the full sum's time")
    return wrong

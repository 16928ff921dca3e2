"""How much slower than a plain convolution? `keras-icnn bench` and the functions behind it.

Both sides of a comparison are timed in turns (A B B A, A B B A, ...), and only the ratio of each
such group counts: what else the machine does then weighs on both alike.
"""

import dataclasses
import os
import platform
import time
from pathlib import Path

import numpy as np

from keras_icnn._files.whole_file import replacing

PHASES = ("train", "inference")
_RULES = ("default", "paper", "official", "full_sum", "mask")
_QUICK_LAYER = {"size": 7, "filters": 16, "batch": 8}
_QUICK_NETWORK = {"image_size": 64, "batch": 2}


def paired_seconds(first, second, repeats, *, clocks=(time.perf_counter, time.process_time)):
    """Times two functions in turns, first second second first, `repeats` times.

    Args:
        first, second: functions without arguments that return when their work is done.
        repeats: number of groups of four calls.
        clocks: what tells the time in seconds: by default the wall's, and the processors' time
            that this process used.

    Returns:
        Two float arrays `[clocks, repeats, 2]`, the seconds of each call of `first` and `second`.
    """

    def seconds(function):
        start = [clock() for clock in clocks]
        function()
        return [clock() - begun for clock, begun in zip(clocks, start, strict=True)]

    a, b = np.zeros((2, len(clocks), repeats, 2))
    for i in range(repeats):
        a[:, i, 0] = seconds(first)
        b[:, i, 0] = seconds(second)
        b[:, i, 1] = seconds(second)
        a[:, i, 1] = seconds(first)
    return a, b


def summarize(a, b):
    """Medians and quartiles of the ratios of what `paired_seconds` gave, and median seconds."""
    ratio = a[0].sum(axis=1) / b[0].sum(axis=1)
    q1, median, q3 = np.quantile(ratio, (0.25, 0.5, 0.75))
    processor = a[-1].sum(axis=1) / b[-1].sum(axis=1)
    return {
        "ratio": round(float(median), 4),
        "ratio_q1": round(float(q1), 4),
        "ratio_q3": round(float(q3), 4),
        # Steadier where others use the machine: waiting for a core does not count.
        "cpu_ratio": round(float(np.median(processor)), 4),
        "seconds": round(float(np.median(a[0])), 6),
        "plain_seconds": round(float(np.median(b[0])), 6),
    }


def benchmark_layer(
    setting=None, *, rules=_RULES, modes=None, phases=PHASES, repeats=5, memory=True, report=None
):
    """Times `InterpretableConv` with each rule beside `Conv2D`, the same normalisation and ReLU.

    Args:
        setting: `LayerSetting`; its defaults if None.
        rules: among `"default"`, `"paper"`, `"official"`, `"full_sum"`, and `"mask"`: the mask
            alone; or `"module:function"`, a peer: another implementation that is installed. The
            function gets the setting, the batch, the gradient from above and the labels (NumPy
            arrays) and returns `(train, infer)`, two functions without arguments.
        modes: how the backend computes, among `"graph"` and `"jit"` on TensorFlow, `"jit"` on JAX,
            `"eager"` on PyTorch; all of the backend's if None.
        phases: `"train"`, forward and backward, and `"inference"`.
        repeats: groups of four timed calls (rule, plain, plain, rule).
        memory: whether the peak memory is measured, too, each in a fresh process.
        report: function that is called with each row as soon as it is there.

    Returns:
        list of dicts, one for each mode, rule and phase.

    Raises:
        ValueError: for rules, modes, phases or peers that do not exist.
    """
    from keras_icnn.bench import _cases as cases

    setting = setting or cases.LayerSetting()
    return _benchmark("layer", setting, rules, modes, phases, repeats, memory, report)


def benchmark_network(
    setting=None,
    *,
    rules=("default",),
    modes=None,
    phases=PHASES,
    repeats=3,
    memory=True,
    report=None,
):
    """Times a whole network's step beside the same network with a plain extra layer.

    Args:
        setting: `NetworkSetting`; its defaults if None.
        rules, modes, phases, repeats, memory, report: as in `benchmark_layer`.

    Returns:
        list of dicts, as of `benchmark_layer`.
    """
    from keras_icnn.bench import _cases as cases

    setting = setting or cases.NetworkSetting()
    return _benchmark("network", setting, rules, modes, phases, repeats, memory, report)


def _benchmark(kind, setting, rules, modes, phases, repeats, memory, report):
    import keras

    from keras_icnn.bench import _cases as cases
    from keras_icnn.bench import _memory

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
    modes = cases.MODES[keras.backend.backend()] if modes is None else modes
    for mode in modes:
        cases.check_mode(mode)
    for rule in rules:
        cases.check_rule(rule)
        if kind == "network" and ":" in rule:
            raise ValueError(f"Peers are timed as layers. Received: rules entry {rule!r}")
    make = cases.layer_steps if kind == "layer" else cases.network_steps
    rows = []
    for mode in modes:
        plain = dict(zip(PHASES, make(cases.PLAIN, setting, mode), strict=True))
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
                        plain_peak[phase] = _memory.measure(kind, cases.PLAIN, setting, mode, phase)
                    peak = _memory.measure(kind, rule, setting, mode, phase)
                    row |= _memory_columns(peak, plain_peak[phase])
                row |= {"repeats": int(repeats)} | dataclasses.asdict(setting) | environment()
                rows.append(row)
                if report is not None:
                    report(row)
    return rows


def _memory_columns(peak, plain):
    if peak is None or plain is None:
        return {"memory_ratio": "", "memory_mib": "", "plain_memory_mib": ""}
    return {
        "memory_ratio": round(peak / plain, 4),
        "memory_mib": round(peak / 2**20, 1),
        "plain_memory_mib": round(plain / 2**20, 1),
    }


def unmet(rows, limit=10.0):
    """What is wrong with the figures of a quick run, by margins that hold on any machine.

    No time is compared with a fixed one, only with the twin's in the same run; at the quick mode's
    tiny sizes fixed costs show, so the limit is wide.

    Args:
        rows: of `benchmark_layer` or `benchmark_network`.
        limit: of every ratio, by the wall's or the processors' clock, whichever is smaller; and of
            what a rule's step may take beside the full sum over templates.

    Returns:
        list of sentences, empty where all holds.
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


def environment():
    """What the figures depend on besides the setting: backend, versions, kind of machine."""
    import importlib.metadata as metadata

    import keras

    import keras_icnn

    backend = keras.backend.backend()
    return {
        "backend": backend,
        "backend_version": metadata.version(backend),
        "keras": keras.__version__,
        "keras_icnn": keras_icnn.__version__,
        "python": platform.python_version(),
        "machine": _machine(backend),
    }


def _machine(backend):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kind = f"{cores} core{'s' if cores != 1 else ''}, {platform.machine()}"
    device = None
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        if devices:
            device = tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU")
    elif backend == "jax":
        import jax

        if jax.default_backend() != "cpu":
            device = jax.devices()[0].device_kind
    else:
        import torch

        if torch.cuda.is_available():
            device = torch.cuda.get_device_name()
    return f"{kind}, {device}" if device else kind


_COLUMNS = (
    ("rule", 12),
    ("phase", 10),
    ("mode", 6),
    ("size", 5),
    ("filters", 8),
    ("ratio", 7),
    ("quartiles", 14),
    ("cpu", 7),
    ("ms", 9),
    ("plain ms", 9),
    ("memory", 7),
)


def table_header():
    """The first line of the printed table."""
    return " ".join(name.ljust(width) for name, width in _COLUMNS).rstrip()


def table_line(row):
    """A row of `benchmark_layer` or `benchmark_network` as one line of the printed table."""
    memory = row.get("memory_ratio", "")
    values = (
        row["rule"],
        row["phase"],
        row["mode"],
        row.get("size", row.get("image_size")),
        row["filters"] or "own",
        f"{row['ratio']:.3f}",
        f"{row['ratio_q1']:.3f}-{row['ratio_q3']:.3f}",
        f"{row['cpu_ratio']:.3f}",
        f"{1e3 * row['seconds']:.1f}",
        f"{1e3 * row['plain_seconds']:.1f}",
        f"{memory:.3f}" if memory != "" else "-",
    )
    cells = zip(values, _COLUMNS, strict=True)
    return " ".join(str(value).ljust(width) for value, (_, width) in cells).rstrip()


def plot(rows, path=None):
    """Draws the ratios with their quartiles, one group of bars for each mode and phase.

    Args:
        rows: of `benchmark_layer` or `benchmark_network`.
        path: file the figure is written to, or None.

    Returns:
        matplotlib figure.

    Raises:
        ImportError: where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "The plot of the benchmark needs matplotlib: `pip install 'keras-icnn[plot]'`."
        ) from error
    figure = Figure(figsize=(7, 0.8 + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(rows))[::-1]
    ratio = np.array([row["ratio"] for row in rows])
    low, high = (np.array([row[name] for row in rows]) for name in ("ratio_q1", "ratio_q3"))
    axes.barh(place, ratio, xerr=np.abs([ratio - low, high - ratio]), color="tab:blue", alpha=0.7)
    axes.axvline(1.0, color="black", linewidth=1)
    names = (
        f"{row['rule']}, {row['phase']}, {row['mode']}, "
        f"{row.get('size', row.get('image_size'))} px, {row['filters'] or 'own'} filters"
        for row in rows
    )
    axes.set_yticks(place, list(names))
    axes.set_xlabel("time over the plain twin's (median and quartiles)")
    axes.set_title(f"{rows[0]['backend']} {rows[0]['backend_version']}, {rows[0]['machine']}")
    if path is not None:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=150)
    return figure


def add_arguments(parser):
    """Adds the options of `keras-icnn bench` to an argparse parser."""
    parser.add_argument(
        "--out", metavar="DIR", help="folder for the CSV file and the plot; only printed without"
    )
    parser.add_argument(
        "--network",
        metavar="NAME",
        help="time a network of the zoo (vgg16, squeezenet, ...) instead of one layer",
    )
    parser.add_argument("--size", type=int, nargs="+", help="side of the map (of the image)")
    parser.add_argument("--filters", type=int, nargs="+", help="filters of the (new) layer")
    parser.add_argument("--channels", type=int, help="channels of the layer's input")
    parser.add_argument("--kernel-size", type=int, help="side of the layer's kernel")
    parser.add_argument("--classes", type=int, help="number of label classes")
    parser.add_argument("--batch", type=int, help="images in a batch")
    parser.add_argument(
        "--normalization", choices=("batch", "none"), help="of the layer and its twin"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
        help="Keras dtype policy",
    )
    parser.add_argument("--rules", nargs="+", choices=_RULES, help="rules of the filter loss")
    parser.add_argument(
        "--peers",
        nargs="+",
        metavar="MODULE:FUNCTION",
        help="other implementations to time as well (benchmarks/README.md)",
    )
    parser.add_argument(
        "--modes", nargs="+", choices=("graph", "jit", "eager"), help="how the backend computes"
    )
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--repeats", type=int, help="groups of four timed calls")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--plot", action="store_true", help="write a plot beside the CSV file")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small and short: whether it works, and costs no many times its twin, not how fast",
    )


def _settings(args):
    """The settings to run: one for each combination of sizes and numbers of filters."""
    from keras_icnn.bench import _cases as cases

    names = ("channels", "kernel_size", "classes", "batch", "precision")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.network:
        unused = [
            name for name in ("channels", "kernel_size", "normalization") if getattr(args, name)
        ]
        if unused:
            options = ", ".join("--" + name.replace("_", "-") for name in unused)
            raise ValueError(f"A network has its own {options}: leave out, or leave out --network.")
        kind, size = cases.NetworkSetting, "image_size"
        base = {"network": args.network} | (_QUICK_NETWORK if args.quick else {})
    else:
        kind, size = cases.LayerSetting, "size"
        base = dict(_QUICK_LAYER) if args.quick else {}
        if args.normalization:
            given["normalization"] = None if args.normalization == "none" else args.normalization
    first = kind(**(base | given))
    return [
        dataclasses.replace(first, **{size: side, "filters": filters})
        for side in args.size or [getattr(first, size)]
        for filters in args.filters or [first.filters]
    ]


def run(args):
    """Runs `keras-icnn bench`: prints a table, and writes it where `--out` says.

    Args:
        args: what a parser with `add_arguments` parsed.

    Returns:
        0; with `--quick` 1 where a relation of `unmet` does not hold.
    """
    import keras

    from keras_icnn._files.csv_file import write_csv

    settings = _settings(args)
    options = {"phases": args.phases, "modes": args.modes, "memory": not args.no_memory}
    if args.quick:
        options |= {"repeats": 2, "memory": False}
        if args.modes is None:
            from keras_icnn.bench._cases import MODES

            options["modes"] = MODES[keras.backend.backend()][:1]
    if args.rules:
        options["rules"] = args.rules
    if args.peers:
        options["rules"] = [*(args.rules or _RULES), *args.peers]
    if args.repeats is not None:
        options["repeats"] = args.repeats
    benchmark = benchmark_network if args.network else benchmark_layer

    path = None
    if args.out:
        Path(args.out).mkdir(parents=True, exist_ok=True)
        name = f"{args.network or 'layer'}_{keras.backend.backend()}"
        path = Path(args.out) / f"{name}.csv"
    rows = []

    def report(row):
        rows.append(row)
        print(table_line(row), flush=True)
        if path:
            write_csv(path, rows)

    print(table_header(), flush=True)
    for setting in settings:
        benchmark(setting, report=report, **options)
    if path:
        print(f"Written: {path}")
    if args.plot:
        figure = (path or Path(f"bench_{keras.backend.backend()}.csv")).with_suffix(".png")
        plot(rows, figure)
        print(f"Written: {figure}")
    wrong = unmet(rows) if args.quick else []
    for sentence in wrong:
        print(f"Too far from its twin: {sentence}")
    return 1 if wrong else 0

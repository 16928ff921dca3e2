"""`keras-icnn bench`."""

import dataclasses
from pathlib import Path

from keras_icnn import bench
from keras_icnn._files.csv_file import write_csv
from keras_icnn.cli._outcome import DONE, FAILED

SUMMARY = "time the interpretable layer beside a plain convolution"

_QUICK_LAYER = {"size": 7, "filters": 16, "batch": 8}
_QUICK_NETWORK = {"image_size": 64, "batch": 2}


def add_arguments(parser):
    parser.add_argument(
        "--out", metavar="DIR", help="folder for the CSV file and the plot; only printed without"
    )
    _add_sizes(parser)
    parser.add_argument("--rules", nargs="+", choices=bench.RULES, help="rules of the filter loss")
    parser.add_argument(
        "--peers",
        nargs="+",
        metavar="MODULE:FUNCTION",
        help="other implementations to time as well (benchmarks/README.md)",
    )
    parser.add_argument(
        "--modes", nargs="+", choices=("graph", "jit", "eager"), help="how the backend computes"
    )
    parser.add_argument("--phases", nargs="+", choices=bench.PHASES, default=list(bench.PHASES))
    parser.add_argument("--repeats", type=int, help="groups of four timed calls")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--plot", action="store_true", help="write a plot beside the CSV file")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small and short: whether it works, and costs no many times its twin, not how fast",
    )


def _add_sizes(parser):
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


def run(args):
    """Prints a table, and writes it where `--out` says; may fail with `--quick` only."""
    import keras

    from keras_icnn.zoo._registry import get_builder

    if args.network:
        # Refused before anything is printed or made.
        get_builder(args.network)
    settings = _settings(args)
    options = _options(args)
    benchmark = bench.benchmark_network if args.network else bench.benchmark_layer
    backend = keras.backend.backend()
    path = None
    if args.out:
        path = Path(args.out) / f"{args.network or 'layer'}_{backend}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
    rows = []

    def report(row):
        rows.append(row)
        print(bench.table_line(row), flush=True)
        if path:
            write_csv(path, rows)

    print(bench.table_header(), flush=True)
    for setting in settings:
        benchmark(setting, report=report, **options)
    if path:
        print(f"Written: {path}")
    if args.plot:
        figure = (path or Path(f"bench_{backend}.csv")).with_suffix(".png")
        bench.plot(rows, figure)
        print(f"Written: {figure}")
    wrong = bench.unmet(rows) if args.quick else []
    for sentence in wrong:
        print(f"Too far from its twin: {sentence}")
    return FAILED if wrong else DONE


def _options(args):
    """What `benchmark_layer` and `benchmark_network` are called with, besides the setting."""
    import keras

    options = {"phases": args.phases, "modes": args.modes, "memory": not args.no_memory}
    if args.quick:
        options |= {"repeats": 2, "memory": False}
        if args.modes is None:
            options["modes"] = bench.MODES[keras.backend.backend()][:1]
    if args.rules:
        options["rules"] = args.rules
    if args.peers:
        options["rules"] = [*(args.rules or bench.RULES), *args.peers]
    if args.repeats is not None:
        options["repeats"] = args.repeats
    return options


def _settings(args):
    """The settings to run: one for each combination of sizes and numbers of filters."""
    names = ("channels", "kernel_size", "classes", "batch", "precision")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.network:
        unused = [
            name for name in ("channels", "kernel_size", "normalization") if getattr(args, name)
        ]
        if unused:
            options = ", ".join("--" + name.replace("_", "-") for name in unused)
            raise ValueError(f"A network has its own {options}: leave out, or leave out --network.")
        kind, size = bench.NetworkSetting, "image_size"
        base = {"network": args.network} | (_QUICK_NETWORK if args.quick else {})
    else:
        kind, size = bench.LayerSetting, "size"
        base = dict(_QUICK_LAYER) if args.quick else {}
        if args.normalization:
            given["normalization"] = None if args.normalization == "none" else args.normalization
    first = kind(**(base | given))
    return [
        dataclasses.replace(first, **{size: side, "filters": filters})
        for side in args.size or [getattr(first, size)]
        for filters in args.filters or [first.filters]
    ]

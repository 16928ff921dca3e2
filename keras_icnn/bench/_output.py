"""Shows rows of a benchmark: the printed table and the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._files.whole_file import replacing

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

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


def table_header() -> str:
    """The first line of the printed table."""
    return " ".join(name.ljust(width) for name, width in _COLUMNS).rstrip()


def table_line(row: Mapping[str, Any]) -> str:
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


def plot(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str] | None = None) -> Figure:
    """Draws the ratios with their quartiles, one group of bars for each mode and phase.

    Args:
        rows: Of `benchmark_layer` or `benchmark_network`.
        path: File the figure is written to, or None.

    Returns:
        Matplotlib figure.

    Raises:
        ImportError: Where matplotlib is not installed.
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

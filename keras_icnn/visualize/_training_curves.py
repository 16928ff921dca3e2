"""How losses, entropies and measures went during training."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn._figure import check_path, new_figure, save

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

_PREFIX = "val_"
# Panels in order: (heading, names of what is drawn in it, what is better).
_PANELS = (
    ("loss", ("loss",), "lower"),
    ("accuracy", ("accuracy", "binary_accuracy", "balanced_accuracy"), "higher"),
    ("filter loss, -MI(X; T) in nats", ("filter_loss",), "lower"),
    ("entropy of the category, nats (Eq. 6)", ("category_entropy",), "lower"),
    ("entropy of the place, nats (Eq. 7)", ("spatial_entropy",), "lower"),
    ("mutual information, nats", ("mutual_information",), "higher"),
    (
        "R2 of the best landmark",
        ("r2", "r2_median", "r2_strongest", "r2_facing"),
        "higher",
    ),
    ("landmarks covered; R2 in the object's frame", ("coverage", "anatomy"), "higher"),
    ("landmarks that filters follow", ("parts_followed",), "higher"),
    ("location instability", ("instability",), "lower"),
    ("part interpretability", ("part_interpretability",), "higher"),
    ("filters alive, share", ("alive",), "higher"),
    ("distance of peaks, share of the diagonal", ("diversity",), ""),
    ("effective number of parts", ("part_diversity",), ""),
)
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_LEFT_OUT = ("epoch", "learning_rate", "lr")


def training_curves(
    history: keras.callbacks.History | Mapping[str, Sequence[float]] | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Shows a training: losses, the filter loss and its entropies, accuracy, the parts' measures.

    A panel a quantity, with an arrow to what is better; training dashed, validation solid. Figures
    that were not logged have no panel: `filter_loss` is logged by every `InterpretableModel`, the
    entropies (Eqs. 5-7) by `keras_icnn.callbacks.FilterEntropies`, the measures by
    `keras_icnn.callbacks.PartMetrics`. Measures of which `fit` returns fewer than epochs are drawn
    as taken at even intervals from the first epoch on, or one an epoch where there are too many for
    that; a CSVLogger's file says when.

    Args:
        history: what `fit` returns, its `.history`, or the path of a file that
            `keras.callbacks.CSVLogger` wrote.
        path: file to write, its format by its ending; None writes none.
        title: of the figure.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a history without figures, or a path that does not fit.
    """
    check_path(path)
    logs = _logs(history)
    panels = _panels(logs)
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = new_figure(3.9 * columns, 2.5 * rows + 0.5, rows, columns)
    for axis, (heading, names, better) in zip(axes.flat, panels, strict=False):
        arrow = {"lower": "  ↓", "higher": "  ↑"}.get(better, "")
        axis.set_title(heading + arrow, fontsize=10)
        for number, name in enumerate(names):
            color = _COLORS[number % len(_COLORS)]
            for key, line in ((name, "--"), (_PREFIX + name, "-")):
                if key in logs:
                    epochs, values = logs[key]
                    axis.plot(epochs, values, line, color=color, marker=".", label=key)
        axis.legend(fontsize=8, frameon=False)
        axis.tick_params(labelsize=8)
        axis.xaxis.get_major_locator().set_params(integer=True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.supxlabel("epoch", fontsize=10)
    if title:
        figure.suptitle(title, fontsize=12)
    return save(figure, path)


def _panels(logs):
    panels, known = [], set()
    for heading, names, better in _PANELS:
        known.update(names)
        names = [n for n in names if n in logs or _PREFIX + n in logs]
        if names:
            panels.append((heading, names, better))
    rest = dict.fromkeys(key.removeprefix(_PREFIX) for key in logs)
    panels += [(name, [name], "") for name in rest if name not in known]
    if not panels:
        raise ValueError(
            "`history` must hold figures of at least one epoch, as `fit` returns them. Received: "
            "none"
        )
    return panels


def _logs(history):
    """dict of name to (epochs, values); what was not logged in an epoch is left out."""
    if isinstance(history, str | os.PathLike):
        columns = _read(history)
        epochs = columns.get("epoch")
    else:
        columns = getattr(history, "history", history)
        epochs = getattr(history, "epoch", None)
    if not hasattr(columns, "items"):
        raise ValueError(
            "`history` must be what `fit` returns, a dict of lists, or the path of a CSVLogger's "
            f"file. Received: {type(history).__name__}"
        )
    logs = {}
    longest = max((len(values) for values in columns.values()), default=0)
    for name, values in columns.items():
        if name in _LEFT_OUT:
            continue
        values = np.asarray(values, "float64")
        at = np.arange(longest) if epochs is None else np.asarray(epochs, "float64")
        if 0 < len(values) < len(at):
            # Logged every few epochs from the first on; the history does not say which.
            step = -(-len(at) // len(values))
            if len(at[::step]) != len(values):  # not at even intervals: none is left out
                step = 1
            at = at[::step][: len(values)]
        kept = np.isfinite(values)
        if kept.any():
            logs[name] = (at[kept] + 1, values[kept])
    return logs


def _read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {}
    for number, row in enumerate(rows, 2):
        for name, text in row.items():
            try:
                value = float("nan") if text in (None, "", "NA") else float(text)
            except ValueError:
                raise ValueError(
                    f"'{path}' must be a CSVLogger's file. Received: {text!r} in line {number}, "
                    f"column {name!r}"
                ) from None
            columns.setdefault(name, []).append(value)
    return columns

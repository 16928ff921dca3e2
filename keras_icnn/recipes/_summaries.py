"""Results as text: means over runs, and every network beside the ordinary one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_icnn.recipes._store import NETWORK, SUPERVISED, TRIVIAL

# Figures in the printed table: (column, heading, digits).
_COLUMNS = (
    ("accuracy", "accuracy", 3),
    ("balanced_accuracy", "balanced", 3),
    ("instability", "instab.", 3),
    ("r2", "R2", 2),
    ("r2_median", "median", 2),
    ("r2_strongest", "R2 str.", 2),
    ("r2_facing", "R2 fac.", 2),
    ("coverage", "cover.", 2),
    ("parts_followed", "followed", 1),
    ("anatomy", "anatomy", 2),
    ("part_interpretability", "parts", 3),
    ("alive", "alive", 2),
    ("diversity", "div.", 3),
    ("part_diversity", "n parts", 2),
)
# Figures beside the reference's: headings and formats.
_BESIDE = {
    "accuracy": "+.1f",
    "balanced": "+.1f",
    "instab.": ".2f",
    "div.": ".2f",
    "parts": "+.2f",
    "R2": "+.2f",
    "R2 str.": "+.2f",
    "cover.": "+.2f",
}
_WITHOUT_LOOKING = ("whole image", "centred disc")


def summarize(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means over categories and seeds of the rows of `run_recipe`, as a text table.

    Args:
        rows: List of dicts, from `run_recipe` or a `results.csv`.

    Returns:
        A table: a line a variant with its number of runs, then the trivial detectors on the same
        images and the grid of the last variant.
    """
    networks, trivial = {}, {}
    for row in rows:
        if row["kind"] in (NETWORK, SUPERVISED):
            networks.setdefault(row["variant"], []).append(row)
    last = next(reversed(networks), None)
    for row in rows:
        # Detectors on the grid of the network printed last.
        if row["kind"] == TRIVIAL and row["beside"] == last:
            trivial.setdefault(row["variant"], []).append(row)
    groups = {**trivial, **networks}
    names = [*networks, *trivial]
    width = max((len(n) for n in names), default=8)
    lines = [" " * width + "  runs" + "".join(f"{heading:>10}" for _, heading, _ in _COLUMNS)]
    for name in names:
        cells = []
        for column, _, digits in _COLUMNS:
            values = [float(r[column]) for r in groups[name] if r.get(column) not in (None, "")]
            cells.append(f"{np.mean(values):>10.{digits}f}" if values else f"{'-':>10}")
        runs = len(groups[name]) if name in networks else ""
        lines.append(f"{name:<{width}}{runs:>6}" + "".join(cells))
    return "\n".join(lines)


def compare(rows: Sequence[Mapping[str, Any]]) -> str:
    """How each network stands to the first one, run by run: the goals of the method, as a table.

    Args:
        rows: List of dicts, from `run_recipe` or a `results.csv`; the network of the first row is
            the reference, such as the ordinary twin.

    Returns:
        A text table, a line a network: differences in accuracy and balanced accuracy (percentage
        points), the ratios of location instability and of the distance of peaks, the difference
        in part interpretability to the better of the detectors that look at nothing, the
        differences in R2 (all images, strongest) to the supervised detector, and that in coverage
        to the reference. Means over the
        categories and seeds that both have; "-" where there are none.
    """
    networks = [row for row in rows if row["kind"] == NETWORK]
    if not networks:
        return ""
    reference = networks[0]["variant"]
    found = {_key(row, row["kind"], row["variant"], row.get("beside") or ""): row for row in rows}
    supervised = next((row["variant"] for row in rows if row["kind"] == SUPERVISED), "")
    names = [n for n in dict.fromkeys(row["variant"] for row in networks) if n != reference]
    width = max((len(n) for n in names), default=8)
    lines = [
        f"Beside '{reference}': accuracy in points, ratios of instability and diversity, coverage; "
        "parts beside the best",
        f"detector that looks at nothing; R2 beside "
        f"{repr(supervised) if supervised else 'a supervised detector (not run)'}.",
        " " * width + "  runs" + "".join(f"{heading:>10}" for heading in _BESIDE),
    ]
    for name in names:
        mine = [row for row in networks if row["variant"] == name]
        pairs = [(row, found.get(_key(row, NETWORK, reference))) for row in mine]
        runs = [_beside(row, twin, found, supervised) for row, twin in pairs if twin is not None]
        cells = []
        for heading, form in _BESIDE.items():
            values = [run[heading] for run in runs if np.isfinite(run[heading])]
            cells.append(f"{format(np.mean(values), form) if values else '-':>10}")
        lines.append(f"{name:<{width}}{len(runs):>6}" + "".join(cells))
    return "\n".join(lines)


def _beside(row, twin, found, supervised):
    """How one run stands to its ordinary twin and to the detectors on the same images."""
    blind = [found.get(_key(row, TRIVIAL, n, row["variant"])) for n in _WITHOUT_LOOKING]
    best = [_value(b, "part_interpretability") for b in blind if b is not None]
    taught = found.get(_key(row, SUPERVISED, supervised), {})
    return {
        "accuracy": 100 * _less(row, twin, "accuracy"),
        "balanced": 100 * _less(row, twin, "balanced_accuracy"),
        "instab.": _over(row, twin, "instability"),
        "div.": _over(row, twin, "diversity"),
        "parts": _value(row, "part_interpretability") - max(best) if best else np.nan,
        "R2": _less(row, taught, "r2"),
        "R2 str.": _less(row, taught, "r2_strongest"),
        "cover.": _less(row, twin, "coverage"),
    }


def number(text, digits):
    """A figure of a table with so many digits, or a dash."""
    try:
        return f"{float(text):.{digits}f}"
    except (TypeError, ValueError):
        return "-"


def _key(row, kind, variant, beside=""):
    return kind, variant, beside, row["category"], str(row["seed"])


def _value(row, column):
    text = row.get(column)
    return float("nan") if text in (None, "") else float(text)


def _less(row, other, column):
    return _value(row, column) - _value(other, column)


def _over(row, other, column):
    below = _value(other, column)
    return _value(row, column) / below if below else float("nan")

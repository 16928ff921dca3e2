"""A table of the paper as text and as rows: our figures, and the paper's beside them."""

import math
from dataclasses import dataclass

import numpy as np

_ACROSS = 10  # columns side by side


@dataclass(frozen=True)
class Line:
    """Figures of one network: what was measured, a cell a column, and the paper's line to it.

    `cells` holds `Cell`s by figure; `interpretable` says which of the paper's two lines belongs
    to it.
    """

    network: str
    title: str
    variant: str
    interpretable: bool
    cells: dict


@dataclass(frozen=True)
class Cell:
    """Mean over the runs of one cell, or NaN where one of them is missing; the two counts."""

    value: float
    runs: int
    wanted: int

    @classmethod
    def of(cls, values, wanted):
        """The cell of the values there are, of so many wanted."""
        whole = wanted and len(values) == wanted and not any(math.isnan(v) for v in values)
        return cls(float(np.mean(values)) if whole else math.nan, len(values), wanted)


def table_text(table, lines, networks, notes):
    """The whole table as text.

    Args:
        table: A `PaperTable`.
        lines: List of `Line`, what was run.
        networks: Dict of network names to titles, those of the paper that were not run included.
        notes: Lines below the heading.
    """
    text = [f"Table {table.name.removeprefix('table')}. {table.title} ({table.better} is better)"]
    text += notes
    if table.sqrt2_too_large:
        text.append(
            "The paper's lines: its first version prints them sqrt(2) too large, so they are "
            "divided by it; averages are those of its final version where they are known."
        )
    figures = list(dict.fromkeys(f for c in table.columns for f in _rule_names(c)))
    for place in range(max(len(c.figures) for c in table.columns)):
        if len(figures) > 1:
            text += ["", f"By the rule: {figures[place]}"]
        text += ["", *_block(table, lines, networks, place)]
    missing = _missing(table, lines)
    if missing:
        text += ["", f"Not measured, shown as -: {missing}"]
    return "\n".join(text)


def _rule_names(column):
    if len(column.figures) < 2:
        return [""]
    named = {True: "each filter in the category that suits it best"}
    return [
        named.get(f.endswith("_best_class"), "each filter in its target category")
        + (" (the paper's)" if place == 0 else "")
        for place, f in enumerate(column.figures)
    ]


def _block(table, lines, networks, place):
    """One figure of all networks; wide tables in pieces."""
    ours = [(line, _values(table, line, place)) for line in lines]
    same = _measured_by_all(ours)
    rows = []
    for network, title in networks.items():
        for line, values in ours:
            if line.network == network:
                rows.append((f"{title}, {line.variant}", values, _mean(values), values[same]))
        if place == 0:
            rows += _paper_rows(table, network, title, same)
    width = max(len(label) for label, *_ in rows)
    heads = [column.name for column in table.columns]
    text = []
    for first in range(0, len(heads), _ACROSS):
        last = first + _ACROSS >= len(heads)
        head = [*heads[first : first + _ACROSS]]
        sizes = [max(len(h), 6) + 2 for h in head]
        extra = []
        if last and table.average:
            extra = [f"all {len(heads)}", f"these {int(same.sum())}"]
        text.append(
            " " * width
            + "".join(f"{h:>{n}}" for h, n in zip(head, sizes, strict=True))
            + "".join(f"{h:>10}" for h in extra)
        )
        for label, values, average, shared in rows:
            cells = values[first : first + _ACROSS]
            line = f"{label:<{width}}" + "".join(
                f"{_number(v, table):>{n}}" for v, n in zip(cells, sizes, strict=True)
            )
            if extra:
                line += f"{_number(average, table):>10}{_number(_mean(shared), table):>10}"
            text.append(line)
        text.append("")
    return text[:-1]


def _paper_rows(table, network, title, same):
    rows = []
    for interpretable, kind in ((False, "ordinary"), (True, "interpretable")):
        values, average = table.paper(network, interpretable)
        values = np.array(values)
        if np.isfinite(values).any():
            rows.append((f"  paper: {title}, {kind}", values, average, values[same]))
    return rows


def _values(table, line, place):
    return np.array(
        [
            line.cells[column.figures[place]][k].value * table.scale
            if place < len(column.figures)
            else math.nan
            for k, column in enumerate(table.columns)
        ]
    )


def _measured_by_all(ours):
    """bool [columns]: what every network that has anything has."""
    some = [np.isfinite(values) for _, values in ours if np.isfinite(values).any()]
    return np.logical_and.reduce(some) if some else np.zeros(len(ours[0][1]) if ours else 0, bool)


def _mean(values):
    """The mean, NaN where a value is missing or there is none."""
    return float(np.mean(values)) if len(values) else math.nan


def _number(value, table):
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{table.digits}f}"


def _missing(table, lines):
    """What was to be measured and has not been, networks with the same gaps together."""
    gaps = {}
    for line in lines:
        mine = []
        for k, column in enumerate(table.columns):
            cell = line.cells[column.figures[0]][k]
            if cell.wanted and not math.isfinite(cell.value):
                count = f" ({cell.runs} of {cell.wanted} runs)" if cell.runs else ""
                if cell.runs == cell.wanted:
                    count = " (not defined)"
                mine.append(f"{column.name}{count}")
        if mine:
            gaps.setdefault(", ".join(mine), []).append(f"{line.title}, {line.variant}")
    return "; ".join(f"{' and '.join(names)}: {columns}" for columns, names in gaps.items())


def table_rows(table, lines, shared):
    """The table as a list of dicts, a cell each; `shared` is added to every one of them.

    Those of the paper's lines that no network was run for come last.
    """
    rows = []
    for line in lines:
        rows += [{**cell, **shared} for cell in _cells(table, line)]
    run = {(line.network, line.interpretable) for line in lines}
    for network, interpretable in table.printed:
        if (network, interpretable) not in run:
            rows += _printed_only(table, network, interpretable)
    return rows


def _cells(table, line):
    """What each cell of a line says: those of its columns and figures, then its average."""

    def place_of(column):
        return {
            "table": table.name,
            "column": column,
            "network": line.network,
            "variant": line.variant,
        }

    values, average = table.paper(line.network, line.interpretable)
    for k, column in enumerate(table.columns):
        for place, figure in enumerate(column.figures):
            cell = line.cells[figure][k]
            yield {
                **place_of(column.name),
                "figure": figure,
                "value": _written(cell.value * table.scale),
                "runs": cell.runs,
                "runs_wanted": cell.wanted,
                "paper": _written(values[k]) if place == 0 else "",
            }
    if table.average:
        first = table.columns[0].figures[0]
        yield {
            **place_of("all"),
            "figure": first,
            "value": _written(_mean(_values(table, line, 0))),
            "runs": sum(cell.runs for cell in line.cells[first]),
            "runs_wanted": sum(cell.wanted for cell in line.cells[first]),
            "paper": "" if average is None else _written(average),
        }


def _printed_only(table, network, interpretable):
    """The paper's line of a network that was not run."""
    values, average = table.paper(network, interpretable)
    names = [column.name for column in table.columns]
    if table.average:
        names, values = [*names, "all"], [*values, average]
    return [
        {
            "table": table.name,
            "column": name,
            "network": network,
            "variant": "interpretable" if interpretable else "ordinary",
            "paper": _written(value),
        }
        for name, value in zip(names, values, strict=True)
        if math.isfinite(value)
    ]


def _written(value):
    return f"{value:.5g}" if math.isfinite(value) else ""

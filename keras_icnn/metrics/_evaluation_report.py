"""What `evaluate` gives back: figures, the per-filter table, the trivial detectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn._files.csv_file import write_csv

if TYPE_CHECKING:
    import os

# Column of the text table: (key in `values`, heading).
_SHOWN = (
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced"),
    ("instability", "instab."),
    ("r2", "R2"),
    ("r2_median", "median"),
    ("r2_strongest", "R2 str."),
    ("r2_facing", "R2 fac."),
    ("coverage", "cover."),
    ("parts_followed", "followed"),
    ("anatomy", "anatomy"),
    ("part_interpretability", "parts"),
    ("alive", "alive"),
    ("diversity", "div."),
    ("part_diversity", "n parts"),
)
_BEST_CLASS = (
    ("instability_best_class", "instab.*"),
    ("r2_best_class", "R2*"),
    ("part_interpretability_best_class", "parts*"),
)


@dataclass(frozen=True)
class EvaluationReport:
    """The measures of one network's layer on one data set.

    Attributes:
        name: what the tables call the network.
        layer: name of the measured layer (None: maps were given).
        values: dict of figures: `accuracy`, `balanced_accuracy`, `instability`, `r2`, `r2_median`,
            `r2_strongest`, `r2_strongest_median`, `r2_facing`, `coverage`, `parts_followed`,
            `anatomy`, `part_interpretability`, `alive` (share of filters), `fired` (mean share of
            images), `diversity`, `part_diversity` (effective number of parts), `radius` (pixels),
            `images`, `images_measured`, `filters`; with several categories also `*_best_class`;
            with several independent outputs `accuracy_outputs`; where the layer has parts
            `best_part`, the mean `r2_strongest` of the filters of the best-followed part of each
            category. NaN: does not apply. Means over
            filters take -1 as R2, 0 as anatomy and the random detector's instability for filters
            not alive. `coverage` may choose among all filters in every category, `parts_followed`
            counts the filters of the category; both are means over the categories.
        filters: the per-filter table, dict of column name to an array [filters]; raw values, NaN
            where undefined. `r2`, `r2_strongest` and `r2_facing` are of the best landmark over at
            most 100 images, `r2_LANDMARK` of each landmark over all images that contain it.
            `part` is the annotated part that a filter overlaps most;
            `part_category` and `part_number` are there where the layer has parts of its own.
        trivial: dict of detector name to its figures (see `trivial_detectors`), means over the
            categories.
        categories: names of the categories measured.
        landmarks: names of the landmarks.
        notes: sentences printed below the table.
        landmark_coverage: dict of landmark to its coverage, mean over the categories.
    """

    name: str
    layer: str | None
    values: dict[str, float]
    filters: dict[str, np.ndarray]
    trivial: dict[str, dict[str, float]]
    categories: list[str]
    landmarks: list[str]
    notes: list[str] = field(default_factory=list)
    landmark_coverage: dict[str, float] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """The per-filter table as a list of dicts, one a filter."""
        columns = {key: column.tolist() for key, column in self.filters.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def table(self, *others: EvaluationReport) -> list[dict[str, Any]]:
        """One dict a row: this network, `others` (reports), then every trivial detector."""
        rows = [{"detector": report.name, **report.values} for report in (self, *others)]
        return rows + [{"detector": name, **values} for name, values in self.trivial.items()]

    def summary(self, *others: EvaluationReport) -> str:
        """The table as text: this network, further reports, and the trivial detectors below."""
        shown = list(_SHOWN)
        if len(self.categories) > 1:
            shown += _BEST_CLASS
        rows = self.table(*others)
        width = max(len(str(row["detector"])) for row in rows)
        lines = [" " * width + "".join(f"{heading:>10}" for _, heading in shown)]
        for row in rows:
            cells = "".join(f"{_cell(row.get(key)):>10}" for key, _ in shown)
            lines.append(f"{row['detector']:<{width}}{cells}")
        lines += ["", *self._legend()]
        return "\n".join(lines)

    def _legend(self):
        radius = self.values["radius"]
        lines = [
            f"{self.values['images']} images, {self.values['images_measured']} of "
            f"{', '.join(self.categories)} measured; {self.values['filters']} filters"
            + (f" of layer '{self.layer}'" if self.layer else "")
            + (f"; receptive field radius {radius:.1f} pixels" if math.isfinite(radius) else ""),
            "instab.: location instability (lower is steadier). R2: best landmark, over all images "
            "/ 30 strongest (str.) / within facing (fac.).",
            "cover.: R2 of the best filter for each landmark, found on one half of the images and "
            "measured on the other.",
            "followed: landmarks that at least a twentieth of the filters follow. anatomy: R2 in "
            "the object's own frame, at least 0.",
            "parts: part interpretability. div.: distance of peaks. n parts: effective number of "
            "parts the filters stand for.",
        ]
        if len(self.categories) > 1:
            lines.append("*: each filter in the category that suits it best, not in its target.")
        if self.landmark_coverage:
            covered = (f"{k} {_cell(v)}" for k, v in self.landmark_coverage.items())
            lines.append(f"Coverage by landmark: {', '.join(covered)}.")
        return lines + list(self.notes)

    def to_csv(
        self, path: str | os.PathLike[str], table: Literal["filters", "summary"] = "filters"
    ) -> None:
        """Writes a table as CSV; the file appears only when it is complete.

        Args:
            path: where to write; the folder must exist.
            table: "filters" (one row a filter) or "summary" (networks and trivial detectors).
        """
        choices = ("filters", "summary")
        table = check.choice(table, "table", "EvaluationReport.to_csv", choices)
        rows = self.rows() if table == "filters" else self.table()
        write_csv(path, [{key: _written(value) for key, value in row.items()} for row in rows])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values that JSON can hold (NaN becomes None)."""
        return {
            "name": self.name,
            "layer": self.layer,
            "categories": list(self.categories),
            "landmarks": list(self.landmarks),
            "values": _plain(self.values),
            "trivial": _plain(self.trivial),
            "filters": _plain(self.filters),
            "notes": list(self.notes),
            "landmark_coverage": _plain(self.landmark_coverage),
        }


def _cell(value):
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3f}"


def _written(value):
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value

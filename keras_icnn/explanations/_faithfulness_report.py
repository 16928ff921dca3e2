"""`FaithfulnessReport`: figures of explanations, method by method."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn._files.csv_file import write_csv

if TYPE_CHECKING:
    import os

_HEADINGS = {
    "deletion_blur": "del. blur",
    "insertion_blur": "ins. blur",
    "advantage_blur": "adv. blur",
    "deletion_mean": "del. mean",
    "insertion_mean": "ins. mean",
    "advantage_mean": "adv. mean",
    "points_any": "part hit",
    "agreement_shift": "shift",
    "agreement_jpeg": "JPEG",
    "agreement_noise": "noise",
    "incomplete": "incompl.",
    "seconds": "seconds",
}


@dataclass(frozen=True)
class FaithfulnessReport:
    """Faithfulness of explanations of one network.

    Attributes:
        rows: list of dicts, one an image and method: `file`, `method`, and figures as in
            `evaluate_faithfulness`; a figure that does not apply is missing or NaN.
        drops: dict of an annotated part's name to `OcclusionDrop`: what filters lose that peak in
            the part's box when the box is hidden.
        named_drops: the same for the filters that are named after the part.
        outside_share: mean of `Explanation.outside_share`.
        warned: share of the images with a warning.
        radius: pixels, of the receptive field that was used.
    """

    rows: list[dict]
    drops: dict = field(default_factory=dict)
    named_drops: dict = field(default_factory=dict)
    outside_share: float = math.nan
    warned: float = math.nan
    radius: float = math.nan

    @property
    def methods(self) -> list[str]:
        """The methods, in the order they were measured."""
        return list(dict.fromkeys(row["method"] for row in self.rows))

    def means(self) -> dict[str, dict[str, float]]:
        """The mean of every figure over the images on which it is defined, method by method."""
        found = {}
        for method in self.methods:
            mine = [row for row in self.rows if row["method"] == method]
            names = dict.fromkeys(k for row in mine for k in row if k not in ("file", "method"))
            found[method] = {
                name: _mean([row.get(name, math.nan) for row in mine]) for name in names
            }
        return found

    def summary(self) -> str:
        """The figures as a table."""
        means = self.means()
        extra = {
            n: n.removeprefix("points_") for m in means.values() for n in m if n not in _HEADINGS
        }
        headings = {
            k: v for k, v in {**_HEADINGS, **extra}.items() if any(k in m for m in means.values())
        }
        width = max(len("method"), *map(len, means))
        lines = ["  ".join([f"{'method':<{width}}", *(f"{h:>9}" for h in headings.values())])]
        for method, figures in means.items():
            cells = [_cell(figures.get(name, math.nan)) for name in headings]
            lines.append("  ".join([f"{method:<{width}}", *(f"{c:>9}" for c in cells)]).rstrip())
        lines += ["", *self._notes()]
        return "\n".join(lines)

    def _notes(self):
        images = len({row["file"] for row in self.rows})
        notes = [
            f"{images} images. Deletion: lower is better; insertion, advantage (insertion less "
            "deletion, of the logit), hits and agreement: higher is better.",
            f"{_cell(self.outside_share)} of the decisions comes from outside the shown places; "
            f"{_cell(self.warned)} of the images have a warning.",
        ]
        for which, drops in (("peak in it", self.drops), ("are named after it", self.named_drops)):
            for part, drop in drops.items():
                if not math.isnan(drop.there):
                    notes.append(
                        f"Hiding {part}: filters that {which} lose {drop.there:.2f}, others "
                        f"{drop.elsewhere:.2f}."
                    )
        return notes

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes `rows`, a line an image and method."""
        write_csv(path, self.rows)


def _mean(values):
    values = np.asarray(values, "float64")
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan


def _cell(value):
    return "" if math.isnan(value) else f"{value:.2f}"

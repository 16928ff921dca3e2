"""`Explanation`: what decided one image, as table, text and figure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._figure import mark, new_figure, save, show

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

_GROUPED = {
    "membership": "Filters that the layer assigned to one part of a category are together; a part "
    "has a name where at least half of its filters follow an annotated part, or as given.",
    "annotation": "Filters that follow the same annotated part (R2 above one half, or as given) "
    "are one part; the others where they fire on the same place.",
    "reference": "Filters that fire on the same place in the same reference images are one part.",
    "image": "Filters that fire on one place in this image are together; pass `reference` images "
    "to know which fire alike in general.",
    "nothing": "Every filter is by itself.",
}
_LEFT = {
    "ablation": "Remainder: what parts do together, so that no single one of them has it.",
    "gradient": "Remainder: what is not linear in the parts.",
}
# A larger share than this from outside the shown places is said in words.
_MUCH = 0.5
_BASELINE, _REMAINDER, _OTHERS = "without any filter", "remainder", "other parts"


@dataclass(frozen=True)
class Part:
    """Filters that count as one, and what they do to the score together.

    `filters` tuple of numbers; `effect` in logit units; `share` of the sum of all parts' absolute
    effects, with the effect's sign; `name` of the annotated part, or ""; `category` the filters'
    target category, or ""; `x`, `y` pixels of the peak of the strongest of them, and its
    `strength`. NaN and 0 where no map of theirs is above 0 (swish, GELU: negative maps have an
    effect, too). `key` is category and number of the layer's own part, such as "tiger/0", or "".
    """

    filters: tuple[int, ...]
    effect: float
    share: float
    name: str
    category: str
    x: float
    y: float
    strength: float
    key: str = ""

    @property
    def count(self) -> int:
        """How many filters it is."""
        return len(self.filters)

    @property
    def label(self) -> str:
        """The part's name or key, or its filters' numbers as far as they are short to say."""
        if self.name or self.key:
            return self.name or self.key
        if self.count == 1:
            return f"filter {self.filters[0]}"
        if self.count == 2:
            return f"filters {self.filters[0]}, {self.filters[1]}"
        return f"filters {self.filters[0]}, {self.filters[1]}, ..."


@dataclass(frozen=True)
class Explanation:
    """Which filters decided the class of one image.

    `logit = baseline + sum of the parts' effects + remainder`.

    Attributes:
        image: uint8 `[height, width, 3]`.
        model, layer: names.
        method: "ablation" or "gradient".
        target, target_name: the class whose score is explained.
        against, against_name: the class it is compared with, or None and "".
        prediction, prediction_name: the class the model chose.
        logits: float64 `[outputs]`.
        probabilities: float64 `[outputs]`, what the model's softmax or sigmoid makes of them; None
            where it has neither.
        logit: the score: the target's logit (less that of `against`; minus the logit for class 0
            of a model with one output).
        baseline: the score with every filter silent.
        effects: float64 `[filters]`, effect of each filter alone.
        filter_remainder: `logit - baseline - effects.sum()`.
        parts: tuple of `Part`, the strongest effect (of either sign) first; those silent here are
            left out.
        remainder: what baseline and parts leave of the score.
        strengths, peaks: float32 `[filters]` and `[filters, 2]`: height and (x, y) pixel of each
            filter's peak.
        field_radius: pixels; a quarter of the theoretical receptive field.
        categories: int `[filters]`, the filters' target categories (-1: none), or None.
        grouped_by: what makes filters one part: "membership" (of the layer's own parts),
            "annotation", "reference", "image", "nothing".
        outside_share: 0 to 1, share of the decision that comes from units farther than
            `field_radius` from where their part is shown, or NaN (see
            `docs/understand/faithfulness.md`).
        unit_effects: float32 `[parts, h, w]`, activation times gradient, unit by unit: where each
            part's effect comes from. `centers`: float `[h, w, 2]`, the units' (x, y) pixels.
        warnings: why not to trust the decision, a list of short sentences.
    """

    image: np.ndarray
    model: str
    layer: str
    method: str
    target: int
    target_name: str
    against: int | None
    against_name: str
    prediction: int
    prediction_name: str
    logits: np.ndarray
    probabilities: np.ndarray | None
    logit: float
    baseline: float
    effects: np.ndarray
    filter_remainder: float
    parts: tuple[Part, ...]
    remainder: float
    strengths: np.ndarray
    peaks: np.ndarray
    field_radius: float
    categories: np.ndarray | None
    grouped_by: str
    outside_share: float = math.nan
    unit_effects: np.ndarray | None = None
    centers: np.ndarray | None = None
    warnings: list[str] = field(default_factory=list)

    def table(self, n: int | None = None) -> list[dict[str, Any]]:
        """One dict a row: parts, then what is not theirs; the column `effect` sums to the score.

        Args:
            n: how many parts to list; those left out are added up in a row "other parts". None:
                all.

        Returns:
            List of dicts of `part`, `key` ("tiger/0", "" where the layer has no parts), `filters`,
            `count`, `category`, `effect`, `share`, `x`, `y`, `strength`; the last two rows are
            "without any filter" and "remainder".
        """
        if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 0):
            raise ValueError(f"`n` must be a number of parts, or None. Received: n={n!r}")
        shown = self.parts if n is None else self.parts[:n]
        rows = [
            {
                "part": part.label,
                "key": part.key,
                "filters": list(part.filters),
                "count": part.count,
                "category": part.category,
                "effect": part.effect,
                "share": part.share,
                "x": part.x,
                "y": part.y,
                "strength": part.strength,
            }
            for part in shown
        ]
        others = self.parts[len(shown) :]
        if others:
            rows.append(
                _plain_row(
                    _OTHERS,
                    sum(part.effect for part in others),
                    filters=sorted(f for part in others for f in part.filters),
                    share=sum(part.share for part in others),
                )
            )
        rows.append(_plain_row(_BASELINE, self.baseline))
        rows.append(_plain_row(_REMAINDER, self.remainder))
        return rows

    def summary(self, n: int | None = 10) -> str:
        """The explanation as text.

        Args:
            n: how many parts to list.
        """
        rows = self.table(n)
        width = max(len("part"), *(len(row["part"]) for row in rows))
        kinds = max(len("category"), *(len(row["category"]) for row in rows))
        lines = [
            *self._headline(),
            "",
            f"{'part':<{width}}  {'filters':>7}  {'category':<{kinds}}  {'effect':>8}  {'share':>6}"
            "  place (x, y)",
        ]
        for row in rows:
            place = "" if math.isnan(row["x"]) else f"{row['x']:.0f}, {row['y']:.0f}"
            share = "" if math.isnan(row["share"]) else f"{_signed(100 * row['share'], 0)}%"
            count = row["count"] or ""
            lines.append(
                f"{row['part']:<{width}}  {count:>7}  {row['category']:<{kinds}}  "
                f"{_signed(row['effect'], 3):>8}  {share:>6}  {place}".rstrip()
            )
        lines.append(
            f"{'sum: the score':<{width}}  {'':>7}  {'':<{kinds}}  {_signed(self.logit, 3):>8}"
        )
        return "\n".join([*lines, "", *self._legend()])

    def _headline(self):
        chance = ""
        if self.probabilities is not None:
            value = float(self.probabilities[0 if len(self.logits) == 1 else self.prediction])
            if len(self.logits) == 1 and self.prediction == 0:
                value = 1 - value
            chance = f" (probability {value:.1%})"
        lines = [f"'{self.model}' says {self.prediction_name}{chance}."]
        lines.append(f"{self.asked[0].upper()}{self.asked[1:]} is {_signed(self.logit, 3)}.")
        return lines

    @property
    def asked(self) -> str:
        """The score that is explained, in words."""
        if self.against is not None:
            return f"the logit of {self.target_name} less that of {self.against_name}"
        if len(self.logits) == 1 and self.target == 0:
            return f"the score of {self.target_name} (minus the logit)"
        return f"the logit of {self.target_name}"

    def _legend(self):
        how = (
            "the score less the score without the part's filters (ablation, exact)"
            if self.method == "ablation"
            else "activation times gradient, summed over the part's maps (gradient)"
        )
        outside = [] if math.isnan(self.outside_share) else [self._outside()]
        warnings = [f"Warning: {sentence}" for sentence in self.warnings]
        return [
            *warnings,
            *outside,
            f"Effect: {how}; above 0 it speaks for {self.target_name}. Share: of all parts' "
            "absolute effects.",
            f"{_LEFT[self.method]} Layer '{self.layer}', {len(self.effects)} filters.",
            _GROUPED[self.grouped_by],
        ]

    def _outside(self):
        text = f"{self.outside_share:.0%} of the decision comes from outside the shown places"
        return f"Most of it is not shown: {text}." if self.outside_share > _MUCH else f"{text}."

    def to_dict(self) -> dict[str, Any]:
        """Everything but the image as plain values that JSON can hold."""
        plain = {
            name: getattr(self, name)
            for name in (
                "model",
                "layer",
                "method",
                "target",
                "target_name",
                "against",
                "against_name",
                "prediction",
                "prediction_name",
                "logit",
                "baseline",
                "filter_remainder",
                "remainder",
                "field_radius",
                "grouped_by",
            )
        }
        plain["outside_share"] = None if math.isnan(self.outside_share) else self.outside_share
        plain["warnings"] = list(self.warnings)
        for name in ("logits", "probabilities", "effects", "strengths", "peaks", "categories"):
            value = getattr(self, name)
            plain[name] = None if value is None else value.tolist()
        plain["parts"] = [
            {key: None if value != value else value for key, value in row.items()}
            for row in self.table()[: len(self.parts)]
        ]
        return plain

    def plot(
        self,
        n: int | None = 5,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
    ) -> Figure:
        """The image with the strongest parts ringed, beside their effects.

        Args:
            n: how many parts to show.
            path: file to write, its format by its ending; None writes none.
            title: of the figure; None says what is explained.

        Returns:
            `matplotlib.figure.Figure`.

        Raises:
            ImportError: without matplotlib.
            ValueError: for a path in a folder that does not exist.
        """
        rows = self.table(n)
        figure, axes = new_figure(9.5, max(3.6, 0.34 * len(rows) + 1.5), 1, 2, width_ratios=(2, 3))
        picture, bars = axes[0]
        show(picture, self.image)
        shown = self.parts[:n]
        colors = _colors(len(shown))
        for number, (part, color) in enumerate(zip(shown, colors, strict=True), 1):
            if math.isnan(part.x):
                continue
            radius = self.field_radius * _spread(number)
            mark(picture, (part.x, part.y), radius, color)
            picture.annotate(
                str(number),
                _on_ring(number, part, radius, self.image.shape),
                ha="center",
                va="center",
                fontsize=9,
                fontweight="bold",
                color="black",
                bbox={"boxstyle": "circle,pad=0.15", "facecolor": color, "edgecolor": "black"},
            )
        picture.set_xlabel("rings: where the parts fire", fontsize=9)
        places = np.arange(len(rows))[::-1]
        own = [*colors, *["#9a9a9a"] * (len(rows) - len(shown))]
        bars.barh(places, [row["effect"] for row in rows], color=own, edgecolor="black", lw=0.5)
        bars.set_yticks(places, [_bar_label(i, row, len(shown)) for i, row in enumerate(rows)])
        bars.axvline(0, color="black", lw=0.8)
        bars.margins(x=0.18)
        for place, row in zip(places, rows, strict=True):
            bars.annotate(
                _signed(row["effect"], 2),
                (row["effect"], place),
                xytext=(4 if row["effect"] >= 0 else -4, 0),
                textcoords="offset points",
                ha="left" if row["effect"] >= 0 else "right",
                va="center",
                fontsize=9,
            )
        bars.set_xlabel(f"effect on {self.asked} (sum: {_signed(self.logit, 2)})", fontsize=9)
        for side in ("top", "right"):
            bars.spines[side].set_visible(False)
        how = "removing each part" if self.method == "ablation" else "activation times gradient"
        figure.suptitle(
            title or f"{self.model} says {self.prediction_name}: effects by {how}", fontsize=12
        )
        return save(figure, path)


def _signed(value, digits):
    """With its sign; what rounds to 0 is +0."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def _plain_row(name, effect, filters=(), share=math.nan):
    return {
        "part": name,
        "key": "",
        "filters": list(filters),
        "count": len(filters),
        "category": "",
        "effect": float(effect),
        "share": share,
        "x": math.nan,
        "y": math.nan,
        "strength": math.nan,
    }


def _colors(n):
    """Colors that people who do not see red and green as different tell apart (Okabe and Ito)."""
    palette = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
    return [palette[i % len(palette)] for i in range(n)]


def _spread(number):
    """Rings on one place have different sizes, so that each is seen."""
    return 1.0 - 0.06 * ((number - 1) % 5)


def _on_ring(number, part, radius, shape):
    """Where the ring's number stands, within the picture."""
    angle = math.radians(72 * (number - 1) - 90)
    x, y = part.x + radius * math.cos(angle), part.y + radius * math.sin(angle)
    return min(max(x, 0), shape[1] - 1), min(max(y, 0), shape[0] - 1)


def _bar_label(i, row, parts):
    text = row["part"]
    if row["count"] > 1:
        text += f" ({row['count']} filters)"
    if row["category"] and row["part"] != row["key"]:
        text += f", {row['category']}"
    return f"{i + 1}  {text}" if i < parts else text

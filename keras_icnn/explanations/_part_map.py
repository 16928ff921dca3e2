"""An explanation by parts as a map of the image, and how much of the decision it leaves out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_icnn import _arguments as check

if TYPE_CHECKING:
    from keras_icnn.explanations._explanation import Explanation


def part_map(
    explanation: Explanation,
    radius: float | None = None,
    *,
    each: Literal["part", "filter", "unit"] = "part",
) -> np.ndarray:
    """Where in the image the score comes from, as the explanation says it.

    Each effect is laid over the image as a round hill around its place, with half its height at
    `radius`. A map of effects against the class has values below 0 there.

    Args:
        explanation: `Explanation`.
        radius: pixels; the measured one is `icnn.metrics.occlusion_radius`. None: the explanation's
            `field_radius`.
        each: `"part"`: a part's effect lies at the part's one place, as `plot` draws it;
            `"filter"`: each filter's effect lies at its own peak; `"unit"`: what each unit of the
            maps adds lies at the unit's center. Without the hills this last one is the class
            activation map, where what is above the layer is a mean and a linear layer.

    Returns:
        float64 `[height, width]`.
    """
    check.choice(each, "each", "part_map", ("part", "filter", "unit"))
    radius = check.positive(radius, "radius", "part_map", optional=True)
    if each == "part":
        places = [(part.x, part.y) for part in explanation.parts]
        effects = [part.effect for part in explanation.parts]
    elif each == "filter":
        places, effects = explanation.peaks, explanation.effects
    else:
        if explanation.unit_effects is None:
            raise ValueError(
                "Argument `each` of part_map can be 'unit' for explanations that `icnn.explain` "
                "made. Received: an explanation without `unit_effects`"
            )
        places, effects = explanation.centers, explanation.unit_effects.sum(axis=0).ravel()
    places = np.asarray(places, "float64").reshape(-1, 2)
    effects = np.asarray(effects, "float64")
    if each == "filter":
        effects = np.where(explanation.strengths > 0, effects, 0)
    shown = np.isfinite(places).all(axis=1) & (effects != 0)
    places, effects = places[shown], effects[shown]
    height, width = explanation.image.shape[:2]
    slope = math.log(2) / (explanation.field_radius if radius is None else radius) ** 2
    across = np.exp(-slope * np.square(np.arange(width) - places[:, :1]))
    down = np.exp(-slope * np.square(np.arange(height) - places[:, 1:]))
    return (down * effects[:, None]).T @ across


def strongest_point(explanation: Explanation) -> np.ndarray:
    """(x, y) of the part that speaks most for the class: float64 `[2]`, NaN where none does."""
    speaking = [p for p in explanation.parts if p.effect > 0 and not math.isnan(p.x)]
    if not speaking:
        return np.full(2, np.nan)
    first = max(speaking, key=lambda part: part.effect)
    return np.array([first.x, first.y])


def outside_share(contributions, centers, places, radius):
    """The share of the decision that comes from units outside the places that are shown.

    Args:
        contributions: float `[h, w, filters]`, activation times gradient of each unit: what it adds
            to the score, exactly so where what is above the maps is linear.
        centers: float `[h, w, 2]`, (x, y) pixel of each unit's center.
        places: float `[filters, 2]`, where each filter's part is shown; NaN: nowhere.
        radius: pixels around that place that are shown.

    Returns:
        float, 0 to 1: sum of absolute contributions outside over that of all; NaN where there are
        none.
    """
    size = np.abs(np.asarray(contributions, "float64"))
    total = size.sum()
    if not total > 0:
        return math.nan
    away = np.square(np.asarray(centers, "float64")[:, :, None] - places).sum(axis=-1)
    # A comparison with NaN is False.
    return float(1 - size[away <= radius * radius].sum() / total)


def unit_effects(contributions, parts):
    """What each unit adds to each part's effect: float32 `[parts, h, w]`.

    Args:
        contributions: float `[h, w, filters]`, activation times gradient.
        parts: sequence of `Part`.
    """
    rows = [contributions[:, :, list(part.filters)].sum(axis=-1) for part in parts]
    return np.array(rows, "float32").reshape(len(rows), *contributions.shape[:2])


def shown_places(peaks, strengths, groups):
    """Where each filter's part is shown: the peak of its strongest filter, float `[filters, 2]`."""
    places = np.full(peaks.shape, np.nan)
    for group in groups:
        strongest = max(group, key=lambda f: strengths[f])
        if strengths[strongest] > 0:
            places[list(group)] = peaks[strongest]
    return places

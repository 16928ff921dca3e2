"""What the demo's figures say, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_icnn.metrics import EvaluationReport


def reading(reports: dict[str, EvaluationReport]) -> str:
    """What the figures say, in words, whatever they are.

    Args:
        reports: dict of `"ordinary"` and `"interpretable"` to `EvaluationReport`.

    Returns:
        One paragraph.
    """
    ordinary, own = reports["ordinary"].values, reports["interpretable"].values
    trivial = reports["interpretable"].trivial
    category = reports["interpretable"].categories[0]
    one_bit, centre = trivial["one bit"]["r2"], trivial["centre"]["instability"]
    return " ".join(
        (
            f"Of {own['images']} images the networks never saw, the ordinary one is right on "
            f"{ordinary['accuracy']:.1%}, the interpretable one on {own['accuracy']:.1%}.",
            f"The place of the typical interpretable filter (median R2) explains "
            f"{_explained(own['r2_median'])} of how its best landmark moves over the images of a "
            f"{category}, that of the typical ordinary filter {_explained(ordinary['r2_median'])}; "
            "100% would follow the part exactly, 0% is a fixed place."
            + verdict(own["r2_median"], ordinary["r2_median"]),
            f"{_followers(reports['interpretable'])} of the interpretable filters have an R2 above "
            f"one half, {_followers(reports['ordinary'])} of the ordinary ones.",
            f"Knowing only whether the head is left or right already explains {one_bit:.0%}: the "
            f"typical interpretable filter is {_side(own['r2_median'], one_bit)} that, the typical "
            f"ordinary one {_side(ordinary['r2_median'], one_bit)}.",
            f"{own['alive']:.0%} of the interpretable filters are alive, that is, fire on most of "
            f"these images (ordinary: {ordinary['alive']:.0%}).",
            f"Location instability is {own['instability']:.3f} against "
            f"{ordinary['instability']:.3f}; always pointing to the image's center gives "
            f"{centre:.3f}, so the interpretable filters are "
            f"{'' if own['instability'] < centre else 'not '}steadier than a detector that looks "
            "at nothing.",
            _parts(reports),
        )
    )


def _followers(report):
    return f"{np.mean(report.filters['r2'] > 0.5):.0%}"


def _explained(r2):
    return f"{r2:.0%}" if r2 > 0 else f"nothing (R2 is {r2:.2f})"


def verdict(own, ordinary):
    if max(own, ordinary) <= 0:
        return " Neither network's typical filter follows a part."
    if own > ordinary + 0.05:
        return " Interpretable filters follow parts better."
    if own > ordinary - 0.05:
        return " That is about the same: the method did not help here."
    return " That is worse: the method did harm here."


def _side(value, mark):
    return "above" if value > mark else "not above"


def _parts(reports):
    """How many parts the filters of both networks stand for, and which."""
    own, ordinary = reports["interpretable"], reports["ordinary"]
    best = own.filters["r2_landmark"][own.filters["alive"]].astype(str)
    names, counts = np.unique(best, return_counts=True)
    if not len(names):
        return "No interpretable filter is alive, so none stands for a part."
    well = own.filters["r2"][own.filters["alive"]] > 0.5
    listed = ", ".join(
        f"{names[i]} {counts[i]} ({well[best == names[i]].sum()} with an R2 above one half)"
        for i in np.argsort(-counts, kind="stable")
    )
    text = (
        f"The landmarks that the {int(counts.sum())} interpretable filters follow best: {listed}. "
        f"Two peaks in one image are {own.values['diversity']:.0%} of its diagonal apart, in the "
        f"ordinary network {ordinary.values['diversity']:.0%}"
    )
    if own.values["diversity"] < 0.7 * ordinary.values["diversity"]:
        text += (
            ": the price is variety, since many filters come to look at one place. They are not as "
            "many different parts as there are filters."
        )
    else:
        text += "."
    return text

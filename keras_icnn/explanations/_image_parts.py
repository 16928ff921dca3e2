"""The parts that an image's explanation is put together of."""

import math

import numpy as np

from keras_icnn.explanations._explanation import Part


def parts_here(peaks, strengths, groups, joint, category_of):
    """The `Part`s that fire or count in an image, the strongest effect first.

    Args:
        peaks: float `[filters, 2]`.
        strengths: float `[filters]`.
        groups: `FilterGroups`.
        joint: float `[groups]`, their effects.
        category_of: function of a group that gives the name of its category, or "".
    """
    total = float(np.abs(joint).sum()) or 1.0
    parts = []
    rows = zip(groups.groups, groups.names, groups.keys, joint, strict=True)
    for group, name, key, effect in rows:
        strongest = max(group, key=lambda f: strengths[f])
        fires = strengths[strongest] > 0
        if not fires and effect == 0:
            continue
        parts.append(
            Part(
                filters=group,
                effect=float(effect),
                share=float(effect) / total,
                name=name,
                category=category_of(group),
                # Maps that are negative everywhere count, but have no peak.
                x=float(peaks[strongest, 0]) if fires else math.nan,
                y=float(peaks[strongest, 1]) if fires else math.nan,
                strength=float(strengths[strongest]),
                key=key,
            )
        )
    return tuple(sorted(parts, key=lambda part: -abs(part.effect)))

"""Does hiding a part lower the filters that are said to look at it, and only those?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class OcclusionDrop(NamedTuple):
    """Mean share of their activation that filters lose when a place is hidden.

    `there`: filters said to be there; `elsewhere`: all others that fire; `selectivity`: the first
    less the second. NaN where there is no such filter on any image.
    """

    there: float
    elsewhere: float
    selectivity: float


def occlusion_drop(strengths: ArrayLike, hidden: ArrayLike, belongs: ArrayLike) -> OcclusionDrop:
    """By how much filters fall when the place of some of them is hidden.

    The share that a filter loses in an image is `1 - hidden / strength`, limited to -1 .. 1.
    Filters that do not fire on the whole image are left out. First the mean over the filters of an
    image, then over the images that have filters of both kinds.

    A filter that looks at the whole image loses as much wherever one hides: its selectivity is 0.

    Args:
        strengths: float `[images, filters]`, height of each filter's peak on the whole image.
        hidden: float `[images, filters]`, its height with the place hidden: at the same unit, or
            the new peak.
        belongs: bool `[images, filters]` or `[filters]`, whether a filter is said to look there.

    Returns:
        `OcclusionDrop`.
    """
    strengths, hidden = (np.asarray(x, "float64") for x in (strengths, hidden))
    if strengths.ndim != 2 or strengths.shape != hidden.shape:
        raise ValueError(
            "Arguments `strengths` and `hidden` of occlusion_drop must have one shape [images, "
            f"filters]. Received: {strengths.shape} and {hidden.shape}"
        )
    belongs = np.broadcast_to(np.asarray(belongs, bool), strengths.shape)
    fires = strengths > 0
    lost = np.clip(1 - hidden / np.where(fires, strengths, 1), -1, 1)
    rows = []
    for drop, mine, others in zip(lost, fires & belongs, fires & ~belongs, strict=True):
        if mine.any() and others.any():
            rows.append((drop[mine].mean(), drop[others].mean()))
    if not rows:
        return OcclusionDrop(*[float("nan")] * 3)
    there, elsewhere = np.mean(rows, axis=0)
    return OcclusionDrop(float(there), float(elsewhere), float(there - elsewhere))

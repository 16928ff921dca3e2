"""By how much each filter of a layer moves the logit: exactly by ablation, fast by gradient."""

from typing import NamedTuple

import numpy as np

METHODS = ("ablation", "gradient")


class Effects(NamedTuple):
    """What the filters do to one image's logits.

    `logits` float64 `[classes]`; `score` float, the weighted sum of logits that is explained;
    `baseline` float, the same with every filter silent; `single` float64 `[filters]`, the effect
    of each filter on the score; `joint` float64 `[groups]`, that of each group removed at once.
    """

    logits: np.ndarray
    score: float
    baseline: float
    single: np.ndarray
    joint: np.ndarray


def filter_effects(split, tensors, weights, groups, method):
    """The `Effects` of one image.

    By ablation, a filter's effect is the score less the score with its map set to zero, which is
    exact for that filter (or group of filters); effects of different filters do not add up where
    what is above the maps is not linear. By gradient, it is the sum over the map's units of
    activation times gradient: one backward pass, exact where what is above is linear, and additive.

    Args:
        split: `SplitModel`.
        tensors: what `split.below` gives for one image.
        weights: float `[classes]`; the score is the sum of weights times logits.
        groups: sequence of tuples of filter numbers.
        method: "ablation" or "gradient".
    """
    weights = np.asarray(weights, "float64")
    maps = tensors[0]
    filters = maps.shape[-1]
    fires = np.any(maps[0] != 0, axis=(0, 1))
    everything = np.ones((1, filters), bool)
    if method == "gradient":
        logits = _logits_with(split, tensors, np.concatenate([everything, ~everything]))
        gradient = split.gradient(tensors, weights[None])
        single = (maps.astype("float64") * gradient).sum(axis=(0, 1, 2))
        joint = np.array([single[list(group)].sum() for group in groups])
        scores = logits @ weights
        return Effects(logits[0], float(scores[0]), float(scores[1]), single, joint)
    # Removing a map of zeros changes nothing, so only the others are tried.
    removed = [(f,) for f in np.flatnonzero(fires)]
    at = {filters_out: number for number, filters_out in enumerate(removed)}
    wanted = [tuple(f for f in group if fires[f]) for group in groups]
    for group in wanted:
        if group and group not in at:
            at[group] = len(removed)
            removed.append(group)
    kept = np.ones((len(removed), filters), bool)
    for row, group in zip(kept, removed, strict=True):
        row[list(group)] = False
    logits = _logits_with(split, tensors, np.concatenate([everything, ~everything, kept]))
    scores = logits @ weights
    effects = scores[0] - scores[2:]
    single = np.zeros(filters)
    single[fires] = effects[: int(fires.sum())]
    joint = np.array([effects[at[group]] if group else 0.0 for group in wanted])
    return Effects(logits[0], float(scores[0]), float(scores[1]), single, joint)


def _logits_with(split, tensors, kept):
    """Logits float64 `[rows, classes]` with only some filters kept: bool `[rows, filters]`."""
    size, parts = split.batch_size, []
    for first in range(0, len(kept), size):
        rows = kept[first : first + size]
        maps = tensors[0] * rows[:, None, None, :]
        sides = [np.repeat(side, len(rows), axis=0) for side in tensors[1:]]
        parts.append(split.logits([maps.astype("float32"), *sides]))
    return np.concatenate(parts)


def gradient_effects(split, tensors, weights):
    """Of many images at once, by gradient.

    Args:
        split: `SplitModel`.
        tensors: what `split.below` gives for the images.
        weights: float `[images, classes]`.

    Returns:
        Effects float64 `[images, filters]`.
    """
    gradient = split.gradient(tensors, weights)
    return np.einsum(
        "bhwf,bhwf->bf", tensors[0].astype("float64"), gradient.astype("float64"), optimize=True
    )

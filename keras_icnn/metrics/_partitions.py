"""How far two labellings of the same things agree, whatever their labels are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def normalized_mutual_information(
    first: Sequence[Any] | np.ndarray, second: Sequence[Any] | np.ndarray
) -> float:
    """2 I(U; V) / (H(U) + H(V)) of two labellings (Vinh, Epps and Bailey 2010, NMI_sum).

    1 where the two tell the same things apart, 0 where knowing one says nothing of the other. It
    is not corrected for chance: many labels on few things score above 0 by themselves.

    Args:
        first, second: sequences [n] of labels, integers or strings.

    Returns:
        float; NaN for n = 0, 1 where both have a single label.
    """
    table = _contingency(first, second)
    if not table.size:
        return float("nan")
    p = table / table.sum()
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    both = _entropy(rows) + _entropy(columns)
    if both == 0:
        return 1.0
    # I = H(U) + H(V) - H(U, V), which rounding may leave just below 0.
    return float(max(0.0, 2 * (both - _entropy(p.ravel())) / both))


def adjusted_rand_index(
    first: Sequence[Any] | np.ndarray, second: Sequence[Any] | np.ndarray
) -> float:
    """Share of pairs on which two labellings agree, corrected for chance (Hubert and Arabie 1985).

    1 where the two tell the same things apart, 0 on average for labels drawn at random, below 0
    where they agree less than that.

    Args:
        first, second: sequences [n] of labels, integers or strings.

    Returns:
        float; NaN for n = 0, 1 where both have a single label, or no two things share one.
    """
    table = _contingency(first, second)
    if not table.size:
        return float("nan")
    together = _pairs(table).sum()
    rows, columns = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    expected = rows * columns / max(_pairs(table.sum()), 1.0)
    highest = (rows + columns) / 2
    return 1.0 if highest == expected else float((together - expected) / (highest - expected))


def _contingency(first, second):
    """How often each label of one goes with each of the other: float [labels, labels]."""
    first, second = np.asarray(first), np.asarray(second)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            "`first` and `second` must be labels [n] of the same things. Received: shapes "
            f"{first.shape} and {second.shape}"
        )
    u, first = np.unique(first, return_inverse=True)
    v, second = np.unique(second, return_inverse=True)
    count = np.bincount(first * len(v) + second, minlength=len(u) * len(v))
    return count.reshape(len(u), len(v)).astype("float64")


def _entropy(p):
    p = p[p > 0]
    return float(-(p * np.log(p)).sum()) if len(p) > 1 else 0.0


def _pairs(n):
    return n * (n - 1) / 2

"""Times two functions in turns (A B B A, A B B A, ...): only the ratio of each group counts.

What else the machine does then weighs on both alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def paired_seconds(
    first: Callable[[], Any],
    second: Callable[[], Any],
    repeats: int,
    *,
    clocks: Sequence[Callable[[], float]] = (time.perf_counter, time.process_time),
) -> tuple[np.ndarray, np.ndarray]:
    """Times two functions in turns, first second second first, `repeats` times.

    Args:
        first, second: Functions without arguments that return when their work is done.
        repeats: Number of groups of four calls.
        clocks: What tells the time in seconds: by default the wall's, and the processors' time
            that this process used.

    Returns:
        Two float arrays `[clocks, repeats, 2]`, the seconds of each call of `first` and `second`.
    """

    def seconds(function):
        start = [clock() for clock in clocks]
        function()
        return [clock() - begun for clock, begun in zip(clocks, start, strict=True)]

    a, b = np.zeros((2, len(clocks), repeats, 2))
    for i in range(repeats):
        a[:, i, 0] = seconds(first)
        b[:, i, 0] = seconds(second)
        b[:, i, 1] = seconds(second)
        a[:, i, 1] = seconds(first)
    return a, b


def summarize(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Medians and quartiles of the ratios of what `paired_seconds` gave, and median seconds."""
    ratio = a[0].sum(axis=1) / b[0].sum(axis=1)
    q1, median, q3 = np.quantile(ratio, (0.25, 0.5, 0.75))
    processor = a[-1].sum(axis=1) / b[-1].sum(axis=1)
    return {
        "ratio": round(float(median), 4),
        "ratio_q1": round(float(q1), 4),
        "ratio_q3": round(float(q3), 4),
        # Steadier where others use the machine: waiting for a core does not count.
        "cpu_ratio": round(float(np.median(processor)), 4),
        "seconds": round(float(np.median(a[0])), 6),
        "plain_seconds": round(float(np.median(b[0])), 6),
    }

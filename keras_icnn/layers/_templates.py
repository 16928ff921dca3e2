"""Part templates and their prior (paper section 3), in plain NumPy."""

import functools
import math
import numbers

import numpy as np

NORMS = ("l1", "l2")


def check_positive(name, value, *, where):
    """Returns `value` as a float; raises unless it is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not value > 0:
        raise ValueError(
            f"Argument `{name}` of {where} must be a number above 0. Received: {name}={value!r}"
        )
    if not math.isfinite(value):
        raise ValueError(f"Argument `{name}` of {where} must be finite. Received: {name}={value!r}")
    return float(value)


class PartTemplates:
    """The `h*w` positive templates of a feature map and the negative one.

    `T_mu[i, j] = tau * max(1 - beta * ||[i, j] - mu|| / n, -1)` for each unit `mu`,
    `T_neg[i, j] = -tau`, with priors `p(T_mu) = alpha / (h*w)` and `p(T_neg) = 1 - alpha`
    (paper section 3). The paper has square maps of side `n`; for `h x w` maps `n = sqrt(h*w)`.

    Args:
        height, width: size of the feature map, in units.
        norm: `"l1"`, a diamond, or `"l2"`, a disc.
        tau: height of a template. Defaults to the paper's `0.5 / (h*w)`.
        beta: how fast a template falls off; it crosses zero at a distance of `n / beta` units.
        alpha: prior of all positive templates together. Defaults to the paper's
            `h*w / (1 + h*w)`, with which all `h*w + 1` templates are equally likely.

    Templates are ordered row by row, `T_mu` of unit `[i, j]` at index `i * width + j`; the
    negative template comes last.
    """

    def __init__(self, height, width, *, norm="l1", tau=None, beta=4.0, alpha=None):
        for name, value in (("height", height), ("width", width)):
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(
                    f"Argument `{name}` of PartTemplates must be a whole number of units, at "
                    f"least 1. Received: {name}={value!r}"
                )
        if norm not in NORMS:
            raise ValueError(
                f"Argument `norm` of PartTemplates must be one of {NORMS}. Received: norm={norm!r}"
            )
        self.height, self.width = int(height), int(width)
        self.units = self.height * self.width
        self.n = math.sqrt(self.units)
        self.norm = norm
        self.tau = (
            0.5 / self.units if tau is None else check_positive("tau", tau, where="PartTemplates")
        )
        self.beta = check_positive("beta", beta, where="PartTemplates")
        if alpha is None:
            alpha = self.units / (1.0 + self.units)
        if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not 0 < alpha < 1:
            raise ValueError(
                "Argument `alpha` of PartTemplates must lie between 0 and 1. "
                f"Received: alpha={alpha!r}"
            )
        self.alpha = float(alpha)

    def distances(self):
        """Distance between each two units: float64 `[h*w, h*w]`."""
        rows, columns = np.divmod(np.arange(self.units), self.width)
        dr = np.abs(rows[:, None] - rows[None, :]).astype("float64")
        dc = np.abs(columns[:, None] - columns[None, :]).astype("float64")
        return dr + dc if self.norm == "l1" else np.hypot(dr, dc)

    def positive(self):
        """All positive templates: float64 `[h*w, h, w]`."""
        bank = self.tau * np.maximum(1.0 - self.beta * self.distances() / self.n, -1.0)
        return bank.reshape(self.units, self.height, self.width)

    def negative(self):
        """The negative template: float64 `[h, w]`."""
        return np.full((self.height, self.width), -self.tau)

    def bank(self):
        """Positive templates, then the negative one: float64 `[h*w + 1, h, w]`."""
        return np.concatenate([self.positive(), self.negative()[None]])

    def factors(self):
        """The table of all templates as a product of small ones; None where that is no gain.

        Positive templates are one shape, shifted. A discrete Fourier transform over the rows (its
        real form, Hartley's) turns shifts by rows into factors; one table of `w x w` is left for
        each of `K` frequencies, `K` about `1.5 h`. A map's traces take some `P K` operations then,
        instead of `P^2`.

        Returns:
            `(analysis, kernels, synthesis)`, float64 `[K, h]`, `[K, w, w]`, `[h + 1, K]`, such that
            `bank()[t, i, j]` with `t = a * w + b` is the sum over `k` of
            `synthesis[a, k] kernels[k, b, j] analysis[k, i]`.
        """
        rows, columns = np.arange(self.height), np.arange(self.width)
        dr, dc = rows[:, None].astype("float64"), columns[None, :]
        distance = dr + dc if self.norm == "l1" else np.hypot(dr, dc)
        # The shape over the negative template, which is 0 from some distance on.
        shape = np.maximum(2.0 - self.beta * distance / self.n, 0.0)
        reach = int(np.max(np.nonzero(shape[:, 0])))
        period = self.height + reach  # shifts do not wrap onto the map
        # By measurement, small products run at a quarter of a large one's speed.
        if self.units < 4 * (2 * period + period * self.width / self.height):
            return None
        lag = np.arange(period)
        lag = np.minimum(lag, period - lag)
        wrapped = np.where(lag[:, None] <= reach, shape[np.minimum(lag, reach)], 0.0)
        angle = 2 * np.pi / period * np.outer(np.arange(period), np.arange(period))
        spectrum = np.cos(angle) @ wrapped  # [K, w], over the distance of two columns
        kernels = self.tau * spectrum[:, np.abs(columns[:, None] - columns[None, :])]
        analysis = (np.cos(angle) + np.sin(angle))[:, : self.height] / math.sqrt(period)
        # One more "frequency" takes the negative template from each, and one more row is its own.
        analysis = np.concatenate([analysis, np.ones((1, self.height))])
        kernels = np.concatenate([kernels, np.full((1, self.width, self.width), -self.tau)])
        synthesis = np.concatenate([analysis.T, np.eye(1, period + 1, period)])
        return analysis, kernels, synthesis

    @functools.cached_property
    def tables(self):
        """What maps are multiplied with, float32: the bank `[h*w + 1, h*w]`, or its `factors`.

        Made once: without a compiler they are asked for in every step.
        """
        tables = self.factors() or (self.bank().reshape(self.units + 1, self.units),)
        return tuple(table.astype("float32") for table in tables)

    def log_prior(self):
        """`log p(T)` in the order of `bank()`: float64 `[h*w + 1]`."""
        prior = np.full(self.units + 1, math.log(self.alpha / self.units))
        prior[-1] = math.log1p(-self.alpha)
        return prior

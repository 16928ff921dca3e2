"""Part templates and their prior (paper section 3), in plain NumPy."""

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

    def log_prior(self):
        """`log p(T)` in the order of `bank()`: float64 `[h*w + 1]`."""
        prior = np.full(self.units + 1, math.log(self.alpha / self.units))
        prior[-1] = math.log1p(-self.alpha)
        return prior

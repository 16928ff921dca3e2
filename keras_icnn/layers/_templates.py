"""Part templates and their prior (paper section 3), in plain NumPy."""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keras_icnn import _arguments

NORMS = ("l1", "l2")


@dataclass(frozen=True, kw_only=True)
class PartTemplates:
    """The shape of the part templates, for maps of any size (paper section 3).

    `T_mu[i, j] = tau * max(1 - beta * ||[i, j] - mu|| / n, -1)` for each unit `mu`,
    `T_neg[i, j] = -tau`, with priors `p(T_mu) = alpha / (h*w)` and `p(T_neg) = 1 - alpha`. The
    paper has square maps of side `n`; for `h x w` maps `n = sqrt(h*w)`.

    Args:
        norm: `"l1"`, a diamond, or `"l2"`, a disc.
        tau: Height of a template. `None`: the paper's `0.5 / (h*w)`.
        beta: How fast a template falls off; it crosses zero at a distance of `n / beta` units.
        alpha: Prior of all positive templates together. `None`: the paper's
            `h*w / (1 + h*w)`, with which all `h*w + 1` templates are equally likely.

    Raises:
        ValueError: For a constant out of range.

    Example:

    ```python
    bank = icnn.PartTemplates(beta=2.0).for_maps(14, 14).bank()
    bank.shape  # (197, 14, 14)
    ```
    """

    norm: str = "l1"
    tau: float | None = None
    beta: float = 4.0
    alpha: float | None = None

    def __post_init__(self):
        where = "PartTemplates"
        checked = {
            "norm": _arguments.choice(self.norm, "norm", where, NORMS),
            "tau": _arguments.positive(self.tau, "tau", where, optional=True),
            "beta": _arguments.positive(self.beta, "beta", where),
            "alpha": _arguments.number(self.alpha, "alpha", where, above=0, below=1, optional=True),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def for_maps(self, height: int, width: int) -> TemplateBank:
        """The templates of feature maps of `height x width` units: `TemplateBank`."""
        return TemplateBank(self, height, width)

    def get_config(self) -> dict[str, Any]:
        """The constants by name."""
        return asdict(self)


class TemplateBank:
    """The `h*w` positive templates of a feature map and the negative one.

    Templates are ordered row by row, `T_mu` of unit `[i, j]` at index `i * width + j`; the
    negative template comes last.

    Args:
        templates: `PartTemplates`.
        height, width: Size of the feature map, in units.

    Attributes:
        units: `height * width`.
        n: Side of a square map of as many units, `sqrt(height * width)`.
        norm, tau, beta, alpha: The constants, those of the paper where none were given.
    """

    def __init__(self, templates: PartTemplates, height: int, width: int) -> None:
        self.height = _arguments.whole_number(height, "height", "for_maps", at_least=1)
        self.width = _arguments.whole_number(width, "width", "for_maps", at_least=1)
        self.units = self.height * self.width
        self.n = math.sqrt(self.units)
        self.norm = templates.norm
        self.tau = 0.5 / self.units if templates.tau is None else templates.tau
        self.beta = templates.beta
        even = self.units / (1.0 + self.units)
        self.alpha = even if templates.alpha is None else templates.alpha

    def bank(self) -> np.ndarray:
        """All templates: float64 `[h*w + 1, h, w]`."""
        rows, columns = np.divmod(np.arange(self.units), self.width)
        dr = np.abs(rows[:, None] - rows[None, :]).astype("float64")
        dc = np.abs(columns[:, None] - columns[None, :]).astype("float64")
        distance = dr + dc if self.norm == "l1" else np.hypot(dr, dc)
        positive = self.tau * np.maximum(1.0 - self.beta * distance / self.n, -1.0)
        bank = np.concatenate([positive, np.full((1, self.units), -self.tau)])
        return bank.reshape(-1, self.height, self.width)

    @functools.cached_property
    def table(self) -> np.ndarray:
        """`bank()` as a matrix: float32 `[h*w + 1, h*w]`. Made once."""
        return self.bank().reshape(self.units + 1, self.units).astype("float32")

    def log_prior(self) -> np.ndarray:
        """`log p(T)` in the order of `bank()`: float64 `[h*w + 1]`."""
        prior = np.full(self.units + 1, math.log(self.alpha / self.units))
        prior[-1] = math.log1p(-self.alpha)
        return prior

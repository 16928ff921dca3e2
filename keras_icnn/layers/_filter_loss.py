"""`FilterLoss`: every rule of the filter loss in one serializable object."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import keras

from keras_icnn import _arguments
from keras_icnn.layers import _rules
from keras_icnn.layers._likelihood import MARGINALS
from keras_icnn.layers._peaks import PEAKS
from keras_icnn.layers._targets import TARGETS
from keras_icnn.layers._templates import PartTemplates


@keras.saving.register_keras_serializable(package="keras_icnn")
@dataclass(frozen=True, kw_only=True, repr=False)
class FilterLoss:
    """How filters are pushed towards parts. Without arguments: the paper's rule, read literally.

    The loss of a filter is `-MI(X; T)` between its maps and the part templates (paper Eq. 1). Its
    gradient is called the *push*. It is either added to the loss with a weight of its own
    (`weight="absolute"`), or to the backward pass as a fixed fraction of the task's gradient
    (`weight="relative"`). Objects cannot be changed; `dataclasses.replace(rule, ...)` makes others.

    Args:
        gradient: Which gradient of the loss is followed.
            `"one_template"`: the paper's rule, Eq. (4) with the sign of the appendix. Only the
            target template counts. `Z_T` and `p(x)` are constant.
            `"full_sum"`: the sum over all templates with `Z_T` constant (appendix).
            `"full_differentiation"`: `Z_T` is differentiated too; exact for the batch's own
            statistics (`momentum=0`), approximate for running ones.
            `"equal"`: every map is pushed along its target template, however well it fits.
            `"official"`: the strengths of the authors' MATLAB code.
        weight: `"absolute"` or `"relative"`. A relative push has a fixed size on the images of
            each filter's target category. It has no component along the maps themselves, which
            would only make activations grow or vanish.
        strength: With an absolute weight: the factor of lambda (Eq. 3), by default the paper's
            5e-6. With a relative weight: the share of the task gradient's root mean square at the
            layer's output, by default 0.1.
        scale_with_activation: Whether an absolute weight is multiplied by the running mean of
            `max_ij x`, filter by filter (paper section 5).
        decay_steps: If given, the weight is divided by `1 + floor(step / decay_steps)`; the
            authors divide by the number of the epoch.
        marginal: How p(x) is computed: `"map"`, Eq. (2) summed over templates for each map, or
            `"constant"`, 1/N.
        rescale: Whether each map is divided by the filter's running mean peak before likelihoods
            are computed. Without it, likelihoods saturate where activations are large.
        class_balance: Whether images of the target category and of others weigh the same in a
            batch: `0.5 / share` and `0.5 / (1 - share)` (authors' code).
        peak: Which unit chooses the template: `"argmax"` (paper) or `"center_of_mass"`, rounded
            (authors' code).
        target: How filters get their target category. `"sum"`: the class whose images have the
            largest mean sum of the map, chosen again in every step (paper section 3.1).
            `"max"`: the same with the map's maximum (authors' code). `"assigned"`: each filter is
            assigned to a category and a part once, in turn or by the layer's `adapt`.
        balance_targets: Whether the categories get about equally many filters. Without it, each
            filter takes the category that activates it most. A category that is a little ahead may
            then take nearly all filters, since the push activates its filters more.
        parts: Number of parts per category. The category's filters are assigned to its parts, and
            in each image the parts compete for places. A part claims the places where its filters
            fire more strongly than those of the other parts. The largest claim is settled first.
            All filters of a part are pushed along the template at its place. `None`: every filter
            is pushed along the template at its own peak (paper), and nearly all filters of a
            category may end at the same part.
        spacing: Distance (L1, in units of the map) that must be exceeded between the places of two
            parts in an image. `None`: the largest at which the places of all parts cover at most
            three quarters of a map.
        momentum: Momentum of all running statistics.
        learn_beta: Whether each filter's mask and template learn a width of their own. It follows
            the spread of the filter's maps on images of its target category: `beta` starts from
            the templates' and moves, with `momentum`, to `clip(3 / sigma, 1.5, 3)`. Sigma is the
            deviation of the maps from their peaks, on axes from -1 to 1 (authors' code).
            Likelihoods keep the templates' `beta`.
        mask_beta: `beta` of the masks of the forward pass. `None`: that of the templates (paper). A
            smaller one lets more of the peak's surroundings through. Narrow masks together with a
            push cost accuracy.
        templates: `PartTemplates`, or a dict of its arguments.

    Raises:
        ValueError: For unknown names, values out of range, and options that no chosen rule reads.

    Example:

    ```python
    rule = icnn.FilterLoss(gradient="full_sum", templates=icnn.PartTemplates(beta=2.0))
    layer = icnn.InterpretableConv(64, 3, num_classes=5, filter_loss=rule)
    ```

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935)
    """

    gradient: str = "one_template"
    weight: str = "absolute"
    strength: float | None = None
    scale_with_activation: bool = True
    decay_steps: int | None = None
    marginal: str = "map"
    rescale: bool = False
    class_balance: bool = False
    peak: str = "argmax"
    target: str = "sum"
    balance_targets: bool = False
    parts: int | None = None
    spacing: int | None = None
    momentum: float = 0.9
    learn_beta: bool = False
    mask_beta: float | None = None
    templates: PartTemplates = field(default_factory=PartTemplates)

    def __post_init__(self):
        where = "FilterLoss"
        for name, choices in (
            ("gradient", _rules.GRADIENTS),
            ("weight", _rules.WEIGHTS),
            ("marginal", MARGINALS),
            ("peak", PEAKS),
            ("target", TARGETS),
        ):
            self._set(name, _arguments.choice(getattr(self, name), name, where, choices))
        for name in (
            "scale_with_activation",
            "rescale",
            "class_balance",
            "balance_targets",
            "learn_beta",
        ):
            self._set(name, _arguments.flag(getattr(self, name), name, where))
        if self.strength is None:
            self._set("strength", _rules.WEIGHTS[self.weight].strength)
        self._set("strength", _arguments.positive(self.strength, "strength", where))
        self._set(
            "decay_steps",
            _arguments.whole_number(
                self.decay_steps, "decay_steps", where, at_least=1, optional=True
            ),
        )
        for name, least in (("parts", 1), ("spacing", 0)):
            value = getattr(self, name)
            value = _arguments.whole_number(value, name, where, at_least=least, optional=True)
            self._set(name, value)
        if self.spacing is not None and self.parts is None:
            fix = "Give `parts` as well."
            _arguments.refuse(self.spacing, "spacing", where, "None where `parts` is None", fix)
        self._set(
            "momentum", _arguments.number(self.momentum, "momentum", where, at_least=0, below=1)
        )
        self._set(
            "mask_beta", _arguments.positive(self.mask_beta, "mask_beta", where, optional=True)
        )
        if isinstance(self.templates, dict):
            self._set("templates", PartTemplates(**self.templates))
        if not isinstance(self.templates, PartTemplates):
            _arguments.refuse(self.templates, "templates", where, "a PartTemplates or a dict")
        defaults = {f.name: f.default for f in fields(self) if f.name != "templates"}
        _rules.check_read(self, defaults)

    def _set(self, name, value):
        object.__setattr__(self, name, value)

    @classmethod
    def parse(cls, value: FilterLoss | str | dict[str, Any] | None) -> FilterLoss | None:
        """A `FilterLoss` from a name, another `FilterLoss`, its serialized form, or None.

        Args:
            value: `"default"`: competing parts. `"one_part"`: every filter at its own peak, which
                follows one part of a category best. `"paper"`: the paper, read literally.
                `"official"`: the authors' code. Or a `FilterLoss`, its serialized form, or None.

        Raises:
            ValueError: For anything else.
        """
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, str) and value in NAMED:
            return NAMED[value]
        if isinstance(value, dict):
            value = keras.saving.deserialize_keras_object(value)
            if isinstance(value, cls):
                return value
        raise ValueError(
            f"Argument `filter_loss` must be one of {tuple(NAMED)}, a FilterLoss, or None (mask "
            f"only). Received: filter_loss={value!r}"
        )

    def get_config(self) -> dict[str, Any]:
        """Every option by name; `templates` as a dict."""
        config = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**config, "templates": self.templates.get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FilterLoss:
        return cls(**config)

    def __repr__(self) -> str:
        # The default strength is that of the weight.
        default = FilterLoss(weight=self.weight)
        changed = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != getattr(default, f.name)
            or (f.name == "weight" and self.weight != f.default)
        }
        return f"FilterLoss({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


NAMED = {
    # Equal strengths leave only the direction of the push to the templates; tau then only sets the
    # scale of the likelihoods that are monitored.
    "default": FilterLoss(
        gradient="equal",
        weight="relative",
        strength=0.3,
        rescale=True,
        class_balance=True,
        target="assigned",
        parts=8,
        mask_beta=1.0,
        templates=PartTemplates(tau=0.1),
    ),
    "one_part": FilterLoss(
        gradient="equal",
        weight="relative",
        strength=0.15,
        rescale=True,
        class_balance=True,
        balance_targets=True,
        mask_beta=1.0,
        templates=PartTemplates(tau=0.1),
    ),
    "paper": FilterLoss(),
    "official": FilterLoss(
        gradient="official",
        weight="absolute",
        strength=1e-6,
        scale_with_activation=False,
        class_balance=True,
        peak="center_of_mass",
        target="max",
        learn_beta=True,
    ),
}

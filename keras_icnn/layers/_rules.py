"""The rules that `FilterLoss` puts together: gradients and weights, each with what it reads.

A gradient says which options it reads, whether it needs likelihoods, and what the push is. An
option that is given and that nothing reads is an error (`check_read`).
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_icnn import _arguments
from keras_icnn.layers import _replicas
from keras_icnn.layers._likelihood import log_mean_exp
from keras_icnn.layers._masks import positive_template
from keras_icnn.layers._peaks import Peaks
from keras_icnn.layers._pushes import PullPush, TargetPush, full_push, over_units


class Batch(NamedTuple):
    """What a gradient reads of a batch.

    Attributes:
        maps: float32 `[B, h, w, F]`, rectified.
        peaks: `Peaks`, `[B, F]` each: the units that templates are drawn around.
        positive: `[B, F]`, 1 for the images of a filter's target category, else 0.
        weight: `[B, F]`, what each image counts.
        scale: `[F]`, running mean peak of each filter, above 0.
        beta: `[F]`, width of each filter's templates.
        size: Scalar, number of images on all replicas.
    """

    maps: Any
    peaks: Peaks
    positive: Any
    weight: Any
    scale: Any
    beta: Any
    size: Any


class Gradient:
    """Which gradient of the filter loss is followed.

    Attributes:
        name: What it is called in `FilterLoss(gradient=...)`.
        reads: Options that not every gradient reads.
        needs_likelihood: Whether the push depends on Eq. (2)'s likelihoods, which are then
            computed in every step. Otherwise they are a monitor, computed now and then.
    """

    name = ""
    reads = frozenset()
    needs_likelihood = False

    def push(self, batch, likelihood, rule, bank):
        """The push on each map, before any weight of the whole loss.

        Args:
            batch: `Batch`.
            likelihood: `Likelihood` of the batch; of no meaning where it is not needed.
            rule: `FilterLoss`.
            bank: `TemplateBank`.

        Returns:
            `TargetPush` or `DensePush`.
        """
        raise NotImplementedError


class OneTemplate(Gradient):
    """The paper's Eq. (4), with the sign of its appendix: only the target template counts."""

    name = "one_template"
    reads = frozenset({"class_balance", "learn_beta", "parts"})
    needs_likelihood = True

    def push(self, batch, likelihood, rule, bank):
        row, column = batch.peaks
        index = ops.where(batch.positive > 0, row * bank.width + column, float(bank.units))
        strength = bank.tau * likelihood.target_strength(ops.cast(index, "int32"))
        if rule.rescale:
            strength = strength / batch.scale
        return TargetPush.of(batch.peaks, batch.positive, strength * batch.weight, batch.beta)


class FullSum(Gradient):
    """The sum over all templates with `Z_T` constant (appendix)."""

    name = "full_sum"
    needs_likelihood = True
    differentiate_z = False

    def push(self, batch, likelihood, rule, bank):
        strengths = likelihood.all_strengths(batch.size, self.differentiate_z)
        if rule.rescale:
            strengths = strengths / batch.scale
        return full_push(strengths, bank)


class FullDifferentiation(FullSum):
    """The sum over all templates, `Z_T` differentiated too."""

    name = "full_differentiation"
    differentiate_z = True


class Equal(Gradient):
    """Every map is pushed along its target template, however well it fits."""

    name = "equal"
    reads = frozenset({"class_balance", "learn_beta", "parts"})

    def push(self, batch, likelihood, rule, bank):
        return PullPush.of(batch.peaks, batch.positive, bank.tau * batch.weight, batch.beta)


class Official(Gradient):
    """The strengths of the authors' MATLAB code: `exp(s/alpha) (s - A + alpha)`, normalized.

    `s = mean(x o T / tau)` against the target template; `A = alpha log mean_x exp(s'/alpha)`, where
    `s'` uses the positive templates of other images and filters (both orders reversed), or the
    negative template for images of other categories. Strengths are divided by their mean size over
    the images of the batch that are of the target category, or that are not.
    """

    name = "official"
    reads = frozenset({"class_balance", "learn_beta", "parts"})
    alpha = 0.5

    def push(self, batch, likelihood, rule, bank):
        strength = normalized_by_sign(self.strengths(batch, bank), batch.positive)
        return TargetPush.of(batch.peaks, batch.positive, strength * batch.weight, batch.beta)

    def strengths(self, batch, bank):
        """Strengths before they are normalized, over `exp(A/alpha)`: float32 `[B, F]`."""
        others = Peaks(*(ops.flip(_replicas.in_reverse(p), axis=1) for p in batch.peaks))

        def fits(peaks, beta):
            return over_units(batch.maps * positive_template(peaks, beta, bank)) / bank.units

        own, negative = fits(batch.peaks, batch.beta), -ops.mean(batch.maps, axis=(1, 2))
        s = ops.where(batch.positive > 0, own, negative)
        log_mean = ops.where(
            batch.positive > 0,
            log_mean_exp(fits(others, ops.flip(batch.beta, axis=0)) / self.alpha, batch.size),
            log_mean_exp(negative / self.alpha, batch.size),
        )
        a = self.alpha * log_mean
        # Divided by exp(A/alpha): the same after normalization, and it cannot overflow.
        return ops.exp(s / self.alpha - log_mean) * (s - a + self.alpha)


def normalized_by_sign(strength, positive):
    """Strengths over their mean size among the batch's images of the same sign: `[B, F]`."""
    size = ops.abs(strength)
    sums = _replicas.all_sum(
        [
            ops.sum(size * positive, axis=0),
            ops.sum(positive, axis=0),
            ops.sum(size * (1.0 - positive), axis=0),
            ops.sum(1.0 - positive, axis=0),
        ]
    )
    mean = ops.where(
        positive > 0,
        sums[0] / ops.maximum(sums[1], 1.0),
        sums[2] / ops.maximum(sums[3], 1.0),
    )
    return ops.where(mean > 0, strength / ops.maximum(mean, np.finfo("float32").tiny), 0.0)


class Weight(NamedTuple):
    """How the push is weighed against the task.

    Attributes:
        name: What it is called in `FilterLoss(weight=...)`.
        strength: `FilterLoss(strength=None)`.
        reads: Options that not every weight reads.
    """

    name: str
    strength: float
    reads: frozenset


GRADIENTS = {
    g.name: g for g in (OneTemplate(), FullSum(), FullDifferentiation(), Equal(), Official())
}
WEIGHTS = {
    w.name: w
    for w in (
        Weight("absolute", 5e-6, frozenset({"scale_with_activation"})),
        Weight("relative", 0.1, frozenset()),
    )
}
# Width of the masks: fixed by `mask_beta`, or learned with that of the templates.
_MASKS = {False: frozenset({"mask_beta"}), True: frozenset()}
# Categories that are chosen while filters learn, and categories assigned for good.
_TARGETS = {
    "sum": frozenset({"balance_targets"}),
    "max": frozenset({"balance_targets"}),
    "assigned": frozenset(),
}
_CHOICES = (
    ("gradient", GRADIENTS),
    ("weight", WEIGHTS),
    ("learn_beta", _MASKS),
    ("target", _TARGETS),
)


def _reads(kind):
    return kind if isinstance(kind, frozenset) else kind.reads


def readers(option):
    """Choices that read an option: list of `(argument, value)`; empty where every rule does."""
    return [
        (argument, value)
        for argument, kinds in _CHOICES
        for value, kind in kinds.items()
        if option in _reads(kind)
    ]


def check_read(rule, defaults):
    """Refuses every option that is not at its default and that nothing reads.

    Args:
        rule: `FilterLoss`, its values checked.
        defaults: Values by name of the options to look at.

    Raises:
        ValueError: Naming the option, and the choices that read it.
    """
    for option, idle in defaults.items():
        given, known = getattr(rule, option), readers(option)
        if given == idle or not known:
            continue
        if any(getattr(rule, argument) == value for argument, value in known):
            continue
        argument = known[0][0]
        values = " or ".join(f"{argument}={value!r}" for _, value in known)
        _arguments.refuse(
            given,
            option,
            "FilterLoss",
            f"left at {idle!r} with {argument}={getattr(rule, argument)!r}, which does not read it",
            f"It is read with {values}.",
        )

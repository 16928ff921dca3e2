"""`FilterLoss`: every rule of the filter loss in one serialisable object."""

import numbers

import keras

from keras_icnn._templates import NORMS, PartTemplates, check_positive

GRADIENTS = ("one_template", "full_sum", "full_differentiation", "equal")
LIKELIHOODS = ("paper", "official")
WEIGHTS = ("absolute", "relative")
MARGINALS = ("map", "constant")
PEAKS = ("argmax", "center_of_mass")
TARGETS = ("sum", "max")
REFERENCES = ("batch", "image")

_OFFICIAL = {
    "likelihood": "official",
    "gradient": "one_template",
    "weight": "absolute",
    "strength": 1e-6,
    "scale_with_activation": False,
    "normalize": True,
    "class_balance": True,
    "peak": "center_of_mass",
    "target": "max",
}

# Equal strengths leave only the direction of the push to the templates; tau then only sets the
# scale of the likelihoods that are tracked and logged.
_DEFAULT = {
    "gradient": "equal",
    "weight": "relative",
    "strength": 0.1,
    "rescale": True,
    "class_balance": True,
    "remove_radial": True,
    "tau": 0.1,
}

NAMED = {"default": _DEFAULT, "paper": {}, "official": _OFFICIAL}


def _choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"Argument `{name}` of FilterLoss must be one of {choices}. Received: {name}={value!r}"
        )
    return value


@keras.saving.register_keras_serializable(package="keras_icnn")
class FilterLoss:
    """How filters are pushed towards parts. Without arguments: the paper's rule, read literally.

    The loss of a filter is `-MI(X; T)` between its maps and the part templates (paper Eq. 1). Its
    gradient is either added to the loss with a weight of its own (`weight="absolute"`), or to the
    backward pass as a fixed fraction of the task gradient (`weight="relative"`).

    Args:
        gradient: which gradient of the loss is followed.
            `"one_template"`: the paper's rule, Eq. (4) with the sign of the appendix: only the
            target template counts, `Z_T` and `p(x)` are constant.
            `"full_sum"`: the sum over all templates with `Z_T` constant (appendix).
            `"full_differentiation"`: `Z_T` is differentiated too; exact for the batch's own
            statistics (`momentum=0`), approximate for running ones.
            `"equal"`: every map is pushed along its target template, however well it fits
            (`likelihood` and `marginal` then only matter to what is logged).
        likelihood: `"paper"`, Eq. (2), or `"official"`, the strengths of the authors' MATLAB code.
        marginal: p(x): `"map"`, Eq. (2) summed over templates for each map, or `"constant"`, 1/N.
        weight: `"absolute"` or `"relative"`.
        strength: with an absolute weight, lambda's factor (Eq. 3), by default the paper's 5e-6;
            with a relative one the share of the task gradient's root mean square at the layer's
            output, by default 0.1.
        reference: that root mean square is taken over the `"batch"`, so that all images are pushed
            alike, or for each `"image"`, so that those the task has settled are left alone.
        scale_with_activation: whether an absolute weight is multiplied by the running mean of
            `max_ij x`, filter by filter (paper section 5).
        decay_steps: if given, the weight is divided by `1 + floor(step / decay_steps)`; the
            authors divide by the number of the epoch.
        rescale: whether likelihoods are computed on maps divided by the filter's running mean
            peak. `tr(x.T)` has a scale, and saturates where activations are large.
        normalize: whether fit strengths are divided by their mean size over the images of the
            batch that belong to the target category, or that do not (official code).
        class_balance: whether images of the target category and of others weigh the same in a
            batch: `0.5 / share` and `0.5 / (1 - share)` (official code).
        remove_radial: whether, filter by filter, the push loses its component along the batch's
            maps. That component only makes activations grow or vanish. With a relative weight.
        peak: which unit chooses the template: `"argmax"` (paper) or `"center_of_mass"`, rounded
            (official code).
        target: what the target category of a filter is chosen by, averaged over the images of
            each class: `"sum"` of the map (paper section 3.1) or its `"max"` (official code).
        momentum: of all running statistics.
        norm, tau, beta, alpha: of `PartTemplates`.

    Raises:
        ValueError: for unknown names, values out of range, and rules that do not go together.

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935)
    """

    def __init__(
        self,
        *,
        gradient="one_template",
        likelihood="paper",
        marginal="map",
        weight="absolute",
        strength=None,
        reference="batch",
        scale_with_activation=True,
        decay_steps=None,
        rescale=False,
        normalize=False,
        class_balance=False,
        remove_radial=False,
        peak="argmax",
        target="sum",
        momentum=0.9,
        norm="l1",
        tau=None,
        beta=4.0,
        alpha=None,
    ):
        self.gradient = _choice("gradient", gradient, GRADIENTS)
        self.likelihood = _choice("likelihood", likelihood, LIKELIHOODS)
        self.marginal = _choice("marginal", marginal, MARGINALS)
        self.weight = _choice("weight", weight, WEIGHTS)
        if strength is None:
            strength = 5e-6 if weight == "absolute" else 0.1
        self.strength = check_positive("strength", strength, where="FilterLoss")
        self.reference = _choice("reference", reference, REFERENCES)
        self.scale_with_activation = bool(scale_with_activation)
        if decay_steps is not None and (
            isinstance(decay_steps, bool)
            or not isinstance(decay_steps, numbers.Integral)
            or decay_steps < 1
        ):
            raise ValueError(
                "Argument `decay_steps` of FilterLoss must be a whole number of steps, at least "
                f"1, or None. Received: decay_steps={decay_steps!r}"
            )
        self.decay_steps = None if decay_steps is None else int(decay_steps)
        self.rescale = bool(rescale)
        self.normalize = bool(normalize)
        self.class_balance = bool(class_balance)
        self.remove_radial = bool(remove_radial)
        self.peak = _choice("peak", peak, PEAKS)
        self.target = _choice("target", target, TARGETS)
        if (
            isinstance(momentum, bool)
            or not isinstance(momentum, numbers.Real)
            or not 0 <= momentum < 1
        ):
            raise ValueError(
                "Argument `momentum` of FilterLoss must be at least 0 and below 1. "
                f"Received: momentum={momentum!r}"
            )
        self.momentum = float(momentum)
        self.norm = _choice("norm", norm, NORMS)
        self.tau, self.beta, self.alpha = tau, beta, alpha
        self.templates(2, 2)  # validates tau, beta and alpha
        if self.remove_radial and self.weight == "absolute":
            raise ValueError(
                "Argument `remove_radial` of FilterLoss needs weight='relative': an absolute "
                "weight follows the gradient of a loss. "
                f"Received: weight={weight!r}, remove_radial={remove_radial!r}"
            )
        if self.likelihood == "official" and self.gradient.startswith("full"):
            raise ValueError(
                "Argument `likelihood`='official' of FilterLoss knows one template an image; use "
                "gradient='one_template' or 'equal'. "
                f"Received: gradient={gradient!r}"
            )
        if self.gradient.startswith("full") and (self.normalize or self.class_balance):
            raise ValueError(
                "Arguments `normalize` and `class_balance` of FilterLoss weigh images by their "
                "target template; use gradient='one_template' or 'equal'. "
                f"Received: gradient={gradient!r}, normalize={normalize!r}, "
                f"class_balance={class_balance!r}"
            )

    @classmethod
    def parse(cls, value):
        """A `FilterLoss` from a name, another `FilterLoss`, its serialised form, or None.

        Args:
            value: `"default"`, the measured rule; `"paper"`; `"official"`, the authors' code (its
                strengths, targets and centres of mass; its masks keep one width); None; a
                `FilterLoss`.

        Raises:
            ValueError: for anything else.
        """
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, str) and value in NAMED:
            return cls(**NAMED[value])
        if isinstance(value, dict):
            value = keras.saving.deserialize_keras_object(value)
            if isinstance(value, cls):
                return value
        raise ValueError(
            f"Argument `filter_loss` must be one of {tuple(NAMED)}, a FilterLoss, or None (mask "
            f"only). Received: filter_loss={value!r}"
        )

    def templates(self, height, width):
        """The `PartTemplates` of this rule for maps of `height x width` units."""
        return PartTemplates(
            height, width, norm=self.norm, tau=self.tau, beta=self.beta, alpha=self.alpha
        )

    def get_config(self):
        return {
            name: getattr(self, name)
            for name in (
                "gradient",
                "likelihood",
                "marginal",
                "weight",
                "strength",
                "reference",
                "scale_with_activation",
                "decay_steps",
                "rescale",
                "normalize",
                "class_balance",
                "remove_radial",
                "peak",
                "target",
                "momentum",
                "norm",
                "tau",
                "beta",
                "alpha",
            )
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return isinstance(other, FilterLoss) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(tuple(self.get_config().items()))

    def __repr__(self):
        default = FilterLoss().get_config()
        changed = {k: v for k, v in self.get_config().items() if v != default[k]}
        return f"FilterLoss({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

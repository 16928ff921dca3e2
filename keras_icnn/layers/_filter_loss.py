"""`FilterLoss`: every rule of the filter loss in one serialisable object."""

import numbers

import keras

from keras_icnn.layers._templates import NORMS, PartTemplates, check_positive

GRADIENTS = ("one_template", "full_sum", "full_differentiation", "equal", "posterior")
LIKELIHOODS = ("paper", "official")
WEIGHTS = ("absolute", "relative")
MARGINALS = ("map", "constant")
PEAKS = ("argmax", "center_of_mass")
TARGETS = ("sum", "max")
REFERENCES = ("batch", "image")
SIZES = ("all", "target")

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
    "learn_beta": True,
}

# Equal strengths leave only the direction of the push to the templates; tau then only sets the
# scale of the likelihoods that are tracked and logged.
_DEFAULT = {
    "gradient": "equal",
    "weight": "relative",
    "strength": 0.15,
    "size": "target",
    "rescale": True,
    "class_balance": True,
    "remove_radial": True,
    "balance_targets": True,
    "tau": 0.1,
    "mask_beta": 1.0,
}

NAMED = {"default": _DEFAULT, "paper": {}, "official": _OFFICIAL}


def _choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"Argument `{name}` of FilterLoss must be one of {choices}. Received: {name}={value!r}"
        )
    return value


def _whole(name, value, what, least, optional=False):
    if optional and value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(
            f"Argument `{name}` of FilterLoss must be {what}, a whole number of at least {least}"
            f"{', or None' if optional else ''}. Received: {name}={value!r}"
        )
    return int(value)


def _at_least_zero(name, value):
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not 0 <= value < float("inf")
    ):
        raise ValueError(
            f"Argument `{name}` of FilterLoss must be a number of at least 0. "
            f"Received: {name}={value!r}"
        )
    return float(value)


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
            `"posterior"`: every map of the target category is pushed along the cross-entropy
            between its own softmax over units (of `sharpness` times the map over the filter's
            running mean peak) and its positive template, so that a settled map is left alone;
            other maps are pushed towards silence.
        likelihood: `"paper"`, Eq. (2), or `"official"`, the strengths of the authors' MATLAB code.
        marginal: p(x): `"map"`, Eq. (2) summed over templates for each map, or `"constant"`, 1/N.
        weight: `"absolute"` or `"relative"`.
        strength: with an absolute weight, lambda's factor (Eq. 3), by default the paper's 5e-6;
            with a relative one the share of the task gradient's root mean square at the layer's
            output, by default 0.1.
        reference: that root mean square is taken over the `"batch"`, so that all images are pushed
            alike, or for each `"image"`, so that those the task has settled are left alone.
        size: the push's own root mean square, which a relative weight divides it by, is taken over
            the images of each filter's `"target"` category, so that a filter's push there does
            not depend on the number of categories, or over `"all"` images of the batch.
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
        negatives: weight of the negative template beside the positive ones; 0 leaves images of
            other categories alone. With `gradient="equal"` or `"posterior"`.
        crowding: how much of the share of filters that claim a place is taken from the template
            there, on images of the target category; keeps filters apart. With
            `gradient="equal"`.
        parts: None: every filter chooses its template by its own map (paper). A number: the
            filters of a category are dealt out to so many parts, and the filters of a part agree
            on one place in an image, the peak of the sum of their maps (each over its running
            mean peak). With `gradient="equal"` or `"posterior"`.
        spacing: units, at least, between the places of two parts in an image.
        sharpness: of `gradient="posterior"`.
        peak: which unit chooses the template: `"argmax"` (paper) or `"center_of_mass"`, rounded
            (official code).
        target: what the target category of a filter is chosen by, averaged over the images of
            each class: `"sum"` of the map (paper section 3.1) or its `"max"` (official code).
        balance_targets: whether the categories get about as many filters each: which of them
            a filter stands for is then its best place in a fair distribution. On its own a filter
            takes the category that activates it most, and a category that is a little ahead
            may take nearly all filters, since its push makes it so.
        momentum: of all running statistics.
        learn_beta: whether each filter's mask and template take on a width of their own, which
            follows the spread of its maps on images of its target category: `beta` starts from
            the given one and moves, with `momentum`, to `clip(3 / sigma, 1.5, 3)` on axes from
            -1 to 1, sigma the deviation of the maps from their peaks (official code). Likelihoods
            keep the given `beta`.
        norm, tau, beta, alpha: of `PartTemplates`.
        mask_beta: `beta` of the masks of the forward pass; None: that of the templates (paper). A
            smaller one lets through more of what surrounds the peak, while the push keeps
            narrowing the map; narrow masks together with a push cost accuracy.

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
        size="all",
        scale_with_activation=True,
        decay_steps=None,
        rescale=False,
        normalize=False,
        class_balance=False,
        remove_radial=False,
        negatives=1.0,
        crowding=0.0,
        parts=None,
        spacing=3,
        sharpness=3.0,
        peak="argmax",
        target="sum",
        balance_targets=False,
        momentum=0.9,
        learn_beta=False,
        norm="l1",
        tau=None,
        beta=4.0,
        alpha=None,
        mask_beta=None,
    ):
        self.gradient = _choice("gradient", gradient, GRADIENTS)
        self.likelihood = _choice("likelihood", likelihood, LIKELIHOODS)
        self.marginal = _choice("marginal", marginal, MARGINALS)
        self.weight = _choice("weight", weight, WEIGHTS)
        if strength is None:
            strength = 5e-6 if weight == "absolute" else 0.1
        self.strength = check_positive("strength", strength, where="FilterLoss")
        self.reference = _choice("reference", reference, REFERENCES)
        self.size = _choice("size", size, SIZES)
        self.scale_with_activation = bool(scale_with_activation)
        self.decay_steps = _whole("decay_steps", decay_steps, "a number of steps", 1, optional=True)
        self.rescale = bool(rescale)
        self.normalize = bool(normalize)
        self.class_balance = bool(class_balance)
        self.remove_radial = bool(remove_radial)
        self.negatives = _at_least_zero("negatives", negatives)
        self.crowding = _at_least_zero("crowding", crowding)
        self.parts = _whole("parts", parts, "a number of parts", 1, optional=True)
        self.spacing = _whole("spacing", spacing, "a distance in units", 0)
        self.sharpness = check_positive("sharpness", sharpness, where="FilterLoss")
        self.peak = _choice("peak", peak, PEAKS)
        self.target = _choice("target", target, TARGETS)
        self.balance_targets = bool(balance_targets)
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
        self.learn_beta = bool(learn_beta)
        self.norm = _choice("norm", norm, NORMS)
        self.tau, self.beta, self.alpha = tau, beta, alpha
        self.templates(2, 2)  # validates tau, beta and alpha
        self.mask_beta = (
            None
            if mask_beta is None
            else check_positive("mask_beta", mask_beta, where="FilterLoss")
        )
        if self.mask_beta is not None and self.learn_beta:
            raise ValueError(
                "Arguments `mask_beta` and `learn_beta` of FilterLoss both set the width of the "
                f"masks; give one of them. Received: mask_beta={mask_beta!r}, learn_beta=True"
            )
        if self.size == "target" and self.weight == "absolute":
            raise ValueError(
                "Argument `size`='target' of FilterLoss needs weight='relative': an absolute "
                f"weight does not depend on the push's size. Received: weight={weight!r}"
            )
        if self.remove_radial and self.weight == "absolute":
            raise ValueError(
                "Argument `remove_radial` of FilterLoss needs weight='relative': an absolute "
                "weight follows the gradient of a loss. "
                f"Received: weight={weight!r}, remove_radial={remove_radial!r}"
            )
        for name, own, idle in (
            ("negatives", self.negatives, 1.0),
            ("parts", self.parts, None),
            ("crowding", self.crowding, 0.0),
        ):
            fits = ("equal",) if name == "crowding" else ("equal", "posterior")
            if own != idle and self.gradient not in fits:
                raise ValueError(
                    f"Argument `{name}` of FilterLoss shapes pushes that are the same for all "
                    f"maps; use gradient {' or '.join(map(repr, fits))}. "
                    f"Received: gradient={gradient!r}, {name}={own!r}"
                )
        if self.gradient == "posterior" and self.weight == "absolute":
            raise ValueError(
                "Argument `gradient`='posterior' of FilterLoss is not the gradient of the filter "
                "loss, whose weight would be absolute; use weight='relative'. "
                f"Received: gradient={gradient!r}, weight={weight!r}"
            )
        if self.likelihood == "official" and self.gradient.startswith("full"):
            raise ValueError(
                "Argument `likelihood`='official' of FilterLoss knows one template an image; use "
                "gradient='one_template' or 'equal'. "
                f"Received: gradient={gradient!r}"
            )
        if self.learn_beta and self.gradient.startswith("full"):
            raise ValueError(
                "Argument `learn_beta` of FilterLoss gives each filter templates of its own; the "
                "sum over all templates knows one width. Use another gradient. "
                f"Received: gradient={gradient!r}, learn_beta={learn_beta!r}"
            )
        if self.gradient == "posterior" and self.normalize:
            raise ValueError(
                "Argument `normalize` of FilterLoss divides fit strengths, which "
                f"gradient='posterior' has none of. Received: normalize={normalize!r}"
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
            value: `"default"`, the measured rule; `"paper"`; `"official"`, the authors' code;
                None; a `FilterLoss`.

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

    @property
    def weighs_fits(self):
        """Whether the push depends on how well maps fit the templates (Eq. 2's likelihoods)."""
        full = self.gradient.startswith("full")
        return full or (self.gradient == "one_template" and self.likelihood == "paper")

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
                "size",
                "scale_with_activation",
                "decay_steps",
                "rescale",
                "normalize",
                "class_balance",
                "remove_radial",
                "negatives",
                "crowding",
                "parts",
                "spacing",
                "sharpness",
                "peak",
                "target",
                "balance_targets",
                "momentum",
                "learn_beta",
                "norm",
                "tau",
                "beta",
                "alpha",
                "mask_beta",
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

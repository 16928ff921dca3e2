"""The mathematics of the interpretable layer as functions of tensors; no state.

Shapes: `B` images, `h x w` units (`P = h*w`), `F` filters, `T = P + 1` templates in the order of
`PartTemplates.bank()`. Maps are channels last and non-negative; statistics are float32.

`log_m` is the log of `m_T = mean_x exp(tr(x.T))`, so that the paper's `Z_T = N m_T`. `N` cancels
against the `1/N` of the task loss, and `q = N p(x) = sum_T p(T) exp(tr(x.T)) / m_T`.
"""

import copy

import keras
import numpy as np
from keras import ops

from keras_icnn.layers import _replicas, _schedule

# --- what a filter stands for --------------------------------------------------------------------


def target_categories(activation, known, balance):
    """Index of each filter's target category: int32 `[F]`.

    Args:
        activation: float32 `[C, F]`, not negative: how much the images of each class activate each
            filter.
        known: `[C]`, 1 for the classes that may be a target, at least one of them, else 0.
        balance: False: the class that activates the filter most (paper section 3.1). True: the
            classes get about as many filters each, so that their sum of log activations is about
            the largest: Sinkhorn's iteration, which leaves scales of classes and filters aside.
    """
    known = ops.expand_dims(known, 1)
    if not balance:
        return ops.argmax(ops.where(known > 0, activation, -1.0), axis=0)
    filters = activation.shape[1]
    tiny = np.finfo("float32").tiny
    logs = ops.log(ops.maximum(activation, tiny))
    classes = ops.sum(known)
    logs = logs - ops.sum(logs * known, axis=0, keepdims=True) / classes
    logs = logs - ops.mean(logs, axis=1, keepdims=True)
    spread = ops.sqrt(ops.sum(ops.square(logs) * known) / (classes * filters))
    # The temperature is low enough for nearly whole numbers of filters.
    # With nothing to choose by, as when no filter has fired, all classes are as good.
    scaled = ops.where(known > 0, logs / ops.maximum(0.05 * spread, 1e-6), -1e9)
    share = ops.reshape(filters / classes, (1, 1))

    def rounds(_, scaled):
        # Six rounds are products with one table of exponentials, which spares making them anew;
        # then prices go into logarithms, whose range they could leave.
        table = ops.exp(scaled - ops.max(scaled, axis=0))
        price = ops.ones_like(known)
        for _ in range(6):
            of_filter = ops.matmul(ops.transpose(price), table)
            of_class = ops.matmul(table, ops.transpose(1.0 / of_filter))
            price = share / (of_class + 1e-30)
        return scaled + ops.log(price)

    return ops.argmax(ops.fori_loop(0, 5, rounds, scaled), axis=0)


# --- where a filter fires ----------------------------------------------------------------------


def peak_position(x):
    """Row and column of the strongest unit of each map; the first one, row by row, of several.

    Args:
        x: maps `[B, h, w, F]`.

    Returns:
        Two float32 tensors `[B, F]`.
    """
    # The row first: half the time of one search over all units.
    x = ops.convert_to_tensor(x)
    row = _argmax(ops.max(x, axis=2))
    chosen = ops.one_hot(row, x.shape[1], axis=1, dtype=keras.backend.standardize_dtype(x.dtype))
    column = _argmax(ops.sum(x * ops.expand_dims(chosen, 2), axis=1))
    return ops.cast(row, "float32"), ops.cast(column, "float32")


def _argmax(values):
    """Index of the first largest value along axis 1."""
    if keras.backend.backend() == "tensorflow":
        # `ops.argmax` adds bit casts for negative zeros that no exchange format can express.
        import tensorflow as tf

        return tf.argmax(values, axis=1, output_type="int32")
    if keras.backend.backend() == "torch":
        return values.max(dim=1).indices  # four times as fast as `argmax`
    return ops.argmax(values, axis=1)


def _place(index, width):
    """Row and column of units counted row by row, float32."""
    row = ops.floor((index + 0.5) / width)
    return row, index - row * width


def center_of_mass(x):
    """Rounded centre of mass of each map per axis (official code); the middle of an empty map.

    Args:
        x: maps `[B, h, w, F]`.

    Returns:
        Two float32 tensors `[B, F]`: row and column.
    """
    x = ops.cast(x, "float32")
    total = ops.sum(x, axis=(1, 2))
    safe = ops.where(total > 0, total, ops.ones_like(total))
    position = []
    for axis, size in ((2, x.shape[1]), (1, x.shape[2])):
        units = ops.reshape(ops.arange(size, dtype="float32"), (1, size, 1))
        mean = ops.sum(ops.sum(x, axis=axis) * units, axis=1) / safe
        middle = ops.full_like(mean, (size - 1) / 2)
        # Also the middle where a value is not finite: a position has to stay on the map.
        known = ops.logical_and(total > 0, ops.isfinite(mean))
        position.append(ops.floor(ops.where(known, mean, middle) + 0.5))
    return tuple(position)


def agreed_peak(x, scale, claims, parts, spacing):
    """Row and column of the one place that the filters of each part agree on.

    Args:
        x: float32 maps `[B, h, w, F]`.
        scale: `[F]`, what each filter's maps are divided by.
        claims: one-hot `[F, C * parts]`: category and part of each filter, parts counted fastest;
            a row of zeros for a filter without category.
        parts: number of parts of a category.
        spacing: places of two parts of a category lie further apart than this many units (L1).
            The first part chooses first.

    Returns:
        Two float32 tensors `[B, F]`; 0 for a filter without category.
    """
    height, width = x.shape[1], x.shape[2]
    units, groups = height * width, claims.shape[1]
    votes = ops.matmul(ops.reshape(x, (-1, units, x.shape[3])), claims / ops.expand_dims(scale, 1))
    votes = ops.reshape(ops.transpose(votes, (0, 2, 1)), (-1, groups // parts, parts, units))
    rows, columns = _place(ops.arange(units, dtype="float32"), width)
    free, places = None, []
    for part in range(parts):
        vote = votes[:, :, part]
        if free is not None:
            vote = ops.where(free, vote, -1.0)  # votes are not negative
        row, column = _place(ops.cast(ops.argmax(vote, axis=2), "float32"), width)
        places.append(ops.stack([row, column], axis=2))
        distance = ops.abs(rows - row[..., None]) + ops.abs(columns - column[..., None])
        far = distance > spacing
        free = far if free is None else ops.logical_and(free, far)
    places = ops.stack(places, axis=2)  # [B, C, parts, 2]
    own = ops.matmul(claims, ops.reshape(places, (-1, groups, 2)))
    return own[..., 0], own[..., 1]


def _falloff(row, column, templates, beta=None, scale=None, shift=None):
    """`1 - beta * distance / n` around the peak: `[B, h, w, F]`, a template not yet clipped.

    Args:
        beta: `[F]`, each filter's own; None: that of the templates.
        scale, shift: `[B, F]`; where given, `scale * falloff + shift`.
    """
    slope = (templates.beta if beta is None else beta) / templates.n
    top = 1.0
    if scale is not None:
        slope, top = ops.expand_dims(slope * scale, 1), ops.expand_dims(scale + shift, 1)
    rows = ops.reshape(ops.arange(templates.height, dtype="float32"), (1, templates.height, 1))
    columns = ops.reshape(ops.arange(templates.width, dtype="float32"), (1, templates.width, 1))
    dr = ops.abs(rows - ops.expand_dims(row, 1))
    dc = ops.abs(columns - ops.expand_dims(column, 1))
    if templates.norm == "l1":
        # All but one step on the small tables of rows and of columns.
        return ops.expand_dims(top - slope * dr, 2) - ops.expand_dims(slope * dc, 1)
    distance = ops.sqrt(ops.expand_dims(dr * dr, 2) + ops.expand_dims(dc * dc, 1))
    if scale is not None:
        slope, top = ops.expand_dims(slope, 1), ops.expand_dims(top, 1)
    return top - slope * distance


def part_mask(row, column, templates, beta=None):
    """`max(T_mu, 0) / tau` for the given peaks: `[B, h, w, F]`, 1 at the peak (section 3)."""
    return ops.relu(_falloff(row, column, templates, beta))


def target_template(row, column, positive, templates, beta=None):
    """The target template in units of tau: `T_mu` where `positive` is 1, -1 where it is 0."""
    unclipped = ops.maximum(_falloff(row, column, templates, beta), -1.0)
    return ops.expand_dims(ops.expand_dims(positive, 1), 1) * (unclipped + 1.0) - 1.0


# --- likelihoods and the filter loss -----------------------------------------------------------


def traces(x, templates):
    """`tr(x.T)` for all templates: float32 `[B, T, F]` (Eq. 2)."""
    x = ops.cast(x, "float32")
    if len(templates.tables) == 1:
        return _product(*templates.tables, ops.reshape(x, (-1, templates.units, x.shape[3])))
    analysis, kernels, synthesis = templates.tables
    return _factored(x, analysis, kernels, synthesis)[:, : templates.units + 1]


def _product(table, values):
    return ops.matmul(ops.convert_to_tensor(table), values)


def _factored(x, first, kernels, last):
    """The product of the three `PartTemplates.tables`: `[B, h, w, F]` to `[B, h' * w, F]`."""
    width, filters = x.shape[2], x.shape[3]
    x = _product(first, ops.reshape(x, (-1, x.shape[1], width * filters)))
    x = _product(kernels, ops.reshape(x, (-1, len(first), width, filters)))
    x = _product(last, ops.reshape(x, (-1, len(first), width * filters)))
    return ops.reshape(x, (-1, len(last) * width, filters))


class Exponentials:
    """The exponentials of a batch's traces, made once for log Z and for the logged -MI.

    Args:
        trace: `tr(x.T)`, `[B, T, F]`.
    """

    def __init__(self, trace):
        largest = ops.max(trace, axis=0)
        # A difference of infinities is no number.
        self._largest = ops.where(ops.isfinite(largest), largest, 0.0)
        self.trace = trace
        self._below = trace - self._largest
        self._values = ops.exp(self._below)
        self._sum = ops.sum(self._values, axis=0)

    def log_mean(self, batch_size):
        """As `log_mean_exp` of the traces."""
        return _log_mean(self._largest + ops.log(self._sum), batch_size)

    def loss(self, log_m, templates):
        """As `Likelihood(trace, log_m, templates).loss()`."""
        prior = ops.convert_to_tensor(np.exp(templates.log_prior()).astype("float32")[:, None])
        above = self._largest - log_m
        weight = prior * ops.exp(above)  # [T, F]
        weighted = weight * self._values
        joint = ops.sum(weighted * self._below, axis=(0, 1))
        joint = joint + ops.sum(weight * above * self._sum, axis=0)
        q = ops.sum(weighted, axis=1)
        tiny = np.finfo("float32").tiny
        own = ops.mean(q * ops.log(ops.maximum(q, tiny)), axis=0)
        images = ops.cast(ops.shape(self._values)[0], "float32")
        return own - joint / images


def log_mean_exp(values, batch_size):
    """Log of the mean of `exp(values)` over all replicas' batch: `[B, ...]` to `[...]`."""
    return _log_mean(ops.logsumexp(values, axis=0), batch_size)


def _log_mean(log_sum, batch_size):
    """Log of a mean over the batch, from this replica's log of the sum."""
    return ops.logsumexp(_replicas.gather(log_sum), axis=0) - ops.log(batch_size)


class Likelihood:
    """Eqs. (1), (2) and (4) for a batch of maps and given `Z_T`.

    Args:
        trace: `tr(x.T)`, `[B, T, F]`.
        log_m: log of the mean of `exp(tr(x.T))` over the data, `[T, F]`.
        templates: `PartTemplates`.
        marginal: `"map"`, p(x) of each map from Eq. (2), or `"constant"`, p(x) = 1/N (the paper's
            second footnote), with which the bracket of the gradient gains a 1.
    """

    def __init__(self, trace, log_m, templates, marginal="map"):
        prior = np.exp(templates.log_prior()).astype("float32")
        self._prior = ops.convert_to_tensor(prior)
        self._log_prior = templates.log_prior().astype("float32")
        self.units = templates.units
        self._constant = marginal == "constant"
        self._log_ratio = trace - log_m  # log [N p(x|T)]
        self._ratio = ops.exp(self._log_ratio)
        # q = N p(x)
        self.q = self._over_templates(self._ratio)
        tiny = np.finfo("float32").tiny
        self.log_q = ops.log(ops.maximum(self.q, tiny))

    def _over_templates(self, values):
        """Expectation over the prior: `[B, T, F]` to `[B, F]`."""
        return ops.einsum("t,btf->bf", self._prior, values)

    def _bracket(self, log_ratio, log_q):
        if self._constant:
            return log_ratio + 1.0
        return log_ratio - log_q

    def loss(self):
        """`-MI(X; T)` of each filter in nats, `[F]`: Eq. (1) with sums over x as batch means."""
        inner = self._over_templates(self._ratio * self._log_ratio)
        if not self._constant:
            inner = inner - self.q * self.log_q
        return -ops.mean(inner, axis=0)

    def target_strength(self, index):
        """`p(T) p(x|T) N [tr - log m - log q]` of one template an image and filter (Eq. 4).

        Args:
            index: int `[B, F]`, the target template's index in the bank.

        Returns:
            float32 `[B, F]`; `-strength * T / N` is the one-template gradient.
        """
        log_ratio = pick(self._log_ratio, index)
        log_prior = ops.where(index == self.units, self._log_prior[-1], self._log_prior[0])
        return ops.exp(log_prior + log_ratio) * self._bracket(log_ratio, self.log_q)

    def all_strengths(self, batch_size, differentiate_z):
        """As `target_strength` for all templates: `[B, T, F]` (exact gradient, appendix).

        `differentiate_z` differentiates `Z_T` too: the bracket loses its own mean over `p(x|T)`.
        """
        bracket = self._bracket(self._log_ratio, ops.expand_dims(self.log_q, 1))
        if differentiate_z:
            total = _replicas.all_sum([ops.sum(self._ratio * bracket, axis=0)])[0]
            bracket = bracket - total / batch_size
        return ops.reshape(self._prior, (1, -1, 1)) * self._ratio * bracket

    def entropies(self):
        """The terms of Eq. (5) for each filter, in nats, with sums over x as batch means.

        Returns:
            dict of `[F]`: `category_entropy`, H(T' = {T-, T+} | X), Eq. (6); `spatial_entropy`,
            sum_x p(T+, x) H(T+ | X = x), Eqs. (5) and (7).
        """
        joint = ops.reshape(self._prior, (1, -1, 1)) * self._ratio  # N p(T, x)
        posterior = joint / ops.expand_dims(self.q, 1)
        log_posterior = (
            ops.convert_to_tensor(self._log_prior)[None, :, None]
            + self._log_ratio
            - ops.expand_dims(self.log_q, 1)
        )
        negative, log_negative = posterior[:, -1], log_posterior[:, -1]
        positive = ops.sum(posterior[:, :-1], axis=1)
        log_positive = ops.logsumexp(log_posterior[:, :-1], axis=1)
        category = -(negative * log_negative + positive * log_positive)
        within = posterior[:, :-1] * (log_posterior[:, :-1] - ops.expand_dims(log_positive, 1))
        spatial = -ops.sum(within, axis=1)
        return {
            "category_entropy": ops.mean(self.q * category, axis=0),
            "spatial_entropy": ops.mean(self.q * spatial, axis=0),
        }


def pick(values, index):
    """`values[b, index[b, f], f]`: `[B, T, F]` and int32 `[B, F]` to `[B, F]`."""
    templates, filters = values.shape[1], values.shape[2]
    image = ops.expand_dims(ops.arange(ops.shape(values)[0], dtype="int32"), 1)
    return ops.take(
        values, (image * templates + index) * filters + ops.arange(filters, dtype="int32")
    )


def official_strength(x, row, column, positive, batch_size, templates, beta=None, alpha=0.5):
    """Fit strengths of the authors' code: `exp(s/alpha) (s - A + alpha)`, before normalisation.

    `s = mean(x o T / tau)` against the target template; `A = alpha log mean_x exp(s'/alpha)`, where
    `s'` uses the positive templates of other images and filters (both orders reversed), or the
    negative template for images of other categories.

    Args:
        x: float32 maps `[B, h, w, F]`.
        beta: `[F]`, each filter's own, or None.

    Returns:
        float32 `[B, F]`.
    """

    def against(row, column, beta):
        template = target_template(row, column, ops.ones_like(positive), templates, beta)
        return ops.mean(x * template, axis=(1, 2))

    mirrored = [ops.flip(_replicas.mirrored(position), axis=(0, 1)) for position in (row, column)]
    against_others = against(*mirrored, None if beta is None else ops.flip(beta, axis=0))
    against_own = against(row, column, beta)
    against_negative = -ops.mean(x, axis=(1, 2))
    s = ops.where(positive > 0, against_own, against_negative)
    log_mean = ops.where(
        positive > 0,
        log_mean_exp(against_others / alpha, batch_size),
        log_mean_exp(against_negative / alpha, batch_size),
    )
    a = alpha * log_mean
    # Divided by exp(A/alpha): the same after normalisation, and it cannot overflow.
    return ops.exp(s / alpha - log_mean) * (s - a + alpha)


def fitted_beta(x, row, column, positive, templates):
    """The width that the authors' code draws each filter's mask towards.

    On axes from -1 to 1 it is `clip(3 / sigma, 1.5, 3)`, sigma the deviation of the filter's maps
    from their peaks, weighted by activation, over the images of its target category.

    Args:
        x: float32 maps `[B, h, w, F]`.
        row, column, positive: `[B, F]`.

    Returns:
        `[F]`, in the units of `PartTemplates`; NaN for filters that fire on no such image.
    """
    n = templates.n
    rows = ops.reshape(ops.arange(x.shape[1], dtype="float32"), (1, -1, 1, 1))
    columns = ops.reshape(ops.arange(x.shape[2], dtype="float32"), (1, 1, -1, 1))
    dr, dc = rows - row[:, None, None], columns - column[:, None, None]
    step = 2.0 / max(n - 1.0, 1.0)
    weight = x * positive[:, None, None]
    square = weight * step**2 * (ops.square(dr) + ops.square(dc))
    sums = _replicas.all_sum([ops.sum(square, axis=(0, 1, 2)), ops.sum(weight, axis=(0, 1, 2))])
    sigma = ops.sqrt(sums[0] / sums[1])
    return ops.clip(3.0 / sigma, 1.5, 3.0) * step * n


def template_index(row, column, templates):
    """Index in the bank of the template of a peak: int32 `[B, F]`."""
    return ops.cast(row * templates.width + column, "int32")


def normalize_by_sign(strength, positive):
    """Divides strengths by their mean size over the batch's images of the same sign (official)."""
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


# --- pushes: what is added to the gradient of a map ---------------------------------------------


class TargetPush:
    """`-coefficient * target template`: never stored, only its factors are.

    Args:
        row, column, positive, coefficient: `[B, F]`.
        beta: `[F]`, each filter's own, or None.
        signed: whether coefficients may be negative.
    """

    def __init__(self, row, column, positive, coefficient, templates, beta=None, signed=True):
        # -coefficient (positive (T + 1) - 1), T the template of the peak, as slope T + level.
        own = () if beta is None else (beta,)
        self.tensors = (row, column, -coefficient * positive, coefficient * (1 - positive), *own)
        self._templates = templates
        self._signed = signed

    def times(self, weight):
        """This push times a weight, a scalar or `[F]`."""
        weighted = copy.copy(self)
        row, column, slope, level, *own = self.tensors
        weighted.tensors = (row, column, slope * weight, level * weight, *own)
        return weighted

    def direction(self, weight, row, column, slope, level, beta=None):
        """The push `[B, h, w, F]` from `tensors`, times a weight that is not negative.

        The weight is a scalar or `[B, 1, 1, 1]`.
        """
        weight = ops.reshape(weight, (-1, 1))
        slope, level = slope * weight, level * weight
        sloped = _falloff(row, column, self._templates, beta, slope, level)
        clipped = level - slope
        if not self._signed:
            return ops.minimum(sloped, clipped[:, None, None])
        falls, infinite = slope < 0, np.float32("inf")
        lowest = ops.where(falls, -infinite, clipped)
        highest = ops.where(falls, clipped, infinite)
        return ops.minimum(ops.maximum(sloped, lowest[:, None, None]), highest[:, None, None])

    def sums(self, x, trace, row, column, slope, level, *beta):
        """Sums over each map's firing units, `[B, F]`: the push's square, and push times map.

        Args:
            x: float32 maps `[B, h, w, F]`.
            trace: their `tr(x.T)` `[B, T, F]`.
            row, column, slope, level, beta: `tensors`, of these filters.
        """
        template = ops.maximum(_falloff(row, column, self._templates, *beta), -1.0)
        fires = ops.sign(x)
        # Either the slope or the level is zero.
        square = ops.square(slope) * over_units(ops.square(template) * fires)
        square = square + ops.square(level) * over_units(fires)
        if beta:  # no template of the bank
            own = over_units(template * x)
        else:
            own = pick(trace, template_index(row, column, self._templates)) / self._templates.tau
        return square, slope * own - level * trace[:, -1] / self._templates.tau


class DensePush:
    """A push given unit by unit, as the full sum over templates makes it."""

    def __init__(self, push):
        self.tensors = (push,)

    def times(self, weight):
        """This push times a weight, a scalar or `[F]`."""
        return DensePush(self.tensors[0] * weight)

    @staticmethod
    def direction(weight, push):
        """The push `[B, h, w, F]` from `tensors`, times a weight: a scalar or `[B, 1, 1, 1]`."""
        return push * weight

    @staticmethod
    def sums(x, trace, push):
        """As `TargetPush.sums`."""
        return over_units(ops.square(push) * ops.sign(x)), over_units(push * x)


def over_units(values):
    return ops.sum(values, axis=(1, 2))


def full_push(coefficients, templates):
    """`-sum_T coefficient_T T`: `[B, T, F]` to a `DensePush` of `[B, h, w, F]`."""
    height, width, filters = templates.height, templates.width, coefficients.shape[2]
    if len(templates.tables) == 1:
        (bank,) = templates.tables
        push = _product(-bank.T, coefficients)
    else:
        # `traces` the other way round; the last row has one template, the negative one.
        analysis, kernels, synthesis = templates.tables
        rows = ops.pad(coefficients, ((0, 0), (0, width - 1), (0, 0)))
        rows = ops.reshape(rows, (-1, height + 1, width, filters))
        push = _factored(rows, -synthesis.T, kernels, analysis.T)
    return DensePush(ops.reshape(push, (-1, height, width, filters)))


def crowded_push(row, column, positive, coefficient, crowding, templates, beta=None):
    """As `TargetPush`, less `crowding` times the share of filters that claim each unit.

    Only on images of the target category (`positive`).

    Returns:
        A `DensePush`.
    """
    mask = part_mask(row, column, templates, beta)
    target = target_template(row, column, positive, templates, beta)
    shared = crowding * ops.mean(mask, axis=3, keepdims=True)
    target = target - shared * ops.expand_dims(ops.expand_dims(positive, 1), 1)
    return DensePush(target * -ops.expand_dims(ops.expand_dims(coefficient, 1), 1))


def posterior_push(x, scale, row, column, positive, coefficient, sharpness, templates, beta=None):
    """Cross-entropy of each map's softmax over units with its positive template (Eq. 7's spirit).

    Where `positive` is 1: softmax of `sharpness * x / scale` over units, less
    `max(T_mu, 0)` normalised to sum 1; where it is 0: towards silence, 1/P everywhere.

    Args:
        x: float32 maps `[B, h, w, F]`.
        scale: `[F]`.
        row, column, positive, coefficient: `[B, F]`.

    Returns:
        A `DensePush`.
    """
    shape = (-1, templates.units, x.shape[3])
    found = ops.softmax(ops.reshape(sharpness * x / scale, shape), axis=1)
    wanted = ops.reshape(part_mask(row, column, templates, beta), shape)
    wanted = wanted / ops.sum(wanted, axis=1, keepdims=True)
    push = ops.where(ops.expand_dims(positive, 1) > 0, found - wanted, 1.0 / templates.units)
    push = push * ops.expand_dims(coefficient, 1)
    return DensePush(ops.reshape(push, (-1, templates.height, templates.width, x.shape[3])))


def push_moments(square, along, norm, remove_radial, counted, units):
    """What a relative weight has to know about a push before the backward pass.

    Args:
        square, along: a push's `sums`, `[B, F]`.
        norm: the sum of the map's square, `[B, F]`.
        remove_radial: whether the push loses, filter by filter, its component along the maps of
            the batch, which only makes activations grow.
        counted: `[B, F]`, 1 for the maps whose push is measured, else 0.
        units: of a map.

    Returns:
        `(radial, rms, known)`: `radial`, `[F]`, the multiple of `x` to subtract from the push (zero
        where it is kept); `rms`, a scalar, the root mean square of the resulting push over the
        counted maps of all replicas' batch; `known`, whether there are any. Only units that fire
        have a push: no gradient passes the others.
    """
    sums = [ops.sum(square * counted, axis=0), ops.sum(counted)]
    if remove_radial:
        sums += [ops.sum(value, axis=0) for value in (along, norm)]
        sums += [ops.sum(value * counted, axis=0) for value in (along, norm)]
    square, count, *rest = _replicas.all_sum(sums)
    radial = ops.zeros_like(square)
    if remove_radial:
        along, norm, along_counted, norm_counted = rest
        tiny = np.finfo("float32").tiny
        radial = ops.where(norm > 0, along / ops.maximum(norm, tiny), 0.0)
        # |push - radial x|^2, map by map.
        square = square - 2 * radial * along_counted + ops.square(radial) * norm_counted
    elements = ops.maximum(count, 1.0) * float(units)
    return radial, ops.sqrt(ops.maximum(ops.sum(square), 0.0) / elements), count > 0


# --- the layer's forward and backward passes ----------------------------------------------------


def mask_maps(x, row, column, templates, beta=None):
    """`max(x o T_mu / tau, 0)` with the mask constant in the backward pass (section 3)."""
    return x * ops.cast(ops.stop_gradient(part_mask(row, column, templates, beta)), x.dtype)


def mask_maps_with_push(
    x, row, column, templates, push, radial, factor, batch_size, *, reference, mask=True, beta=None
):
    """As `mask_maps`; the backward pass adds a push of fixed size relative to the task gradient.

    With `g` the gradient that arrives at the output, before masking:
    `dx = g o mask + factor * rms(g) * (push - radial * x)`. It is of degree one in `g`, so loss
    scaling and replicas leave the proportion as it is.

    Args:
        x: maps `[B, h, w, F]`.
        row, column: peaks `[B, F]`.
        push: `TargetPush` or `DensePush`.
        radial: `[F]`, from `push_moments`.
        factor: scalar, the relative weight over the push's root mean square.
        batch_size: number of images on all replicas.
        reference: `"batch"`, rms over the whole (all replicas') batch, or `"image"`, over each
            image's own gradient.
        mask: whether the output is masked.
        beta: of the masks, `[F]`; None: that of the templates.
    """
    if beta is None:
        beta = templates.beta

    @ops.custom_gradient
    def forward(x, row, column, radial, factor, batch_size, beta, *tensors):
        y = mask_maps(x, row, column, templates, beta) if mask else x * ops.ones((), x.dtype)

        def grad(*args, upstream=None):
            g = ops.cast(args[0] if upstream is None else upstream, "float32")
            square = ops.mean(ops.square(g), axis=(1, 2, 3), keepdims=True)
            if reference == "batch":
                square = _replicas.all_sum([ops.sum(square)])[0] / batch_size
            weight = factor * ops.sqrt(square)
            # One step after the other, so that few arrays of the maps' size are alive at a time.
            with _schedule.after([weight, y]):
                dx = g * part_mask(row, column, templates, beta) if mask else g
            with _schedule.after([dx]):
                dx = dx + push.direction(weight, *tensors)
            with _schedule.after([dx]):
                dx = dx - (weight * radial) * ops.cast(x, "float32")
            return (ops.cast(dx, x.dtype),) + (None,) * (6 + len(tensors))

        return y, grad

    beta = ops.convert_to_tensor(beta, dtype="float32")
    return forward(x, row, column, radial, factor, batch_size, beta, *push.tensors)


def loss_term(x, value, push):
    """A scalar of the given value whose gradient with respect to `x` is the push.

    Args:
        x: maps `[B, h, w, F]`.
        value: scalar, the weighted filter loss.
        push: `TargetPush` or `DensePush`, already weighted.
    """

    @ops.custom_gradient
    def forward(x, value, *tensors):
        def grad(*args, upstream=None):
            g = ops.cast(args[0] if upstream is None else upstream, "float32")
            dx = ops.cast(g * push.direction(1.0, *tensors), x.dtype)
            return (dx,) + (None,) * (1 + len(tensors))

        return value * ops.ones((), value.dtype), grad

    return forward(x, value, *push.tensors)

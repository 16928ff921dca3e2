"""What a training step learns: new statistics, and the push. Pure functions, no layer.

`learn` takes the state and a batch of rectified maps and returns a `Lesson`; `observe` does the
same for a layer without a filter loss. Shapes: `B` images, `h x w` units, `F` filters, `C` classes,
`T = h*w + 1` templates.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_icnn.layers import _replicas, _targets
from keras_icnn.layers._likelihood import Likelihood, log_mean_exp, traces
from keras_icnn.layers._part_places import default_spacing, target_peaks
from keras_icnn.layers._peaks import peak_height
from keras_icnn.layers._pushes import over_units, size_of
from keras_icnn.layers._rules import GRADIENTS, Batch
from keras_icnn.layers._state import UNSEEDED, LayerState


class Task(NamedTuple):
    """What a layer is given once and for all; no tensors.

    Attributes:
        rule: `FilterLoss`.
        bank: `TemplateBank` of the layer's maps.
        background_class: Class that is never a target, or None.
        balance: Whether target categories are balanced.
        monitor_every: Steps between two computations of a likelihood that the push does not need.
    """

    rule: Any
    bank: Any
    background_class: Any
    balance: bool
    monitor_every: int


class RelativeLesson(NamedTuple):
    """What a batch teaches where the push is a share of the task's gradient.

    Attributes:
        state: The new `LayerState`.
        push: `TargetPush` or `DensePush`.
        radial: `[F]`, the multiple of the maps that the push loses.
        factor: Scalar, the weight over the push's root mean square; 0 while that is not known.
        batch_size: Scalar, images on all replicas.
    """

    state: LayerState
    push: Any
    radial: Any
    factor: Any
    batch_size: Any


class AbsoluteLesson(NamedTuple):
    """What a batch teaches where the filter loss is added to the task's loss.

    Attributes:
        state: The new `LayerState`.
        push: `TargetPush` or `DensePush`, weighted.
        loss: Scalar, the weighted filter loss.
    """

    state: LayerState
    push: Any
    loss: Any


def learn(state, maps, peaks, member, healthy, task):
    """One step of a layer with a filter loss.

    Args:
        state: `LayerState`.
        maps: float32 `[B, h, w, F]`, rectified.
        peaks: `Peaks`, `[B, F]` each.
        member: `[B, C]`, 1 for the classes of each image, else 0.
        healthy: Boolean scalar, False where the batch is known to be not finite; the state then
            stays as it is, as it does where a new statistic is not finite.
        task: `Task`.

    Returns:
        `RelativeLesson` or `AbsoluteLesson`.
    """
    rule = task.rule
    gradient = GRADIENTS[rule.gradient]
    new, batch_size, shares = _class_statistics(state, maps, member, task)
    scale = _safe(new.activation_scale)
    if gradient.needs_likelihood:
        new, likelihood, loss = _with_likelihood(new, maps, scale, batch_size, task)
    else:
        new = _monitored(new, maps, scale, batch_size, task)
        # There is no loss in every step; the monitor's stands in for it.
        likelihood, loss = None, new.filter_loss

    target = _target(new, task)
    positive = ops.matmul(member, ops.transpose(target))
    weight = _targets.image_weights(positive, target, shares, rule.class_balance)
    if rule.parts is not None:
        peaks = _at_parts(new, maps, peaks, member, positive, scale, task)
    batch = Batch(maps, peaks, positive, weight, scale, template_beta(state.beta, task), batch_size)
    push = gradient.push(batch, likelihood, rule, task.bank)
    if rule.learn_beta:
        new = new._replace(beta=_moved_beta(batch, task))

    strength = rule.strength * _decay(state.steps, rule)
    if rule.weight == "relative":
        return _relative(state, new, push, strength, batch, healthy, task)
    strength = strength * ops.ones_like(scale)
    if rule.scale_with_activation:
        strength = strength * new.activation_scale
    push = push.times(strength * _replicas.count() / batch_size)
    return AbsoluteLesson(_if_finite(new, state, healthy), push, ops.sum(strength * loss))


def _target(state, task):
    """The category of each filter, one-hot: `[F, C]`."""
    if task.rule.target == "assigned":
        return ops.one_hot(state.category, state.class_count.shape[0], dtype="float32")
    known = _targets.candidates(state.class_count, task.background_class)
    return _targets.one_hot_targets(state.class_activation, known, task.balance)


def _at_parts(state, maps, peaks, member, positive, scale, task):
    """The peaks, those of filters on images of their category moved to their part's place."""
    classes = ops.sum(member, axis=1, keepdims=True)
    if task.background_class is not None:
        background = task.background_class
        classes = classes - member[:, background : background + 1]
    # Parts compete within one category: in an image of several each filter keeps its own peak.
    positive = positive * ops.cast(classes < 1.5, "float32")
    rule = task.rule
    spacing = rule.spacing
    if spacing is None:
        spacing = default_spacing(rule.parts, task.bank.units)
    return target_peaks(maps, peaks, positive, state.part, scale, rule.parts, spacing)


def observe(state, maps, member, healthy, task):
    """One step of a layer without a filter loss: the new `LayerState`. As `learn`."""
    new, batch_size, _ = _class_statistics(state, maps, member, task)
    new = _monitored(new, maps, _safe(new.activation_scale), batch_size, task)
    return _if_finite(new, state, healthy)


def template_beta(beta, task):
    """Width of each filter's templates: `[F]`, from the state's `beta`."""
    given = ops.full_like(beta, task.bank.beta)
    return ops.where(beta > 0, beta, given) if task.rule.learn_beta else given


def mask_beta(beta, task):
    """Width of each filter's masks: `[F]`, from the state's `beta`."""
    if task.rule.mask_beta is None:
        return template_beta(beta, task)
    return ops.full_like(beta, task.rule.mask_beta)


# --- statistics ---------------------------------------------------------------------------------


def _class_statistics(state, maps, member, task):
    """Class means, counts and scales; also the batch's size and the share of each class in it."""
    momentum = task.rule.momentum
    peak = peak_height(maps)
    evidence = peak if task.rule.target == "max" else over_units(maps)
    batch_size, counts, activation, peaks = _replicas.all_sum(
        [
            ops.cast(ops.shape(maps)[0], "float32"),
            ops.sum(member, axis=0),
            ops.matmul(ops.transpose(member), evidence),
            ops.sum(peak, axis=0),
        ]
    )
    present = ops.expand_dims(counts > 0, 1)
    seen = ops.expand_dims(state.class_count > 0, 1)
    mean = activation / ops.expand_dims(ops.maximum(counts, 1.0), 1)
    moved = momentum * state.class_activation + (1 - momentum) * mean
    new = state._replace(
        class_activation=ops.where(present, ops.where(seen, moved, mean), state.class_activation),
        class_count=state.class_count + counts,
        activation_scale=_running(state.activation_scale, peaks / batch_size, momentum),
        steps=state.steps + 1,
    )
    return new, batch_size, counts / batch_size


def _running(old, value, momentum):
    # Zero is "not known yet": another rule, or a filter that never fired, leaves it so.
    return ops.where(old > 0, momentum * old + (1 - momentum) * value, value)


def _safe(scale):
    # A filter that never fired has no scale; its maps are zero, and so are its traces.
    return ops.where(scale > 0, scale, 1.0)


def _decay(steps, rule):
    if rule.decay_steps is None:
        return 1.0
    return 1.0 / (1.0 + ops.floor(ops.cast(steps, "float32") / rule.decay_steps))


def _moved_beta(batch, task):
    """The learned widths, a step nearer to the spread of the maps: `[F]`."""
    momentum = task.rule.momentum
    fitted = fitted_beta(batch.maps, batch.peaks, batch.positive, task.bank)
    moved = momentum * batch.beta + (1 - momentum) * fitted
    return ops.where(ops.isfinite(moved), moved, batch.beta)


def fitted_beta(x, peaks, positive, bank):
    """The width that the authors' code draws each filter's mask towards.

    On axes from -1 to 1 it is `clip(3 / sigma, 1.5, 3)`, sigma the deviation of the filter's maps
    from their peaks, weighted by activation, over the images of its target category.

    Args:
        x: float32 maps `[B, h, w, F]`.
        peaks: `Peaks`.
        positive: `[B, F]`.

    Returns:
        `[F]`, in the units of `PartTemplates`; NaN for filters that fire on no such image.
    """
    rows = ops.reshape(ops.arange(x.shape[1], dtype="float32"), (1, -1, 1, 1))
    columns = ops.reshape(ops.arange(x.shape[2], dtype="float32"), (1, 1, -1, 1))
    dr, dc = rows - peaks.row[:, None, None], columns - peaks.column[:, None, None]
    step = 2.0 / max(bank.n - 1.0, 1.0)
    weight = x * positive[:, None, None]
    square = weight * step**2 * (ops.square(dr) + ops.square(dc))
    sums = _replicas.all_sum([ops.sum(square, axis=(0, 1, 2)), ops.sum(weight, axis=(0, 1, 2))])
    sigma = ops.sqrt(sums[0] / sums[1])
    return ops.clip(3.0 / sigma, 1.5, 3.0) * step * bank.n


# --- likelihoods --------------------------------------------------------------------------------


def _fits(state, maps, scale, batch_size, task):
    """Traces, the log of the batch's own Z_T / N, and the log of the running one."""
    rule = task.rule
    trace = traces(maps, task.bank)
    if rule.rescale:
        trace = trace / scale
    batch_log = log_mean_exp(trace, batch_size)
    log_momentum = float(np.log(rule.momentum)) if rule.momentum > 0 else float("-inf")
    mixed = ops.logaddexp(state.log_z + log_momentum, batch_log + float(np.log1p(-rule.momentum)))
    return trace, batch_log, ops.where(_seeded(state), mixed, batch_log)


def _seeded(state):
    # `steps` counts this batch already.
    return ops.logical_and(state.steps > 1, state.log_z > UNSEEDED)


def _with_likelihood(state, maps, scale, batch_size, task):
    """The state with this step's log Z and loss, the `Likelihood`, and its loss `[F]`."""
    trace, _, log_z = _fits(state, maps, scale, batch_size, task)
    likelihood = Likelihood(trace, log_z, task.bank, task.rule.marginal)
    loss = likelihood.loss()
    mean = _mean_loss(loss, maps, batch_size)
    return state._replace(log_z=log_z, filter_loss=mean), likelihood, loss


def _mean_loss(loss, maps, batch_size):
    """-MI averaged over filters and all replicas' images: scalar."""
    images = ops.cast(ops.shape(maps)[0], "float32")
    return _replicas.all_sum([ops.mean(loss) * images])[0] / batch_size


def _monitored(state, maps, scale, batch_size, task):
    """The state with log Z and loss of this step if it is one of every `monitor_every`.

    The push does not depend on them. The loss is that of the batch alone, against its own Z_T: the
    running one skips batches.
    """

    def compute():
        trace, batch_log, log_z = _fits(state, maps, scale, batch_size, task)
        likelihood = Likelihood(trace, batch_log, task.bank, task.rule.marginal)
        return log_z, _mean_loss(likelihood.loss(), maps, batch_size)

    due = (state.steps - 1) % task.monitor_every == 0
    due = ops.logical_or(due, ops.logical_not(_seeded(state)[-1, 0]))
    if _replicas.count() > 1:
        # Collectives cannot stand in a branch.
        log_z, loss = compute()
        log_z, loss = ops.where(due, log_z, state.log_z), ops.where(due, loss, state.filter_loss)
    else:
        log_z, loss = ops.cond(due, compute, lambda: (state.log_z, state.filter_loss))
    return state._replace(log_z=log_z, filter_loss=loss)


# --- weights ------------------------------------------------------------------------------------


def _relative(old, new, push, strength, batch, healthy, task):
    """The `RelativeLesson` of a push."""
    size = size_of(push, batch.maps, batch.positive, task.bank)
    rms = _running(old.push_rms, size.rms, task.rule.momentum)
    # A batch without an image of a target category says nothing about the push there.
    new = new._replace(push_rms=ops.where(size.known, rms, old.push_rms))
    new = _if_finite(new, old, healthy)
    # Comparisons with a value that is not a number are false.
    factor = ops.where(new.push_rms > 1e-30, strength / new.push_rms, 0.0)
    return RelativeLesson(new, push, size.radial, factor, batch.size)


def _if_finite(new, old, healthy):
    """The new state, or the old one where a statistic of the new one is not finite."""
    # Not `log_z`, which is large: where it is not finite, the loss is not either.
    small = new._replace(log_z=new.filter_loss)
    checks = [ops.all(ops.isfinite(ops.cast(value, "float32"))) for value in small]
    finite = ops.all(ops.stack([healthy, *checks]))
    return LayerState(*(ops.where(finite, a, b) for a, b in zip(new, old, strict=True)))

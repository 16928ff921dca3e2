"""The layer's passes in training: what comes out, and what gradient goes back."""

import keras
from keras import ops

from keras_icnn.layers import _replicas
from keras_icnn.layers._masks import mask_maps, part_mask
from keras_icnn.layers._step_order import after


def with_gradient(forward, backward, x, constants):
    """`forward(x, constants)`, whose gradient with respect to `x` is a function of one's own.

    Args:
        forward: Function of `x` and `constants` that gives a tensor.
        backward: Function of the upstream gradient (float32), `x` and `constants` that gives the
            gradient with respect to `x`.
        x: Tensor.
        constants: A structure of tensors, which get no gradient. Backends demand that all tensors
            a custom gradient reads are arguments.
    """

    @ops.custom_gradient
    def passes(x, *flat):
        held = keras.tree.pack_sequence_as(constants, flat)

        def grad(*args, upstream=None):
            g = ops.cast(args[0] if upstream is None else upstream, "float32")
            return (ops.cast(backward(g, x, held), x.dtype), *[None for _ in flat])

        return forward(x, held), grad

    return passes(x, *keras.tree.flatten(constants))


def push_relative(x, peaks, mask_beta, lesson, bank, mask):
    """The (masked) maps; the backward pass adds a push of fixed size beside the task's gradient.

    With `g` the gradient that arrives at the output, before masking:
    `dx = g o mask + factor * rms(g) * (push - radial * x)`, rms over all replicas' batch. It is of
    degree one in `g`, so loss scaling and replicas leave the proportion as it is.

    Args:
        x: Maps `[B, h, w, F]`.
        peaks: `Peaks`.
        mask_beta: Widths of the masks, `[F]`.
        lesson: `RelativeLesson`.
        bank: `TemplateBank`.
        mask: Whether the output is masked.
    """

    def forward(x, constants):
        peaks, mask_beta, *_ = constants
        return mask_maps(x, peaks, mask_beta, bank) if mask else x * ops.ones((), x.dtype)

    def backward(g, x, constants):
        peaks, mask_beta, push, radial, factor, batch_size = constants
        square = ops.square(ops.norm(ops.reshape(g, (-1, bank.units * g.shape[3])), axis=1))
        square = _replicas.all_sum([ops.sum(square)])[0] / (batch_size * (bank.units * g.shape[3]))
        weight = factor * ops.sqrt(square)
        # One step after the other, so that few arrays of the maps' size are alive at a time.
        with after([weight]):
            dx = g * part_mask(peaks, mask_beta, bank) if mask else g
        with after([dx]):
            dx = dx + push.times(weight).direction(bank)
        with after([dx]):
            return dx - (weight * radial) * ops.cast(x, "float32")

    constants = (peaks, mask_beta, lesson.push, lesson.radial, lesson.factor, lesson.batch_size)
    # The masked maps are made when the arrays that statistics needed are gone.
    with after([lesson.factor, lesson.state.filter_loss]):
        return with_gradient(forward, backward, x, constants)


def loss_term(x, value, push, bank):
    """A scalar of the given value whose gradient with respect to `x` is the push.

    Args:
        x: Maps `[B, h, w, F]`.
        value: Scalar, the weighted filter loss.
        push: `TargetPush` or `DensePush`, already weighted.
        bank: `TemplateBank`.
    """

    def forward(x, constants):
        value, _ = constants
        return value * ops.ones((), value.dtype)

    def backward(g, x, constants):
        _, push = constants
        return g * push.direction(bank)

    return with_gradient(forward, backward, x, (value, push))

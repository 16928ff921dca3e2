"""Pushes: what the filter loss adds to the gradient of a map, and how large that is.

A push is a NamedTuple of tensors with two methods: `direction`, the push unit by unit, and `sums`,
what its size is computed from. Shapes: `B` images, `h x w` units, `F` filters.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_icnn.layers import _replicas
from keras_icnn.layers._masks import positive_template, scaled_falloff
from keras_icnn.layers._peaks import Peaks
from keras_icnn.layers._step_order import after


class TargetPush(NamedTuple):
    """A multiple of each map's target template, which is never stored: `slope T_mu / tau + level`.

    Attributes:
        row, column: Peaks that the templates are drawn around, `[B, F]`.
        slope: `[B, F]`, minus the strength on images of the filter's category, else 0.
        level: `[B, F]`, the strength on the other images, whose template is -1 everywhere, else 0.
        beta: Widths of the templates, `[F]`.
    """

    row: Any
    column: Any
    slope: Any
    level: Any
    beta: Any

    @classmethod
    def of(cls, peaks, positive, strength, beta):
        """The push of a strength `[B, F]` along target templates."""
        return cls(*peaks, -strength * positive, strength * (1.0 - positive), beta)

    def times(self, weight):
        """This push times a weight, a scalar or `[F]`."""
        return self._replace(slope=self.slope * weight, level=self.level * weight)

    def _template(self, bank):
        return positive_template(Peaks(self.row, self.column), self.beta, bank)

    def direction(self, bank):
        """The push: `[B, h, w, F]`."""
        return _spread(self.slope) * self._template(bank) + _spread(self.level)

    def sums(self, x, bank):
        """Sums over each map's firing units, `[B, F]`: the push's square, and push times map."""
        fires = ops.sign(x)
        template = self._template(bank) * fires
        # Either the slope or the level is zero.
        square = ops.square(self.slope) * over_units(ops.square(template))
        square = square + ops.square(self.level) * over_units(fires)
        # One step after the other here and below, so that few arrays of the maps' size are alive.
        with after([square]):
            along = self.slope * over_units(template * x) + self.level * over_units(x)
        return square, along


class PullPush(TargetPush):
    """A `TargetPush` whose strengths are not negative: it needs half of the passes."""

    def direction(self, bank):
        """The push: `[B, h, w, F]`."""
        # slope <= 0: the template's lower bound of -1 is an upper bound of the push.
        peaks = Peaks(self.row, self.column)
        sloped = scaled_falloff(peaks, self.slope * self.beta, self.slope + self.level, bank)
        return ops.minimum(sloped, _spread(self.level - self.slope))


class DensePush(NamedTuple):
    """A push given unit by unit, as the sum over all templates makes it.

    Attributes:
        values: `[B, h, w, F]`.
    """

    values: Any

    def times(self, weight):
        """This push times a weight, a scalar or `[F]`."""
        return DensePush(self.values * weight)

    def direction(self, bank):
        """The push: `[B, h, w, F]`."""
        return self.values

    def sums(self, x, bank):
        """As `TargetPush.sums`."""
        return over_units(ops.square(self.values) * ops.sign(x)), over_units(self.values * x)


def full_push(strengths, bank):
    """`-sum_T strength_T T`: `[B, T, F]` to a `DensePush` of `[B, h, w, F]`."""
    push = ops.matmul(ops.convert_to_tensor(-bank.table.T), strengths)
    return DensePush(ops.reshape(push, (-1, bank.height, bank.width, strengths.shape[2])))


def over_units(values):
    """Sum over the units of each map: `[B, h, w, F]` to `[B, F]`."""
    return ops.sum(values, axis=(1, 2))


def _spread(values):
    return ops.expand_dims(ops.expand_dims(values, 1), 1)


class Size(NamedTuple):
    """What a relative weight has to know about a push before the backward pass.

    Attributes:
        radial: `[F]`, the multiple of the maps that is subtracted from the push, which then has no
            component along the maps of the batch: it would only make activations grow or vanish.
        rms: Scalar, root mean square of the rest over the images of the filters' categories.
        known: Scalar, whether the batch has such images.
    """

    radial: Any
    rms: Any
    known: Any


def size_of(push, x, positive, bank):
    """The `Size` of a push over all replicas' batch.

    Only units that fire have a push: no gradient passes the others.

    Args:
        push: `TargetPush` or `DensePush`.
        x: float32 maps `[B, h, w, F]`.
        positive: `[B, F]`, 1 for the images of a filter's target category, else 0.
    """
    square, along = push.sums(x, bank)
    with after([square, along]):
        norm = over_units(ops.square(x))
    square, count, along, norm, along_counted, norm_counted = _replicas.all_sum(
        [
            ops.sum(square * positive, axis=0),
            ops.sum(positive),
            ops.sum(along, axis=0),
            ops.sum(norm, axis=0),
            ops.sum(along * positive, axis=0),
            ops.sum(norm * positive, axis=0),
        ]
    )
    tiny = np.finfo("float32").tiny
    radial = ops.where(norm > 0, along / ops.maximum(norm, tiny), 0.0)
    # |push - radial x|^2, map by map.
    square = square - 2 * radial * along_counted + ops.square(radial) * norm_counted
    elements = ops.maximum(count, 1.0) * float(bank.units)
    rms = ops.sqrt(ops.maximum(ops.sum(square), 0.0) / elements)
    return Size(radial, rms, count > 0)

"""Competing parts: where in an image each part of a category lies.

The filters of a category are assigned to K parts. In each image the parts compete for places: a
part claims the places at which it fires more strongly than the category's other parts do. Shapes:
`B` images, `h x w` units, `F` filters, `K` parts.
"""

import numpy as np
from keras import ops

from keras_icnn.layers._peaks import Peaks

# Larger than any claim: maps are divided by their running mean peak.
_FAR = 1e4


def default_spacing(parts, units):
    """The distance that parts keep: the largest at which they cover three quarters of a map.

    A place and what lies within a distance `s` of it (L1) are `2 s (s + 1) + 1` units.

    Args:
        parts: Number of parts.
        units: Number of units of the map, `h * w`.
    """
    spacing = 0
    while parts * (2 * (spacing + 1) * (spacing + 2) + 1) <= units * 3 / 4:
        spacing += 1
    return spacing


def claims(maps, positive, part, scale, parts):
    """How much more strongly each part fires at each place than the other parts do.

    Args:
        maps: float32 `[B, h, w, F]`, not negative.
        positive: `[B, F]`, 1 for the images of a filter's category, else 0.
        part: int `[F]`, -1 for filters without a part.
        scale: `[F]`, running mean peak of each filter, above 0.
        parts: K.

    Returns:
        (claims `[B, h*w, K]`, present `[B, K]`: 1 for parts that have filters in the image).
    """
    member = ops.one_hot(part, parts, dtype="float32")  # [F, K]; -1 is a row of zeros.
    weight = ops.expand_dims(positive / scale, 2) * member
    count = ops.matmul(positive, member)
    weight = weight / ops.expand_dims(ops.maximum(count, 1.0), 1)
    flat = ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2], maps.shape[3]))
    activation = ops.matmul(flat, weight)
    present = ops.cast(count > 0, "float32")
    total = ops.sum(activation, axis=2, keepdims=True)
    others = ops.reshape(ops.maximum(ops.sum(present, axis=1) - 1.0, 1.0), (-1, 1, 1))
    return activation - (total - activation) / others, present


def settle(claims, present, width, spacing):
    """Gives every part a place: again and again the largest claim is settled.

    Places within `spacing` (L1) of a settled one are closed to the other parts, unless nothing else
    is left. Of equal claims the first place, row by row, and the first part goes first.

    Args:
        claims: `[B, h*w, K]`.
        present: `[B, K]`; parts that are not present close no places.
        width: W.
        spacing: Distance in units.

    Returns:
        int32 `[B, K]`, the index of each part's place.
    """
    units, parts = claims.shape[1:]
    index = np.arange(units)
    row, column = index // width, index % width
    distance = abs(row[:, None] - row) + abs(column[:, None] - column)
    near = ops.convert_to_tensor((distance <= spacing).astype("float32"))
    place = ops.cast(ops.zeros_like(claims[:, 0]), "int32")
    closed = ops.zeros_like(claims[:, :, :1])
    waiting = present
    for _ in range(parts):
        ranked = claims - _FAR * closed - 4 * _FAR * (1.0 - ops.expand_dims(waiting, 1))
        best = ops.argmax(ops.reshape(ranked, (-1, units * parts)), axis=1)
        here, chosen = best // parts, ops.one_hot(best % parts, parts, dtype="float32")
        chosen = chosen * waiting
        place = place + ops.cast(chosen, "int32") * ops.cast(ops.expand_dims(here, 1), "int32")
        waiting = waiting - chosen
        closed = ops.maximum(closed, ops.expand_dims(ops.take(near, here, axis=0), 2))
    return place


def target_peaks(maps, peaks, positive, part, scale, parts, spacing):
    """The unit that each filter's template is drawn around: its part's place.

    Filters without a part, filters on images that are not of their category, and filters on images
    of several categories keep their own peaks.

    Args:
        maps: float32 `[B, h, w, F]`.
        peaks: `Peaks` of the maps.
        positive, part, scale, parts: As in `claims`.
        spacing: As in `settle`.

    Returns:
        `Peaks`.
    """
    width = maps.shape[2]
    place = settle(*claims(maps, positive, part, scale, parts), width, spacing)
    by_filter = ops.take(place, ops.maximum(part, 0), axis=1)
    assigned = ops.logical_and(positive > 0, ops.expand_dims(part >= 0, 0))
    own = (peaks.row, peaks.column)
    found = (by_filter // width, by_filter % width)
    return Peaks(
        *(ops.where(assigned, ops.cast(f, "float32"), p) for f, p in zip(found, own, strict=True))
    )

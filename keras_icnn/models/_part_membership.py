"""Which part of which category each filter of a layer was assigned to."""

import numpy as np

from keras_icnn.layers._targets import PartMembership
from keras_icnn.models._map_reading import interpretable_filters


def part_membership(layer):
    """The `PartMembership` of a layer, or None where its filters have no parts.

    Args:
        layer: any Keras layer.

    Returns:
        `PartMembership`: int arrays `category` and `part` `[filters]`. The part of a filter without
        a category is -1. None for ordinary layers, for rules without parts, and for layers without
        a filter loss: nothing makes their filters stand for the parts they have numbers of.
    """
    inner = interpretable_filters(layer)
    if inner is None or inner.filter_loss is None:
        return None
    category, part = inner.parts()
    part = np.where(category >= 0, part, -1)
    return PartMembership(category, part) if (part >= 0).any() else None


def part_key(category, number):
    """What a part is called until somebody names it: "tiger/0".

    Args:
        category: name of its category.
        number: number of the part among those of the category.
    """
    return f"{category}/{number}"

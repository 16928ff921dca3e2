"""Which category each filter stands for, and how much each image then counts.

Shapes: `B` images, `C` classes, `F` filters.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

TARGETS = ("sum", "max", "assigned")


class PartMembership(NamedTuple):
    """What each filter of a layer stands for.

    Attributes:
        category: int array `[filters]`, the class; -1 for none.
        part: int array `[filters]`, the number of the part among those of its category; -1 for
            none.
    """

    category: np.ndarray
    part: np.ndarray


def assigned_in_turn(filters, classes, background_class, parts):
    """Category and part of each filter, assigned in turn: int32 `[F]` twice.

    The first filters get one category each, the next the same categories again, with the next part.

    Args:
        filters: F.
        classes: Number of label classes.
        background_class: Class that gets no filters, or None.
        parts: K, or None: no filter has a part (-1).
    """
    categories = np.delete(np.arange(classes), [] if background_class is None else background_class)
    category = categories[np.arange(filters) % len(categories)]
    return category.astype("int32"), parts_in_turn(category, parts)


def parts_in_turn(category, parts):
    """The parts of filters, in turn within each category: int32 `[F]`; -1 without a category.

    Args:
        category: int `[F]`, -1 for none.
        parts: K, or None: no filter has a part.
    """
    part = np.full(len(category), -1, "int32")
    for c in () if parts is None else set(category.tolist()) - {-1}:
        members = np.flatnonzero(category == c)
        part[members] = np.arange(len(members)) % parts
    return part


def candidates(count, background_class):
    """1 for each class that may be a target, seen and not the background: float32 `[C]`.

    Args:
        count: `[C]`, images seen of each class.
        background_class: Number of a class, or None.
    """
    known = ops.where(count > 0, 1.0, 0.0)
    if background_class is None:
        return known
    return known * (1.0 - ops.one_hot(background_class, known.shape[0]))


def target_categories(activation, known, balance):
    """Index of each filter's target category: int32 `[F]`.

    Args:
        activation: float32 `[C, F]`, not negative: how much the images of each class activate each
            filter.
        known: `candidates`, `[C]`, at least one of them 1.
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


def one_hot_targets(activation, known, balance):
    """`target_categories`, one-hot: float32 `[F, C]`; rows of zeros where no class is known."""
    index = target_categories(activation, known, balance)
    return ops.one_hot(index, activation.shape[0], dtype="float32") * ops.max(known)


def image_weights(positive, target, shares, class_balance):
    """What each image counts for each filter: float32 `[B, F]`, 0 for filters without a target.

    Args:
        positive: `[B, F]`, 1 for the images of a filter's target category, else 0.
        target: `one_hot_targets`.
        shares: `[C]`, each class's share of the batch.
        class_balance: Whether the images of the target category and the others weigh the same:
            `0.5 / share` and `0.5 / (1 - share)` (authors' code).
    """
    assigned = ops.sum(target, axis=1)
    if not class_balance:
        return assigned * ops.ones_like(positive)
    share = ops.matmul(target, ops.expand_dims(shares, 1))[:, 0]
    tiny = np.finfo("float32").eps
    return assigned * ops.where(
        positive > 0,
        0.5 / ops.maximum(share, tiny),
        0.5 / ops.maximum(1.0 - share, tiny),
    )

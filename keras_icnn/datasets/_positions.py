"""Positions in a data set, in every form that they are given in."""

import operator
from collections.abc import Sequence

import numpy as np

from keras_icnn import _arguments as check


def position(index, count):
    """One position from 0, of an integer that may count from the end.

    Raises:
        IndexError: Beyond the data set's `count` samples.
        ValueError: For a truth value, which `operator.index` would take for 0 or 1.
    """
    if isinstance(index, bool | np.bool_) or getattr(index, "dtype", None) == "bool":
        fix = "A mask is an array of one truth value for each sample."
        check.refuse(index, "index", "PartDataset", "a position, slice, list or array", fix)
    i = operator.index(index)
    if not -count <= i < count:
        raise IndexError(
            f"`index` must be a position in a data set of {count} images. Received: index={i}."
        )
    return i % count


def unmasked(indices, count):
    """The positions that a boolean mask chooses; other indices as they are."""
    given = indices if isinstance(indices, np.ndarray) else list(indices)
    if not isinstance(given, np.ndarray):
        truths = [isinstance(one, bool | np.bool_) for one in given]
        if not any(truths):
            return given
        given = np.array(given, bool if all(truths) else object)
    if given.ndim != 1 or (given.dtype == bool and len(given) != count):
        expected = f"positions, or a boolean mask of the data set's {count} samples"
        check.refuse(f"shape {given.shape}", "indices", "PartDataset.subset", expected)
    return np.flatnonzero(given) if given.dtype == bool else given


def class_positions(class_names, classes):
    """The positions of chosen classes, names or positions themselves, among a data set's.

    Raises:
        ValueError: For an unknown or repeated class, and for what is no list.
    """
    where = "PartDataset.select"
    if isinstance(classes, str) or not isinstance(classes, Sequence) or not len(classes):
        fix = "Write one class as a list too, such as classes=['horse']."
        check.refuse(classes, "classes", where, "a list of class names that is not empty", fix)
    positions = []
    for c in classes:
        if isinstance(c, str) and c in class_names:
            positions.append(class_names.index(c))
        elif not isinstance(c, str) and 0 <= operator.index(c) < len(class_names):
            positions.append(operator.index(c))
        else:
            fix = f"There is no {c!r}. Choose from {class_names}."
            check.refuse(classes, "classes", where, "classes of this data set", fix)
    if len(set(positions)) < len(positions):
        check.refuse(classes, "classes", where, "different classes", "Remove the repetition.")
    return positions

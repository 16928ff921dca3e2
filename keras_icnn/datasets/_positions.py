"""Positions in a data set, in every form that they are given in."""

import operator

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

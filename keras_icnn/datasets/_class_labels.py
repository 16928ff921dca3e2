"""Labels as Keras users have them: numbers, one-hot rows, or a column of 0 and 1."""

import numpy as np

from keras_icnn import _arguments as check

_FORMATS = "class numbers [images] or one-hot rows [images, classes], one class an image"
_FIX = "Values to predict (regression) and several classes an image cannot be measured by class."


def class_numbers(y, where):
    """The class of each image.

    Args:
        y: array `[images]` or `[images, 1]` of whole numbers, or `[images, classes]` of rows with
            one 1 and otherwise 0, or otherwise -1.
        where: the function that was given them, for the error.

    Returns:
        (int64 `[images]`, number of classes where the rows tell it, else None).

    Raises:
        ValueError: for anything else, continuous values among it.
    """
    labels = np.asarray(y)
    if labels.dtype == bool:
        labels = labels.astype("int64")
    known = labels.dtype.kind in "iuf" and labels.ndim in (1, 2)
    if not known or not np.isfinite(labels).all():
        check.refuse(_told(labels), "y", where, _FORMATS, _FIX)
    if labels.ndim == 2 and labels.shape[1] > 1:
        off = labels.min(initial=0)
        if off not in (0, -1) or not _one_hot(labels, off):
            check.refuse(_told(labels), "y", where, _FORMATS, _FIX)
        return labels.argmax(axis=1), labels.shape[1]
    labels = labels.reshape(-1)
    numbers = labels.astype("int64")
    if not np.array_equal(numbers, labels) or numbers.min(initial=0) < 0:
        check.refuse(_told(labels), "y", where, _FORMATS, _FIX)
    return numbers, None


def _one_hot(rows, off):
    ones = rows == 1
    return bool((ones | (rows == off)).all() and (ones.sum(axis=1) == 1).all())


def _told(labels):
    """What error messages say of labels: their shape, and the first of them."""
    first = labels.reshape(-1)[:4].tolist()
    return f"array of shape {labels.shape} and type {labels.dtype}, beginning with {first}"


def names_of(class_names, labels, width, where):
    """The names of the classes of labels.

    Args:
        class_names: strings, or None: "class 0", "class 1", ...
        labels: int `[images]`.
        width: number of classes that the labels' own form tells, or None.
        where: for the error.

    Raises:
        ValueError: where there are fewer names than classes.
    """
    least = max(int(labels.max(initial=-1)) + 1, width or 1)
    if class_names is None:
        return [f"class {number}" for number in range(least)]
    names = check.names(class_names, "class_names", where)
    if len(names) < least or (width is not None and len(names) != width):
        fix = "Give a name for each class, in the order of the labels."
        check.refuse(class_names, "class_names", where, f"{least} names, one a class", fix)
    return names

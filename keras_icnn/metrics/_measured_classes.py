"""Which classes of a data set are measured, and which one is the background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_icnn import _arguments as check

_BACKGROUND = ("negative", "negatives", "background")


def find_background(class_names: Sequence[str]) -> int:
    """Label of the background class (class 0, if it is named so), or -1."""
    return 0 if class_names and str(class_names[0]).lower() in _BACKGROUND else -1


def measured_classes(categories, class_names, labels):
    """The labels to measure: those of the categories named, or all but the background.

    Args:
        categories: names of the classes, or None.
        class_names: every class.
        labels: int [images].

    Returns:
        list of int.

    Raises:
        ValueError: for an unknown name, or a class without an image.
    """
    background = find_background(class_names)
    present = set(np.unique(labels).tolist())
    if categories is None:
        measured = [c for c in range(len(class_names)) if c != background and c in present]
    else:
        categories = check.names(categories, "categories", "evaluate", among=class_names)
        measured = [list(class_names).index(c) for c in categories]
    if not measured or not set(measured) <= present:
        raise ValueError(
            "There must be images of every category to measure. Received: "
            f"{[class_names[c] for c in measured]}, with images of "
            f"{[class_names[c] for c in sorted(present)]} only"
        )
    return measured

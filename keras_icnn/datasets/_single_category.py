"""The training set of the single-category task: one category against the background."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check

if TYPE_CHECKING:
    from keras_icnn.datasets._part_dataset import PartDataset


def single_category(
    train: PartDataset, *, flips: bool = True, positive_share: float = 0.75
) -> PartDataset:
    """The training set of the single-category task, as the authors' code makes it.

    It uses three positives for each of its 1,000 negatives: on the Animal-Part and the Pascal-Part
    data set every positive is followed by its mirror image, and the list is repeated until there
    are enough; on CUB-200-2011, whose images are many, nothing is flipped and the negatives are
    repeated instead.

    Args:
        train: `PartDataset` whose class 0 is the background, such as
            `animal_part(path).select(["negative", "horse"]).train`.
        flips: Whether to add the mirror image of every image that is not background.
        positive_share: Share of the images that are not background, at least; the scarcer side
            is repeated until it is met (the last round may be incomplete).

    Returns:
        A `PartDataset`: positives, then negatives. It shares the images of `train`.

    Raises:
        ValueError: When one of the two sides is empty, or for another share than one between 0
            and 1.
    """
    positive_share = check.number(
        positive_share,
        "positive_share",
        "single_category",
        above=0,
        below=1,
        fix="Use 0.75 for three positives a negative.",
    )
    positives, negatives = np.flatnonzero(train.labels != 0), np.flatnonzero(train.labels == 0)
    if not len(positives) or not len(negatives):
        raise ValueError(
            "Argument `train` of single_category must hold images of its class 0, the background, "
            f"and others. Received: {len(negatives)} of class 0 ('{train.class_names[0]}'), "
            f"{len(positives)} others. Use `select(['negative', 'horse'])`, and give the reader "
            "`negatives`."
        )
    both = train
    if flips:
        both = train.concatenate(train.flipped())
        # Each one followed by its mirror image.
        positives = np.stack([positives, positives + len(train)], axis=1).ravel()
    odds = positive_share / (1 - positive_share)
    wanted = round(odds * len(negatives))
    if len(positives) <= wanted:
        positives = _repeated(positives, wanted)
    else:
        negatives = _repeated(negatives, round(len(positives) / odds))
    return both.subset(np.concatenate([positives, negatives]))


def _repeated(rows, n):
    return np.tile(rows, math.ceil(n / len(rows)))[:n]

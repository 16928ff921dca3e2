"""Which images are held out, in data sets that come without a split."""

import numpy as np

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def alternating_split(annotated):
    """The split of data sets that come without one.

    Every second of the annotated images, the first one included, is for `test`; of the others
    every fifth for `validation`. Nothing is drawn, so the split is the same everywhere.

    Args:
        annotated: bool `[images]`, in the order of one class.

    Returns:
        list of `"train"`, `"validation"` and `"test"`.
    """
    annotated = np.asarray(annotated, bool)
    split = np.full(len(annotated), TRAIN, dtype=object)
    split[np.flatnonzero(annotated)[::2]] = TEST
    split[np.flatnonzero(split == TRAIN)[4::5]] = VALIDATION
    return split.tolist()

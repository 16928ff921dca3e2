"""Whether figures are of images that the model was trained on: what tables say of it."""

import re
from typing import NamedTuple

from keras_icnn.models._training_images import trained_on


class TrainingMark(NamedTuple):
    """What is added to the name of a network, or of a page, and a sentence; "" where nothing."""

    suffix: str
    note: str


def unmarked(name):
    """A network's name without what `TrainingMark.suffix` added to it."""
    return re.sub(r" \((\d+ of \d+ are )?training images\)$", "", name)


def training_mark(model, dataset):
    """How figures of a model on a data set are marked.

    Args:
        model: a Keras model.
        dataset: `PartDataset`.

    Returns:
        `TrainingMark`.
    """
    seen = trained_on(model, dataset)
    if seen is None:
        return TrainingMark("", "It is not known which images the model was trained on.")
    count, n = int(seen.sum()), len(seen)
    if not count:
        return TrainingMark("", "")
    which = "training images" if count == n else f"{count} of {n} are training images"
    return TrainingMark(
        f" ({which})",
        f"The model was trained on {count} of these {n} images: only held-out images tell how good "
        "it is.",
    )

"""Classification accuracy, plain and balanced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Accuracy:
    """Streaming form of `accuracy`; memory grows with the number of classes only."""

    def __init__(self, *, from_logits: bool = False, background: int = 0) -> None:
        self.from_logits = from_logits
        self.background = background
        self._right = {}
        self._count = {}

    def update(self, predictions: ArrayLike, labels: ArrayLike) -> None:
        """Adds predictions [images, classes] (or [images]) and integer labels [images]."""
        predictions = np.asarray(predictions, dtype="float32")
        predictions = predictions.reshape(len(predictions), -1)
        labels = np.asarray(labels)
        if predictions.shape[1] == 1:
            cut = 0.0 if self.from_logits else 0.5
            labels = (labels != self.background).astype(int)
            guessed = (predictions[:, 0] > cut).astype(int)
        else:
            if labels.size and labels.max() >= predictions.shape[1]:
                raise ValueError(
                    f"`labels` must be below the number of outputs, {predictions.shape[1]}. "
                    f"Received: label {labels.max()}; the network and the data set have "
                    "different classes."
                )
            guessed = predictions.argmax(axis=1)
        for label in np.unique(labels):
            mine = labels == label
            label = int(label)
            self._count[label] = self._count.get(label, 0) + int(mine.sum())
            self._right[label] = self._right.get(label, 0) + int((guessed[mine] == label).sum())

    def result(self) -> tuple[float, float]:
        """(plain, balanced); NaN before any image."""
        if not self._count:
            return float("nan"), float("nan")
        plain = sum(self._right.values()) / sum(self._count.values())
        recalls = [self._right[label] / n for label, n in self._count.items()]
        return plain, float(np.mean(recalls))


def accuracy(
    predictions: ArrayLike, labels: ArrayLike, *, from_logits: bool = False, background: int = 0
) -> tuple[float, float]:
    """Share of images classified rightly, and the mean of that share over the classes present.

    Args:
        predictions: float [images, classes]; one column (or [images]) is the single-category task
            and decides "not background" above .5, or above 0 with `from_logits`; more columns
            decide for the highest.
        labels: int [images].
        from_logits: whether a single output is a logit, not a probability.
        background: the label that counts as negative in the single-category task.

    Returns:
        (plain, balanced). Balanced weighs positives and negatives, or all classes, the same.

    Raises:
        ValueError: if a label has no output.
    """
    measure = Accuracy(from_logits=from_logits, background=background)
    measure.update(predictions, labels)
    return measure.result()


class OutputAccuracy:
    """Mean accuracy of independent yes-no outputs (the paper's footnote 4 on Table 7)."""

    def __init__(self, from_logits):
        self._cut = 0.0 if from_logits else 0.5
        self._right = self._count = 0

    def update(self, predictions, labels):
        """Adds predictions [images, classes] and integer labels [images]."""
        if predictions.ndim != 2 or predictions.shape[1] < 2:
            return
        truth = labels[:, None] == np.arange(predictions.shape[1])
        self._right += int(((predictions > self._cut) == truth).sum())
        self._count += truth.size

    def result(self):
        """dict with `accuracy_outputs`; empty where there were no several outputs."""
        return {"accuracy_outputs": self._right / self._count} if self._count else {}

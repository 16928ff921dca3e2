"""`PartSplits`: the training, validation and test part of a data set."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.datasets._part_dataset import PartDataset
from keras_icnn.datasets._unusable_files import summary_of

if TYPE_CHECKING:
    from keras_icnn.datasets._unusable_files import Skipped

# How many classes a summary counts one by one.
_CLASSES = 12


class PartSplits:
    """A data set in up to three parts: `.train`, `.validation` and `.test`.

    Reading a split that the data set does not have raises an `AttributeError` that says so.
    `class_names`, `landmark_names`, `part_names` and `image_size` are the splits' own.

    Args:
        train, validation, test: `PartDataset` or `None` (absent). At least one is given.
        note: What to do about an absent split; ends the error message.
        skipped: List of `(file, reason)`: what the reader left out.
    """

    def __init__(
        self,
        train: PartDataset | None = None,
        validation: PartDataset | None = None,
        test: PartDataset | None = None,
        note: str = "",
        skipped: Iterable[Skipped] = (),
    ) -> None:
        self.skipped: list[Skipped] = list(skipped)
        splits = {"train": train, "validation": validation, "test": test}
        self._splits = {name: data for name, data in splits.items() if data is not None}
        self._note = note
        if not self._splits:
            raise ValueError("`PartSplits` needs at least one split. Received: none.")

    def _get(self, name: str) -> PartDataset:
        if name not in self._splits:
            # An AttributeError, so that hasattr() and getattr(..., None) work as expected.
            raise AttributeError(
                f"This data set has no `{name}` split. It has: {', '.join(self._splits)}. "
                f"{self._note}".rstrip()
            )
        return self._splits[name]

    @property
    def train(self) -> PartDataset:
        """Images to train on."""
        return self._get("train")

    @property
    def validation(self) -> PartDataset:
        """Images to choose by."""
        return self._get("validation")

    @property
    def test(self) -> PartDataset:
        """Images to report figures on."""
        return self._get("test")

    def _shared(self, name):
        return getattr(next(iter(self._splits.values())), name)

    @property
    def class_names(self) -> list[str]:
        """See `PartDataset`."""
        return self._shared("class_names")

    @property
    def landmark_names(self) -> list[str]:
        """See `PartDataset`."""
        return self._shared("landmark_names")

    @property
    def part_names(self) -> list[str]:
        """See `PartDataset`."""
        return self._shared("part_names")

    @property
    def image_size(self) -> tuple[int, int] | None:
        """See `PartDataset`."""
        return self._shared("image_size")

    def items(self) -> ItemsView[str, PartDataset]:
        """Pairs of name and `PartDataset`, the splits that there are."""
        return self._splits.items()

    def summary(self) -> str:
        """What was read and what was left out, with the reasons, as text."""
        counts = sum(
            np.bincount(data.labels, minlength=len(self.class_names))
            for data in self._splits.values()
        )
        classes = [f"{c} {n}" for c, n in zip(self.class_names, counts, strict=True)]
        if len(classes) > _CLASSES:
            classes[_CLASSES:] = [f"and {len(classes) - _CLASSES} more"]
        splits = ", ".join(f"{len(data)} {name}" for name, data in self._splits.items())
        lines = [
            f"{int(counts.sum())} images of {len(counts)} classes ({', '.join(classes)}); {splits}"
        ]
        if self.skipped:
            lines.append(f"{len(self.skipped)} left out:")
            lines += summary_of(self.skipped)
        return "\n".join(lines)

    def select(self, classes: Sequence[str | int]) -> PartSplits:
        """`PartDataset.select` on every split."""
        return self._map(lambda data: data.select(classes))

    def cache(self) -> PartSplits:
        """`PartDataset.cache` on every split."""
        return self._map(PartDataset.cache)

    def _map(self, function):
        return PartSplits(
            **{name: function(data) for name, data in self._splits.items()},
            note=self._note,
            skipped=self.skipped,
        )

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(data)}" for name, data in self._splits.items())
        return f"<PartSplits: {counts}; {len(self.class_names)} classes>"

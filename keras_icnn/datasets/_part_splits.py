"""`PartSplits`: the training, validation and test part of a data set."""

from keras_icnn.datasets._part_dataset import PartDataset


class PartSplits:
    """A data set in up to three parts: `.train`, `.validation` and `.test`.

    Reading a split that the data set does not have raises an `AttributeError` that says so.
    `class_names`, `landmark_names`, `part_names` and `image_size` are the splits' own.

    Args:
        train, validation, test: `PartDataset` or `None` (absent). At least one is given.
        note: What to do about an absent split; ends the error message.
        skipped: List of `(file, reason)`: what the reader left out.
    """

    def __init__(self, train=None, validation=None, test=None, note="", skipped=()):
        self.skipped = list(skipped)
        splits = {"train": train, "validation": validation, "test": test}
        self._splits = {name: data for name, data in splits.items() if data is not None}
        self._note = note
        if not self._splits:
            raise ValueError("`PartSplits` needs at least one split. Received: none.")

    def _get(self, name):
        if name not in self._splits:
            # An AttributeError, so that hasattr() and getattr(..., None) work as expected.
            raise AttributeError(
                f"This data set has no `{name}` split. It has: {', '.join(self._splits)}. "
                f"{self._note}".rstrip()
            )
        return self._splits[name]

    train = property(lambda self: self._get("train"), doc="Images to train on.")
    validation = property(lambda self: self._get("validation"), doc="Images to choose by.")
    test = property(lambda self: self._get("test"), doc="Images to report figures on.")

    def _shared(self, name):
        return getattr(next(iter(self._splits.values())), name)

    class_names = property(lambda self: self._shared("class_names"))
    landmark_names = property(lambda self: self._shared("landmark_names"))
    part_names = property(lambda self: self._shared("part_names"))
    image_size = property(lambda self: self._shared("image_size"))

    def items(self):
        """Pairs of name and `PartDataset`, the splits that there are."""
        return self._splits.items()

    def select(self, classes):
        """`PartDataset.select` on every split."""
        return self._map(lambda data: data.select(classes))

    def cache(self):
        """`PartDataset.cache` on every split."""
        return self._map(PartDataset.cache)

    def _map(self, function):
        return PartSplits(
            **{name: function(data) for name, data in self._splits.items()},
            note=self._note,
            skipped=self.skipped,
        )

    def __repr__(self):
        counts = ", ".join(f"{name} {len(data)}" for name, data in self._splits.items())
        return f"<PartSplits: {counts}; {len(self.class_names)} classes>"

"""Pictures with annotated parts: readers, generated creatures, and what they share.

Every reader returns `PartSplits` (`.train`, `.validation`, `.test`) of `PartDataset`s.
"""

from keras_icnn.datasets._base import PartDataset, PartSplits, Sample
from keras_icnn.datasets.animal_part import animal_part
from keras_icnn.datasets.creatures import creatures
from keras_icnn.datasets.folder import folder

__all__ = [
    "PartBatches",
    "PartDataset",
    "PartSplits",
    "Sample",
    "animal_part",
    "creatures",
    "folder",
]


def __getattr__(name):
    # `PartBatches` derives from a Keras class, and Keras imports its backend, which takes
    # seconds; reading data sets and the command line's `--help` need neither.
    if name == "PartBatches":
        from keras_icnn.datasets._batches import PartBatches

        return PartBatches
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

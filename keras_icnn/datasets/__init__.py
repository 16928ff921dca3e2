"""Images with annotated parts: readers, generated creatures, and what they share.

Every reader returns `PartSplits` (`.train`, `.validation`, `.test`) of `PartDataset`s. `read` calls
one by its name, `detect` tells which one a folder is for, `reader_names` lists them.
"""

from typing import TYPE_CHECKING

from keras_icnn.datasets._from_arrays import from_arrays, from_directory, from_tf_dataset
from keras_icnn.datasets._part_dataset import PartDataset
from keras_icnn.datasets._part_splits import PartSplits
from keras_icnn.datasets._readers import Reader, detect, read, reader, reader_names
from keras_icnn.datasets._sample import Sample
from keras_icnn.datasets._single_category import single_category
from keras_icnn.datasets._unusable_files import Skipped
from keras_icnn.datasets.animal_part import animal_part
from keras_icnn.datasets.creatures import creatures
from keras_icnn.datasets.cub200 import cub200
from keras_icnn.datasets.folder import folder
from keras_icnn.datasets.pascal_part import pascal_part

if TYPE_CHECKING:
    from keras_icnn.datasets._batches import PartBatches

__all__ = [
    "PartBatches",
    "PartDataset",
    "PartSplits",
    "Reader",
    "Sample",
    "Skipped",
    "animal_part",
    "creatures",
    "cub200",
    "detect",
    "folder",
    "from_arrays",
    "from_directory",
    "from_tf_dataset",
    "pascal_part",
    "read",
    "reader",
    "reader_names",
    "single_category",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        # `PartBatches` derives from a Keras class, and Keras imports its backend, which takes
        # seconds; reading data sets and the command line's `--help` need neither.
        if name == "PartBatches":
            from keras_icnn.datasets._batches import PartBatches

            return PartBatches
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

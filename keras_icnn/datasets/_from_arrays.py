"""Data sets of images in memory: arrays, and batches that are read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._class_labels import class_numbers, names_of
from keras_icnn.datasets._part_dataset import PartDataset

if TYPE_CHECKING:
    import os

    import tensorflow as tf
    from numpy.typing import ArrayLike

_IMAGES = "images [images, height, width, 3]"


def from_arrays(
    x: ArrayLike, y: ArrayLike, class_names: Sequence[str] | None = None
) -> PartDataset:
    """A data set of images and labels in memory, as `fit(x, y)` takes them.

    Args:
        x: Images `[images, height, width, 3]` as the network takes them: pixels from 0 to 255 where
            it prepares them itself.
        y: Class numbers `[images]`, or one-hot rows `[images, classes]`.
        class_names: Strings, the names of the classes in the order of the labels; `None`:
            "class 0", "class 1", ...

    Returns:
        `PartDataset` without landmarks and parts.

    Raises:
        ValueError: For arrays that are not images and classes; continuous labels among them.

    Example:

    ```python
    data = icnn.datasets.from_arrays(x_test, y_test, class_names=["cat", "dog"])
    ```
    """
    return _in_memory(x, y, class_names, "from_arrays")


def from_tf_dataset(
    dataset: tf.data.Dataset, class_names: Sequence[str] | None = None
) -> PartDataset:
    """A data set of the images and labels that a `tf.data.Dataset` gives in one pass.

    They are kept in memory. What shuffles anew in every pass is in the order of this one.

    Args:
        dataset: Gives (images, labels), in batches or one by one, such as what
            `keras.utils.image_dataset_from_directory` returns.
        class_names: Strings, the names of the classes; `None`: `dataset.class_names` where it has
            them, else "class 0", "class 1", ...

    Returns:
        `PartDataset` without landmarks and parts.

    Raises:
        ValueError: For a data set without labels, without end, or of something else than images.
    """
    where = "from_tf_dataset"
    # tf.data.INFINITE_CARDINALITY, without the import.
    if int(dataset.cardinality()) == -1:
        fix = "Leave `repeat()` out, or end it with `take(...)`."
        check.refuse("a repeated one", "dataset", where, "a data set that ends", fix)
    return _of_batches(dataset.as_numpy_iterator(), dataset, class_names, where)


def from_directory(
    path: str | os.PathLike[str], image_size: Sequence[int] = (224, 224)
) -> PartDataset:
    """All usable images of a folder of class folders; the others are left out with a warning.

    Args:
        path: The folder.
        image_size: `(height, width)` in pixels, or one number.

    Returns:
        `PartDataset` without landmarks and parts; `icnn.datasets.folder` also splits it.

    Raises:
        FileNotFoundError, ValueError: As `icnn.datasets.folder`.
    """
    from keras_icnn.datasets.folder import folder

    return folder(path, image_size, validation_split=0, on_error="skip").train


def from_batches(batches, class_names=None):
    """A data set of all that batches hold: a `PyDataset`, or what `for` goes through and ends."""
    where = "from_batches"
    try:
        count = len(batches)
    except (TypeError, ValueError):
        count = None
    if count is None:
        expectation = "batches whose number is known"
        check.refuse(type(batches).__name__, "dataset", where, expectation, "Give it a length.")
    taken = (batches[i] for i in range(count)) if hasattr(batches, "__getitem__") else batches
    return _of_batches(taken, batches, class_names, where)


def _of_batches(batches, source, class_names, where):
    images, labels = [], []
    for batch in batches:
        x, y = _pair(batch, where)
        # One image and its label, not in a batch.
        if x.ndim == 3:
            x, y = x[None], y[None]
        images.append(_compact(x))
        labels.append(y)
    if not images:
        check.refuse("no batch", "dataset", where, "a data set of at least one image")
    sizes = {x.shape[1:] for x in images}
    if len(sizes) > 1:
        fix = "Resize them to the network's size."
        check.refuse(sorted(sizes), "dataset", where, "images of one size", fix)
    return _in_memory(
        np.concatenate(images),
        np.concatenate(labels),
        _own_names(source) if class_names is None else class_names,
        where,
    )


def _pair(batch, where):
    """Images and labels of a batch, sample weights left out."""
    pair = isinstance(batch, tuple | list) and 2 <= len(batch) <= 3
    if not pair or isinstance(batch[0], dict):
        fix = "Give batches of (images, labels): not `label_mode=None`, and no dictionaries."
        kind = type(batch).__name__
        if isinstance(batch, tuple | list):
            kind += f" of {len(batch)} {[type(one).__name__ for one in batch]}"
        check.refuse(kind, "dataset", where, "batches of images and labels", fix)
    return np.asarray(batch[0]), np.asarray(batch[1])


def _compact(images):
    """Whole numbers from 0 to 255 as bytes, a quarter of the memory; others as they are."""
    if images.dtype.kind == "f" and images.size and images.min() >= 0 and images.max() <= 255:
        whole = images.astype("uint8")
        if np.array_equal(whole, images):
            return whole
    return images.astype("float32") if images.dtype == "float64" else images


def _own_names(source: Any):
    """The names of the classes that a data set of Keras has."""
    names = getattr(source, "class_names", None)
    if names is None:
        numbers = getattr(source, "class_indices", None)
        names = sorted(numbers, key=numbers.get) if isinstance(numbers, dict) else None
    return names


def _in_memory(x, y, class_names, where):
    images = np.asarray(x)
    if images.dtype.kind not in "iuf" or images.ndim != 4 or images.shape[-1] != 3:
        fix = "Channels come last; repeat a single one: np.repeat(x, 3, axis=-1)."
        given = f"array of shape {images.shape} and type {images.dtype}"
        check.refuse(given, "x", where, _IMAGES, fix)
    labels, width = class_numbers(y, where)
    if len(labels) != len(images):
        expectation = f"one label for each of the {len(images)} images"
        check.refuse(f"{len(labels)} labels", "y", where, expectation)
    return PartDataset(
        image=images.__getitem__,
        labels=labels,
        files=[f"image {number}" for number in range(len(images))],
        class_names=names_of(class_names, labels, width, where),
        image_size=images.shape[1:3],
    )

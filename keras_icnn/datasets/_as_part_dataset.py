"""Whatever Keras users have, as the data set and the image that the package works on."""

from __future__ import annotations

import os

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._from_arrays import (
    from_arrays,
    from_batches,
    from_directory,
    from_tf_dataset,
)
from keras_icnn.datasets._image_files import read_image
from keras_icnn.datasets._part_dataset import PartDataset
from keras_icnn.datasets._part_splits import PartSplits
from keras_icnn.datasets._readers import detect
from keras_icnn.datasets._sample import Sample

_ACCEPTED = (
    "a PartDataset, arrays (x, y), a tf.data.Dataset or PyDataset of (images, labels), or the path "
    "of a folder of class folders"
)


def as_part_dataset(data, model, where, argument="dataset"):
    """Data that a function was given, as a `PartDataset` with the model's classes.

    Args:
        data: a `PartDataset` or its batches, arrays (x, y), a `tf.data.Dataset`, a
            `keras.utils.PyDataset` or other batches whose number is known, the path of a folder of
            class folders, a `Sample` or a list of them.
        model: the Keras model it is for; None: none is known yet.
        where, argument: the function and its argument, for errors.

    Returns:
        `PartDataset`. Where the model knows the names of its classes, and those of the data are
        among them, labels are numbered as the model has them.

    Raises:
        ValueError: for anything else, and classes that the model does not have.
    """
    if _is_dataset(data):
        return _in_order(data, model)
    inner = getattr(data, "dataset", None)
    if isinstance(inner, PartDataset):
        return _in_order(inner, model)
    if isinstance(data, PartSplits):
        fix = f"Choose a split: {' or '.join(f'data.{name}' for name, _ in data.items())}."
        check.refuse(data, argument, where, _ACCEPTED, fix)
    found = _converted(data, model, where, argument)
    _require_known(found, model, where, argument)
    return _in_order(found, model)


def annotated_dataset(data, where, argument="dataset"):
    """Data that a function of landmarks was given: only a `PartDataset` can hold them.

    Args:
        data: a `PartDataset` or its batches.
        where, argument: the function and its argument, for errors.

    Returns:
        `PartDataset`. Whether it has landmarks, and which, is for the function to say.

    Raises:
        ValueError: for anything else, with how to make one.
    """
    if _is_dataset(data) and hasattr(data, "landmark_names"):
        return data
    inner = getattr(data, "dataset", None)
    if isinstance(inner, PartDataset):
        return inner
    if isinstance(data, PartSplits):
        splits = " or ".join(f"data.{name}" for name, _ in data.items())
        check.refuse(data, argument, where, "one split with landmarks", f"Choose {splits}.")
    fix = (
        "Arrays, batches and folders of images have no landmarks. Read an annotated data set, such "
        "as `icnn.datasets.cub200(path).test`, or give your own points: "
        "`icnn.datasets.PartDataset(image=lambda i: x[i], labels=y, files=range(len(y)), "
        "class_names=class_names, image_size=x.shape[1:3], landmarks=points, "
        "landmark_names=names)`, with points [images, landmarks, 2] as (x, y) in pixels."
    )
    shown = os.fspath(data) if isinstance(data, str | os.PathLike) else type(data)
    return check.refuse(shown, argument, where, "a PartDataset with landmarks", fix)


def as_image(image, model, where):
    """An image that a function was given: an array, a `Sample`, or the path of a file.

    Args:
        image: the image; a file is resized to the model's input.
        model: the Keras model it is for.
        where: the function, for errors.

    Returns:
        Array `[height, width, 3]`, or what was given, where it is none of these.

    Raises:
        FileNotFoundError: when there is no such file.
        OSError: when it cannot be decoded.
    """
    if isinstance(image, Sample):
        return image.image
    if not isinstance(image, str | os.PathLike):
        return image
    if not os.path.isfile(image):
        raise FileNotFoundError(
            f"There is no image '{os.fspath(image)}'. Check the path: argument `image` of {where}."
        )
    return read_image(os.fspath(image), _input_size(model, where, "image"))


def _is_dataset(data):
    return all(hasattr(data, name) for name in ("class_names", "labels", "image", "batches"))


def _converted(data, model, where, argument):
    names = _generated_names(model)
    if isinstance(data, Sample):
        data = [data]
    if isinstance(data, list) and data and all(isinstance(one, Sample) for one in data):
        images = _stacked([sample.image for sample in data], where, argument)
        return from_arrays(images, [sample.label for sample in data], names)
    if isinstance(data, str | os.PathLike):
        return _read(data, model, where, argument)
    if isinstance(data, tuple) and len(data) in (2, 3):
        return from_arrays(data[0], data[1], names)
    own_names = any(hasattr(data, name) for name in ("class_names", "class_indices"))
    if hasattr(data, "element_spec"):
        return from_tf_dataset(data, None if own_names else names)
    if hasattr(data, "shape"):
        fix = "Give the labels as well: (x, y)."
        check.refuse(f"array of shape {tuple(data.shape)}", argument, where, _ACCEPTED, fix)
    if not isinstance(data, dict | list | tuple | set) and hasattr(data, "__len__"):
        return from_batches(data, None if own_names else names)
    fix = None
    if hasattr(data, "__next__"):
        fix = "A generator cannot be read twice: make arrays of it, or a PyDataset."
    return check.refuse(data, argument, where, _ACCEPTED, fix)


def _stacked(images, where, argument):
    if len({image.shape for image in images}) > 1:
        fix = "Resize them to the network's size."
        sizes = sorted({image.shape for image in images})
        check.refuse(sizes, argument, where, "samples of one size", fix)
    return np.stack(images)


def _read(path, model, where, argument):
    if os.path.isfile(path):
        fix = "One image is explained by `icnn.explain(model, path)`."
        check.refuse(os.fspath(path), argument, where, "a folder of class folders", fix)
    reader = detect(path)
    if reader != "folder":
        fix = f"Read it with `icnn.datasets.{reader}(path)`, and pass one of its splits."
        check.refuse(os.fspath(path), argument, where, _ACCEPTED, fix)
    return from_directory(path, _input_size(model, where, argument))


def _input_size(model, where, argument):
    """(height, width) that a model takes."""
    size = tuple(model.inputs[0].shape[1:3])
    if None in size:
        raise ValueError(
            f"Argument `{argument}` of {where} is read from files at the size of the model's "
            f"input, which is not fixed: {tuple(model.inputs[0].shape)}. Pass "
            "`icnn.datasets.folder(path, image_size=...).train`, or arrays."
        )
    return size


def _class_count(model):
    """How many classes a model tells apart; None: it gives no vector, or there is no model."""
    if model is None:
        return None
    shape = model.outputs[0].shape
    return max(int(shape[-1]), 2) if len(shape) == 2 and shape[-1] is not None else None


def _generated_names(model):
    """Names for labels without: the model's own, else numbers; one output has a background."""
    count, names = _class_count(model), getattr(model, "class_names", None)
    if names is not None and count == len(names):
        return names
    if count is None:
        return None
    if int(model.outputs[0].shape[-1]) == 1:
        return ["background", "class 1"]
    return [f"class {number}" for number in range(count)]


def _require_known(dataset, model, where, argument):
    """Refuses classes that the model does not have."""
    names, count = getattr(model, "class_names", None), _class_count(model)
    unknown = [name for name in dataset.class_names if names is not None and name not in names]
    if unknown:
        expectation = f"a data set of the model's classes, {names}"
        fix = f"It was not trained on {unknown}: leave them out."
        check.refuse(dataset.class_names, argument, where, expectation, fix)
    if names is None and count is not None and len(dataset.class_names) != count:
        expectation = f"a data set of as many classes as the model tells apart, {count}"
        fix = "Its labels must be those that the model was trained with."
        check.refuse(dataset.class_names, argument, where, expectation, fix)


def _in_order(dataset, model):
    """The data set with its classes numbered as the model has them, where they are among its."""
    names = getattr(model, "class_names", None)
    own = list(dataset.class_names)
    if names is None or own == list(names) or not isinstance(dataset, PartDataset):
        return dataset
    if not set(own) <= set(names):
        return dataset
    return dataset.with_classes(names)

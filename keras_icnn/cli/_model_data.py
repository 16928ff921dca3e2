"""Data that fits a model: reads a data set's folder and chooses what the model is measured on."""

import functools

import numpy as np

_ALL_BIRDS = "bird"


class ModelData:
    """A data set's folder as a model's: its splits, at the model's size, with its classes.

    Args:
        model: a functional or sequential Keras model, channels last.
        path: folder of the data set.
        reader: name of its reader; None: what the folder's files suggest.
        categories: class names in the order of the model's outputs; None: the model's own where
            they are known, else all. A background class 0 of the data set comes first by itself,
            unless there is an output for each category. "bird" alone is every species of
            CUB-200-2011 as one category.
        negatives, truth: folders for the readers that take them.
        landmarks: names of landmarks, or ["all"], for the reader that takes them.

    Attributes:
        chosen: sentence on the images of the split that was asked for last, None where there is
            nothing to say.
        skipped: lines on files that were left out.

    Raises:
        ValueError: for options that do not fit the data.
        OSError: when the data cannot be read.
    """

    def __init__(
        self,
        model,
        path,
        *,
        reader=None,
        categories=None,
        negatives=None,
        truth=None,
        landmarks=None,
    ):
        from keras_icnn.datasets import detect

        size = tuple(model.inputs[0].shape[1:3])
        species = list(categories or ()) != [_ALL_BIRDS]
        options = {"landmarks": landmarks, "species": species}
        reader = reader or detect(path)
        found = read_splits(path, size, reader, negatives, truth, **options)
        self._model, self._path = model, path
        self._splits = dict(found.items())
        # Such a folder says nothing of a split; the model knows which images it was trained on.
        self._is_folder = reader == "folder"
        self._categories = categories
        # How many classes the model tells apart by outputs of their own; None: not a classifier.
        shape = model.outputs[0].shape
        self._outputs = shape[-1] if len(shape) == 2 else None
        self.chosen = None
        self.skipped = skipped_lines(found) if self._is_folder else []

    def split(self, name=None):
        """The images of a split, as a `PartDataset`.

        Args:
            name: `"test"`, `"validation"`, `"train"`, or `"all"`: the three together, as the
                authors' code measures, training images included; None: `test`, or `validation`
                where there is no `test`. Of a folder of class folders `train` are the images that
                the model was trained on, `test` and `validation` the others.

        Raises:
            ValueError: when there is no such split, or it does not fit the model.
        """
        if self._is_folder:
            found = self._splits["test"]
        else:
            name = name or ("test" if "test" in self._splits else "validation")
            found = self._named(name)
        if self._categories:
            found = _select(found, self._categories, self._outputs)
        else:
            found = _as_trained(found, getattr(self._model, "class_names", None))
        _require_outputs(self._outputs, found)
        if self._is_folder:
            found, self.chosen = chosen_images(self._model, found, name, self._path)
        return found

    def _named(self, name):
        if name == "all":
            return functools.reduce(lambda a, b: a.concatenate(b), self._splits.values())
        if name in self._splits:
            return self._splits[name]
        raise ValueError(
            f"The data set has no split '{name}', only {list(self._splits)}. Choose one of "
            "them with --split."
        )


def chosen_images(model, dataset, name, path):
    """The images of a folder that a figure is to be of.

    Args:
        model: the model, which may know what it was trained on.
        dataset: `PartDataset`, all images of the folder.
        name: `"train"`, `"validation"`, `"test"`, `"all"` or None: the held-out ones.
        path: the folder, for errors.

    Returns:
        (`PartDataset`, one sentence that says which images they are).

    Raises:
        ValueError: when there are none, or it is not known which they are.
    """
    from keras_icnn.models._training_images import trained_on

    seen = trained_on(model, dataset)
    if seen is None:
        if name in ("train", "validation"):
            raise ValueError(
                f"The model does not know which images of '{path}' it was trained on, so there is "
                f"no split '{name}'. Leave --split out: all images are taken."
            )
        return dataset, (
            f"{len(dataset)} images; the model does not know which of them it was trained on, "
            "so figures may be too good."
        )
    held_out, trained = int((~seen).sum()), int(seen.sum())
    if name == "all":
        return dataset, f"{len(dataset)} images, {trained} of which the model was trained on"
    wanted = seen if name == "train" else ~seen
    if not wanted.any():
        which = "none" if name == "train" else f"all {trained}"
        fix = "Leave --split out." if name == "train" else "Give others, or --split all."
        raise ValueError(f"The model was trained on {which} of the images in '{path}'. {fix}")
    if name == "train":
        text = f"{trained} images the model was trained on; {held_out} held-out ones are left out"
    elif trained:
        text = f"{held_out} held-out images; {trained} the model was trained on are left out"
    else:
        text = f"{held_out} images, none of which the model was trained on"
    return dataset.subset(np.flatnonzero(wanted)), text


def was_trained_on(model, file):
    """Whether a model knows that it was trained on an image's file."""
    from keras_icnn._image_digests import of_file

    return of_file(file) in getattr(model, "training_images", ())


def tell_images(data):
    """Prints which images were chosen, and what was left out; `ModelData` after `split`."""
    for line in [*data.skipped, *([data.chosen] if data.chosen else [])]:
        print(line, flush=True)


def skipped_lines(splits):
    """What a reader left out, as lines; none where it took all."""
    from keras_icnn.datasets._unusable_files import summary_of

    if not splits.skipped:
        return []
    return [f"{len(splits.skipped)} files or folders left out:", *summary_of(splits.skipped)]


def read_splits(path, size, reader=None, negatives=None, truth=None, landmarks=None, species=True):
    """Reads a data set.

    Args:
        path: its folder.
        size: (height, width) of the images, None where the model takes any.
        reader, negatives, truth, landmarks: as in `ModelData`.
        species: whether those of CUB-200-2011 are categories; else all of it is "bird".

    Returns:
        `PartSplits`.
    """
    from keras_icnn import datasets

    reader = reader or datasets.detect(path)
    if truth is not None and reader != "animal_part":
        raise ValueError(f"`truth` belongs to Animal-Part as published, not to '{reader}'.")
    if landmarks is not None and reader != "cub200":
        raise ValueError(
            f"`landmarks` can be chosen for CUB-200-2011 only, not for '{reader}', which has one "
            "set of them. Leave --landmarks out."
        )
    if negatives is not None and reader == "folder":
        raise ValueError("`negatives` belong to other readers: put them in a class folder.")
    if reader == "folder":
        return _folder(path, size)
    options = {}
    if reader != "animal_part" and None not in size:
        options["image_size"] = size
    if negatives is not None:
        options["negatives"] = negatives
    if reader == "cub200":
        options["species"] = species
    if landmarks is not None:
        options["landmarks"] = "all" if list(landmarks) == ["all"] else landmarks
    if truth is not None:
        options["truth"] = truth
    return datasets.read(reader, path, **options)


def _folder(path, size):
    """All usable images of a folder of class folders, as `test`."""
    from keras_icnn.datasets import PartSplits
    from keras_icnn.datasets._unusable_files import ErrorPolicy
    from keras_icnn.datasets.folder import read_folder

    size = (224, 224) if None in size else size
    found = read_folder(path, size, 0, 0, ErrorPolicy("skip", "folder"))
    return PartSplits(test=found.train, skipped=found.skipped)


def _as_trained(dataset, names):
    """The data set with the classes that a model knows, in its order; None: as it is."""
    if names is None:
        return dataset
    if set(names) <= set(dataset.class_names):
        return dataset.select(names)
    if set(dataset.class_names) <= set(names):
        return dataset.with_classes(names)
    raise ValueError(
        f"The model was trained on the classes {names}, the data set has {dataset.class_names}. "
        "Pass those of the data set that the model's outputs stand for with --category, in the "
        "order of its outputs."
    )


def _select(dataset, categories, outputs):
    from keras_icnn.metrics import find_background

    names = list(categories)
    background = find_background(dataset.class_names) == 0 and dataset.class_names[0] not in names
    # A model with an output for each category was trained without the background.
    if background and not outputs == len(names) > 1:
        names = [dataset.class_names[0], *names]
    return dataset.select(names)


def _require_outputs(outputs, dataset):
    if outputs in (None, 1, len(dataset.class_names)):
        return
    present = [dataset.class_names[c] for c in sorted(set(dataset.labels.tolist()))]
    raise ValueError(
        f"The model has {outputs} outputs, the data set {len(dataset.class_names)} classes: "
        f"{dataset.class_names}, with images of {present}. Pass the classes that the model was "
        "trained on with --category, in the order of its outputs."
    )

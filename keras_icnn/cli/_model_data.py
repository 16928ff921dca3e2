"""Data that fits a model: reads a data set's folder and chooses what the model is measured on."""

import functools

_ALL_BIRDS = "bird"


class ModelData:
    """A data set's folder as a model's: its splits, at the model's size, with its classes.

    Args:
        model: a functional or sequential Keras model, channels last.
        path: folder of the data set.
        reader: name of its reader; None: what the folder's files suggest.
        categories: class names in the order of the model's outputs; None: all. A background class
            0 of the data set comes first by itself, unless there is an output for each category.
            "bird" alone is every species of CUB-200-2011 as one category.
        negatives, truth: folders for the readers that take them.
        landmarks: names of landmarks, or ["all"], for the reader that takes them.

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
        size = tuple(model.inputs[0].shape[1:3])
        species = list(categories or ()) != [_ALL_BIRDS]
        options = {"landmarks": landmarks, "species": species}
        self._splits = dict(read_splits(path, size, reader, negatives, truth, **options).items())
        self._categories = categories
        # How many classes the model tells apart by outputs of their own; None: not a classifier.
        shape = model.outputs[0].shape
        self._outputs = shape[-1] if len(shape) == 2 else None

    def split(self, name=None):
        """The images of a split, as a `PartDataset`.

        Args:
            name: `"test"`, `"validation"`, `"train"`, or `"all"`: the three together, as the
                authors' code measures, training images included; None: `test`, or `validation`
                where there is no `test`.

        Raises:
            ValueError: when there is no such split, or it does not fit the model.
        """
        name = name or ("test" if "test" in self._splits else "validation")
        if name == "all":
            found = functools.reduce(lambda a, b: a.concatenate(b), self._splits.values())
        elif name in self._splits:
            found = self._splits[name]
        else:
            raise ValueError(
                f"The data set has no split '{name}', only {list(self._splits)}. Choose one of "
                "them with --split."
            )
        found = _select(found, self._categories, self._outputs)
        _require_outputs(self._outputs, found)
        return found


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
    options = {}
    if reader != "animal_part" and None not in size:
        options["image_size"] = size
    if reader == "folder":
        # A folder says nothing of a split: all of it is measured.
        options["validation_split"] = 0
        return datasets.PartSplits(test=datasets.folder(path, **options).train)
    if negatives is not None:
        options["negatives"] = negatives
    if reader == "cub200":
        options["species"] = species
    if landmarks is not None:
        options["landmarks"] = "all" if list(landmarks) == ["all"] else landmarks
    if truth is not None:
        options["truth"] = truth
    return datasets.read(reader, path, **options)


def _select(dataset, categories, outputs):
    from keras_icnn.metrics import find_background

    if not categories:
        return dataset
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

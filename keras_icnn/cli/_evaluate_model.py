"""Measures a model on a folder of data: what `keras-icnn evaluate` does."""

import functools
from pathlib import Path

from keras_icnn.datasets import reader_names

READERS = reader_names(needs_path=True)
SPLITS = ("test", "validation", "train", "all")


def evaluate_model(
    model,
    data,
    *,
    reader=None,
    split=None,
    categories=None,
    layer=None,
    radius=None,
    batch_size=32,
    negatives=None,
    truth=None,
    preprocess=None,
    keypoints=False,
    parts=None,
    name=None,
    out=None,
    verbose=1,
):
    """Measures a model's filters and accuracy.

    Args:
        model: a functional or sequential Keras model, channels last.
        data: folder of a data set.
        reader: name of its reader; None: what the folder's files suggest.
        split: `"test"`, `"validation"`, `"train"`, or `"all"`: the three together, as the
            authors' code measures, training images included; None: `test`, or `validation` where
            there is no `test`.
        categories: class names in the order of the model's outputs; None: all. A background class
            0 of the data set comes first by itself, unless there is an output for each category.
        layer: name of the layer to measure; None: the topmost interpretable one, else the topmost
            map.
        radius: of the receptive fields in pixels; None measures it by occlusion.
        batch_size: images per forward pass.
        negatives, truth: folders for the readers that take them.
        preprocess: function applied to each batch of images (float32 RGB, 0 to 255), for a model
            that does not do it itself.
        keypoints: whether to add keypoint regression, fitted on `train`.
        parts: K, to add NMI and ARI of K groups of filters, grouped on `train`; None leaves them
            out.
        name: what the tables call the model; None: its own name.
        out: folder for `filters.csv` and `summary.csv`; None writes nothing.
        verbose: 1 shows progress bars.

    Returns:
        The `EvaluationReport`, the `KeypointResult` or None, and the `PartAgreement` or None.

    Raises:
        ValueError: when model and data do not fit together.
        OSError: when the data cannot be read.
    """
    from keras_icnn import metrics

    splits = _read(data, reader, tuple(model.inputs[0].shape[1:3]), negatives, truth)
    split = split or _held_out(splits)
    outputs = _outputs(model)
    dataset = _chosen(splits, split, outputs, categories)
    if keypoints and not dataset.landmark_names:
        raise ValueError("Keypoint regression needs a data set with landmarks; this one has none.")
    if parts and len(dataset.landmark_names) < 3:
        raise ValueError(
            "NMI and ARI of parts need a data set with at least 3 landmarks; this one has "
            f"{len(dataset.landmark_names)}."
        )
    train = _chosen(splits, "train", outputs, categories) if keypoints or parts else None
    name = name or model.name
    if split == "all":
        name += " (all images, training ones included)"
    options = {"batch_size": batch_size, "preprocess": preprocess, "verbose": verbose}
    report = metrics.evaluate(model, dataset, layer, radius=radius, name=name, **options)
    regression = agreement = None
    if keypoints:
        regression = metrics.evaluate_keypoints(model, train, dataset, layer, **options)
    if parts:
        agreement = metrics.evaluate_part_agreement(
            model, train, dataset, layer, parts=parts, **options
        )
    if out is not None:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        report.to_csv(out / "filters.csv")
        report.to_csv(out / "summary.csv", table="summary")
    return report, regression, agreement


def held_out_data(model, data, *, reader=None, split=None, categories=None):
    """The pictures of a data set that fit a model, as `evaluate_model` takes them.

    Args:
        model, data, reader, split, categories: as in `evaluate_model`.

    Returns:
        A `PartDataset`.
    """
    splits = _read(data, reader, tuple(model.inputs[0].shape[1:3]), None, None)
    return _chosen(splits, split or _held_out(splits), _outputs(model), categories)


def reference_pictures(data, size, class_names=None):
    """Pictures of a data set for explanations: the validation split, or all class folders.

    Args:
        data: folder of a data set.
        size: (height, width) of the model's input.
        class_names: where they are among the data's, only those classes, in that order.

    Returns:
        A `PartDataset`. Its classes need not be the model's.
    """
    found = dict(_read(data, None, size, None, None).items())
    dataset = found.get("validation", found.get("test"))
    if dataset is None or dataset.image_size != size:
        told = "no held-out ones" if dataset is None else "{} x {}".format(*dataset.image_size)
        raise ValueError(
            f"The pictures of '{data}' are {told}, the model takes {size[0]} x {size[1]}. Use a "
            "folder of class folders."
        )
    if class_names and set(class_names) <= set(dataset.class_names):
        dataset = dataset.select(classes=class_names)
    return dataset


def _held_out(splits):
    return "test" if "test" in dict(splits.items()) else "validation"


def _outputs(model):
    """How many classes the model tells apart by outputs of their own; None: not a classifier."""
    shape = model.outputs[0].shape
    return shape[-1] if len(shape) == 2 else None


def _chosen(splits, split, outputs, categories):
    found = dict(splits.items())
    if split != "all" and split not in found:
        raise ValueError(
            f"The data set has no split '{split}', only {list(found)}. Choose one of them with "
            "--split."
        )
    dataset = _all(splits) if split == "all" else found[split]
    dataset = _select(dataset, categories, outputs)
    _require_outputs(outputs, dataset)
    return dataset


def _read(path, name, size, negatives, truth):
    from keras_icnn import datasets

    name = name or datasets.detect(path)
    if truth is not None and name != "animal_part":
        raise ValueError(f"`truth` belongs to Animal-Part as published, not to '{name}'.")
    if negatives is not None and name == "folder":
        raise ValueError("`negatives` belong to other readers: put them in a class folder.")
    options = {}
    if name != "animal_part" and None not in size:
        options["image_size"] = size
    if name == "folder":
        # A folder says nothing of a split: all of it is measured.
        options["validation_split"] = 0
        return datasets.PartSplits(test=datasets.folder(path, **options).train)
    if negatives is not None:
        options["negatives"] = negatives
    if truth is not None:
        options["truth"] = truth
    return datasets.read(name, path, **options)


def _all(splits):
    parts = [dataset for _, dataset in splits.items()]
    return functools.reduce(lambda a, b: a.concatenate(b), parts)


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

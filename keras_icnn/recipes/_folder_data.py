"""The images of `train_folder`: read from what a user has, and split."""

import os

import numpy as np

from keras_icnn.datasets import PartDataset, PartSplits, Skipped
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.datasets._unusable_files import ErrorPolicy
from keras_icnn.datasets.folder import held_out_positions, read_folder

_WHERE = "train_folder"


def read_splits(data, validation_data, *, image_size, validation_split, seed):
    """The images to train on and to measure on.

    Args:
        data: A folder of class folders, `PartSplits`, or what `as_part_dataset` takes.
        validation_data: What `as_part_dataset` takes, or None: a share of `data`.
        image_size: (height, width) of the images: those in files are resized to it. None: the
            size of data in memory.
        validation_split, seed: Share of each class to hold out, and what it is drawn from.

    Returns:
        `PartSplits` of `train` and, where there are such images, `validation`. Copies of training
        images are left out of `validation`, and listed as skipped.

    Raises:
        ValueError: For data of fewer than two classes, and arrays whose pixels are not from 0 to
            255.
    """
    if isinstance(data, PartSplits):
        found = data
    elif isinstance(data, str | os.PathLike):
        share = 0 if validation_data is not None else validation_split
        found = read_folder(data, image_size, share, seed, ErrorPolicy("skip", "folder"))
    else:
        whole = as_part_dataset(data, None, _WHERE, "data")
        found = _split(whole, 0 if validation_data is not None else validation_split, seed)
    if len(found.class_names) < 2:
        raise ValueError(
            "There must be at least two classes to tell apart. Received: "
            f"{found.class_names}. Put images of something else in a second class folder."
        )
    _require_pixels(found.train)
    _require_size(found, image_size)
    held_out = dict(found.items()).get("validation", dict(found.items()).get("test"))
    if validation_data is not None:
        held_out = _as_validation(validation_data, found.image_size)
        held_out = held_out.with_classes(found.class_names)
    return _without_copies(found, held_out)


def _as_validation(data, image_size):
    if isinstance(data, str | os.PathLike):
        return read_folder(data, image_size, 0, 0, ErrorPolicy("skip", "folder")).train
    return as_part_dataset(data, None, _WHERE, "validation_data")


def _split(dataset, share, seed):
    """Splits a data set as `folder` splits its files."""
    held_out = np.zeros(len(dataset), bool)
    for label, name in enumerate(dataset.class_names):
        rows = np.flatnonzero(dataset.labels == label)
        if len(rows):
            held_out[rows[sorted(held_out_positions(len(rows), share, seed, name))]] = True
    if not held_out.any():
        return PartSplits(train=dataset)
    return PartSplits(
        train=dataset.subset(np.flatnonzero(~held_out)),
        validation=dataset.subset(np.flatnonzero(held_out)),
    )


def _without_copies(found, held_out):
    """The splits, images that are in both only to train on."""
    skipped = list(found.skipped)
    if held_out is not None:
        copies = np.isin(held_out.image_digests(), found.train.image_digests())
        skipped += [
            Skipped(held_out.files[i], "a copy of a training image, so not held out")
            for i in np.flatnonzero(copies)
        ]
        held_out = held_out.subset(np.flatnonzero(~copies)) if not copies.all() else None
    return PartSplits(train=found.train, validation=held_out, skipped=skipped)


def _require_size(found, image_size):
    if found.image_size is None or image_size not in (None, found.image_size):
        wanted = "one size" if image_size is None else f"`image_size`, {image_size}"
        raise ValueError(
            f"Images must have {wanted}. Received: images of size {found.image_size}. Resize them, "
            "or give a folder, whose images are resized."
        )


def _require_pixels(dataset: PartDataset):
    """Refuses images that were scaled already, by the first of them: the networks do it."""
    images = [dataset.image(i) for i in range(min(len(dataset), 16))]
    low = min(float(image.min()) for image in images)
    high = max(float(image.max()) for image in images)
    if images[0].dtype != np.uint8 and (low < 0 or high <= 1):
        raise ValueError(
            "Images must have pixels from 0 to 255, which the networks scale themselves. Received: "
            f"pixels from {low:g} to {high:g}. Leave their preprocessing out."
        )

"""What the readers of annotated objects share: a row an object, negatives, and their splits."""

from typing import Any, NamedTuple

import numpy as np

from keras_icnn.datasets._alternating_split import TEST, TRAIN, VALIDATION, alternating_split
from keras_icnn.datasets._crop import Crop
from keras_icnn.datasets._image_files import existing_folder, images_in, read_image
from keras_icnn.datasets._part_dataset import PartDataset
from keras_icnn.datasets._part_splits import PartSplits

NEGATIVE = "negative"


class ObjectRow(NamedTuple):
    """A row of a data set: one object, or one negative.

    Attributes:
        file: The image's file.
        category: Name of its class.
        crop: `Crop`, or `None` for the whole image.
        landmarks: float `[landmarks, 2]`, `(x, y)` in the crop; `None`: none.
        parts: What the reader's `masks` needs to make the part masks; `None`: no part.
        split: `"train"`, `"validation"` or `"test"`.
    """

    file: str
    category: str
    crop: Crop | None
    landmarks: Any
    parts: Any
    split: str


def negatives_in(folder, where, policy):
    """The rows of a folder of negatives, whole, half of them for `test`.

    Raises:
        FileNotFoundError: When the folder is missing.
        ValueError: When it holds no image.
    """
    folder = existing_folder(folder, where, "negatives")
    files = images_in(folder)
    if not files:
        raise ValueError(
            f"Argument `negatives` of {where} must be a folder of images. Received: '{folder}', "
            "which holds none. Add images, or leave it out."
        )
    files = [f for f, usable in zip(files, policy.readable(files), strict=True) if usable]
    splits = alternating_split(np.ones(len(files)))
    return [
        ObjectRow(file, NEGATIVE, None, None, None, split)
        for file, split in zip(files, splits, strict=True)
    ]


def build_splits(
    rows, *, class_names, landmark_names, part_names, image_size, masks, policy, path, note
):
    """`PartSplits` of the rows, each in its split.

    Args:
        rows: list of `ObjectRow`.
        class_names: Every class, in the order of the labels.
        landmark_names, part_names: Names.
        image_size: `(height, width)` or `None`.
        masks: Function of a `ObjectRow` that has parts; bool `[parts, height, width]`. `None`: the
            data set has no parts.
        policy: The reader's `ErrorPolicy`, whose findings are reported.
        path, note: For messages.

    Raises:
        ValueError: When there is no image.
    """
    if not rows:
        raise ValueError(
            f"'{path}' holds no image that can be used. "
            + (f"For one: {policy.left_out[0].reason}" if policy.left_out else "")
        )
    splits = {}
    for split in (TRAIN, VALIDATION, TEST):
        mine = [row for row in rows if row.split == split]
        if mine:
            splits[split] = _dataset(
                mine, class_names, landmark_names, part_names, image_size, masks
            )
    policy.report(path)
    return PartSplits(**splits, note=note, skipped=policy.left_out)


def _dataset(rows, class_names, landmark_names, part_names, image_size, masks):
    absent = np.full((len(landmark_names), 2), np.nan)
    label = {name: i for i, name in enumerate(class_names)}

    def image(i):
        row = rows[i]
        if row.crop is None:
            return read_image(row.file, image_size)
        return row.crop.image(row.file)

    def part_masks(i):
        row = rows[i]
        if row.parts is not None:
            return masks(row)
        size = image_size or (image(i).shape[:2] if row.crop is None else row.crop.size)
        return np.zeros((len(part_names), *size), bool)

    return PartDataset(
        image=image,
        parts=None if masks is None else part_masks,
        labels=[label[row.category] for row in rows],
        landmarks=[absent if row.landmarks is None else row.landmarks for row in rows],
        files=[row.file for row in rows],
        class_names=class_names,
        landmark_names=landmark_names,
        part_names=part_names,
        image_size=image_size,
        paths=[row.file for row in rows],
    )

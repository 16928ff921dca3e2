"""What the readers of annotated objects share: pictures by row, negatives, and their splits."""

from typing import Any, NamedTuple

import numpy as np

from keras_icnn.datasets._crop import Crop
from keras_icnn.datasets._files import existing_folder, pictures_in, read_image
from keras_icnn.datasets._part_dataset import PartDataset, PartSplits
from keras_icnn.datasets._protocol import TEST, TRAIN, VALIDATION, alternating_split

NEGATIVE = "negative"


class Picture(NamedTuple):
    """A row of a data set: one object, or one negative.

    Attributes:
        file: The picture's file.
        category: Name of its class.
        crop: `Crop`, or `None` for the whole picture.
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


def negatives_in(folder, policy):
    """The `Picture`s of a folder of negatives, whole, half of them for `test`.

    Raises:
        FileNotFoundError: When the folder is missing.
        ValueError: When it holds no picture.
    """
    folder = existing_folder(folder, "negatives")
    files = pictures_in(folder)
    if not files:
        raise ValueError(
            f"`negatives` must be a folder of pictures. Received: '{folder}', which holds none."
        )
    files = [f for f, usable in zip(files, policy.readable(files), strict=True) if usable]
    splits = alternating_split(np.ones(len(files)))
    return [
        Picture(file, NEGATIVE, None, None, None, split)
        for file, split in zip(files, splits, strict=True)
    ]


def build_splits(
    pictures, *, class_names, landmark_names, part_names, image_size, masks, policy, path, note
):
    """`PartSplits` of the pictures, each in its split.

    Args:
        pictures: list of `Picture`.
        class_names: Every class, in the order of the labels.
        landmark_names, part_names: Names.
        image_size: `(height, width)` or `None`.
        masks: Function of a `Picture` that has parts; bool `[parts, height, width]`. `None`: the
            data set has no parts.
        policy: The reader's `ErrorPolicy`, whose findings are reported.
        path, note: For messages.

    Raises:
        ValueError: When there is no picture.
    """
    if not pictures:
        raise ValueError(
            f"'{path}' holds no picture that can be used. "
            + (f"For one: {policy.left_out[0].reason}" if policy.left_out else "")
        )
    splits = {}
    for split in (TRAIN, VALIDATION, TEST):
        rows = [picture for picture in pictures if picture.split == split]
        if rows:
            splits[split] = _dataset(
                rows, class_names, landmark_names, part_names, image_size, masks
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
    )

"""A folder of class folders, without parts: any collection of images to train on."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._image_files import (
    EXTENSIONS,
    checked_size,
    existing_folder,
    read_image,
    utf8,
)
from keras_icnn.datasets._part_dataset import PartDataset
from keras_icnn.datasets._part_splits import PartSplits
from keras_icnn.datasets._readers import register


@register()
def folder(
    path: str | os.PathLike[str],
    image_size: Sequence[int] = (224, 224),
    validation_split: float = 0.2,
    seed: int = 0,
) -> PartSplits:
    """Reads a folder whose sub-folders are classes.

    Classes are numbered in alphabetical order of their folders' names. Every image below a
    class folder belongs to it (BMP, GIF, JPEG, PNG, TIFF, WebP by their extensions; other and
    hidden files are not looked at). Images are turned as their EXIF data say and resized
    without keeping their proportions. There are no landmarks and no parts.

    The split is drawn per class from `(seed, class name)`: the share `validation_split` of each,
    rounded, but at least one image for training, and one for validation where there are two.

    Args:
        path: The folder.
        image_size: `(height, width)` in pixels.
        validation_split: Share of the images for validation, `0 <= share < 1`; 0: no
            validation split.
        seed: Non-negative integer.

    Returns:
        `PartSplits` with `.train` and `.validation`. There is no `.test`: put images to report
        figures on in a folder of their own and read it with `validation_split=0`.

    Raises:
        FileNotFoundError: When the folder is missing.
        ValueError: For a wrong argument, no class folder, or a class folder without an image.
        OSError: Later, when an image is decoded that is damaged.
    """
    root = existing_folder(path, "folder")
    size = checked_size(image_size, "folder")
    share = check.number(
        validation_split,
        "validation_split",
        "folder",
        at_least=0,
        below=1,
        fix="It is a share of the images: use 0.2 for a fifth.",
    )
    seed = check.whole_number(seed, "seed", "folder", at_least=0)
    with os.scandir(root) as entries:
        names = sorted(utf8(e.name) for e in entries if e.is_dir() and e.name[0] != ".")
    if not names:
        raise ValueError(
            f"Argument `path` of folder must hold a folder a class. Received: path='{root}', "
            "which has no folders. Put the images of each class in a folder named like the class."
        )
    train, validation = [], []
    for label, name in enumerate(names):
        files = _images(root / name)
        n = round(share * len(files))
        if share:
            n = min(max(n, 1), len(files) - 1)
        # The class's name in the seed keeps its split when another class comes or goes.
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        held_out = set(rng.permutation(len(files))[:n].tolist())
        for i, file in enumerate(files):
            (validation if i in held_out else train).append((file, label))
    return PartSplits(
        train=_dataset(train, names, size),
        validation=_dataset(validation, names, size) if validation else None,
        note="Read a folder of its own for `test`, and give a `validation_split` above 0 for "
        "`validation`.",
    )


def _dataset(pairs, names, size):
    files = [file for file, _ in pairs]
    return PartDataset(
        image=lambda i: read_image(files[i], size),
        labels=[label for _, label in pairs],
        files=files,
        class_names=names,
        image_size=size,
        paths=files,
    )


def _images(root):
    found = []
    for base, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f[0] != "."]
        found += [
            utf8(os.path.join(base, f))
            for f in files
            if f[0] != "." and f.lower().endswith(EXTENSIONS)
        ]
    if not found:
        raise ValueError(
            f"Every class folder must hold an image ({', '.join(EXTENSIONS)}). Received: "
            f"'{root}', which holds none. Add images, or remove the folder."
        )
    return sorted(found)

"""A folder of class folders, without parts: any collection of images to train on."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from typing import Literal

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
from keras_icnn.datasets._unusable_files import ErrorPolicy

# What macOS's archiver leaves beside the folders it packs.
_LEFT_BY_ARCHIVERS = "__MACOSX"
_NOT_READ = (".avif", ".heic", ".heif")
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


@register()
def folder(
    path: str | os.PathLike[str],
    image_size: Sequence[int] = (224, 224),
    validation_split: float = 0.2,
    seed: int = 0,
    on_error: Literal["raise", "skip"] = "raise",
) -> PartSplits:
    """Reads a folder whose sub-folders are classes.

    Classes are numbered in alphabetical order of their folders' names. Every image below a
    class folder belongs to it (BMP, GIF, JPEG, PNG, TIFF, WebP by their extensions; hidden files
    are not looked at). Images are turned as their EXIF data say, put on white where they are
    transparent, and resized without keeping their proportions. There are no landmarks and no
    parts.

    The split is drawn per class from `(seed, class name)`: the share `validation_split` of each,
    rounded, but at least one image for training, and one for validation where there are two.

    Args:
        path: The folder.
        image_size: `(height, width)` in pixels.
        validation_split: Share of the images for validation, `0 <= share < 1`; 0: no
            validation split.
        seed: Non-negative integer.
        on_error: `"raise"`: a class folder without an image is an error here, a damaged image one
            when it is decoded. `"skip"`: every image is decoded here once; damaged ones and
            class folders without a usable one are left out, with one warning.

    Returns:
        `PartSplits` with `.train` and `.validation`. There is no `.test`: put images to report
        figures on in a folder of their own and read it with `validation_split=0`. `.skipped` lists
        `(file, reason)` of all that lies in the folder and is not read, `.summary()` says it in
        words.

    Raises:
        FileNotFoundError: When the folder is missing.
        ValueError: For a wrong argument, no class folder, or a class folder without an image.
        OSError: Later, when an image is decoded that is damaged.
    """
    policy = ErrorPolicy(on_error, "folder")
    found = read_folder(path, image_size, validation_split, seed, policy)
    policy.report(path)
    return found


def read_folder(path, image_size, validation_split, seed, policy):
    """As `folder`, without a warning.

    Args:
        policy: `ErrorPolicy`, what is done about unusable files.

    Returns:
        `PartSplits`.
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
    classes = _usable(_listed(root, policy), root, policy)
    train, validation = [], []
    for label, (name, files) in enumerate(classes.items()):
        held_out = held_out_positions(len(files), share, seed, name)
        for i, file in enumerate(files):
            (validation if i in held_out else train).append((file, label))
    names = list(classes)
    return PartSplits(
        train=_dataset(train, names, size),
        validation=_dataset(validation, names, size) if validation else None,
        note="Read a folder of its own for `test`, and give a `validation_split` above 0 for "
        "`validation`.",
        skipped=policy.left_out,
    )


def held_out_positions(count, share, seed, name):
    """The positions of a class's images for validation."""
    n = round(share * count)
    if share:
        n = min(max(n, 1), count - 1)
    # The class's name in the seed keeps its split when another class comes or goes.
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return set(rng.permutation(count)[:n].tolist())


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


def _listed(root, policy):
    """The images of each class folder by their names: dict of class to list of files."""
    names = []
    with os.scandir(root) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            with policy.tolerate(_printable(entry.path)):
                if entry.name[0] == ".":
                    continue
                if not entry.is_dir():
                    policy.leave_out(utf8(entry.path), "it lies in no class folder")
                elif entry.name == _LEFT_BY_ARCHIVERS:
                    policy.leave_out(entry.path, "a leftover of macOS's archiver, not a class")
                else:
                    names.append(utf8(entry.name))
    if not names:
        raise ValueError(
            f"Argument `path` of folder must hold a folder a class. Received: path='{root}', "
            "which has no folders. Put the images of each class in a folder named like the class."
        )
    if {name.lower() for name in names} <= _SPLITS:
        raise ValueError(
            f"Argument `path` of folder must hold a folder a class. Received: path='{root}', whose "
            f"folders {names} are splits, not classes. Pass one of them, such as "
            f"'{root / names[0]}'."
        )
    return {name: _images(root / name, policy) for name in names}


def _images(root, policy):
    """The images below a class folder by their names, sorted; other files are told to `policy`."""
    found = []
    for base, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f[0] != "." and f != _LEFT_BY_ARCHIVERS]
        for name in files:
            path = os.path.join(base, name)
            with policy.tolerate(_printable(path)):
                if name[0] == ".":
                    continue
                ending = os.path.splitext(name)[1].lower()
                if ending in EXTENSIONS:
                    found.append(utf8(path))
                else:
                    policy.leave_out(utf8(path), _why_not(ending))
    return sorted(found)


def _why_not(ending):
    if ending in _NOT_READ:
        return f"{ending} images are not read: convert them to JPEG or PNG"
    if not ending:
        return "its name does not end as an image's"
    return f"{ending} is no image format that is read"


def _usable(classes, root, policy):
    """The classes with those of their files that can be used; classes without one are an error."""
    files = [file for found in classes.values() for file in found]
    usable = dict(zip(files, policy.readable(files), strict=True))
    chosen = {}
    for name, found in classes.items():
        left = [file for file in found if usable[file]]
        if left:
            chosen[name] = left
        elif policy.skips:
            policy.skip(root / name, "a folder without an image that can be used, so no class")
        else:
            raise ValueError(
                f"Every class folder must hold an image ({', '.join(EXTENSIONS)}). Received: "
                f"'{root / name}', which holds none. Add images, or remove the folder."
            )
    if not chosen:
        raise ValueError(
            f"Argument `path` of folder must hold images. Received: path='{root}', where none of "
            f"{len(policy.left_out)} files and folders can be used: {policy.left_out[0].reason}"
        )
    return chosen


def _printable(path):
    """A path whose bytes may be no text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")

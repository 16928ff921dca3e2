"""Reader of Pascal-Part (Chen et al. 2014): six animals of PASCAL VOC 2010, parts segmented."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._alternating_split import alternating_split
from keras_icnn.datasets._crop import MIN_AREA, Crop
from keras_icnn.datasets._image_files import checked_size, existing_folder, stored_size
from keras_icnn.datasets._mat_file import read_mat, records
from keras_icnn.datasets._object_rows import NEGATIVE, ObjectRow, build_splits, negatives_in
from keras_icnn.datasets._pascal_merging import KNOWN, LANDMARKS, MERGED, PARTS
from keras_icnn.datasets._readers import register
from keras_icnn.datasets._unusable_files import ErrorPolicy, progress

if TYPE_CHECKING:
    import os

    from keras_icnn.datasets import PartSplits

_ANNOTATIONS = "Annotations_Part"
_IMAGES = ("JPEGImages", "VOCdevkit/VOC2010/JPEGImages", "VOC2010/JPEGImages", ".")


def _is_pascal_part(folder):
    return (folder / _ANNOTATIONS).is_dir() or any(folder.glob("*.mat"))


@register(recognize=_is_pascal_part, folders=("images", "negatives"))
def pascal_part(
    path: str | os.PathLike[str],
    *,
    images: str | os.PathLike[str] | None = None,
    image_size: Sequence[int] = (224, 224),
    negatives: str | os.PathLike[str] | None = None,
    categories: Sequence[str] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> PartSplits:
    """Reads the animals of Pascal-Part, cut out one by one, with the paper's parts.

    `path` holds `Annotations_Part/*.mat` (or the `.mat` files themselves); needs the extra `mat`.
    A sample is one bird, cat, cow, dog, horse or sheep: the bounding box of its silhouette, resized
    without keeping its proportions (bilinear; masks by nearest pixels). Boxes of fewer than 2,500
    pixels are left out, as the authors of the paper do.

    The part masks are those of section 5.2.1 (the table is in `_pascal_merging.py`): `head`,
    `torso`, and `legs`, `tail` for birds, `front_legs`, `back_legs`, `tail` for cats and dogs,
    `front_legs`, `back_legs` for cows, horses and sheep; the masks of parts that an animal does
    not have are empty. The landmarks are `head`, `neck` and `torso` (section 5.2.2): the centers of
    the bounding boxes of these parts of the data set itself.

    `test` is every second image that has a landmark, `validation` every fifth of the others,
    counted within the category of an image's first animal; all animals of an image are in one
    split.

    Reading all 10,103 annotations takes a few minutes (a progress bar shows). In memory are
    boxes and landmarks only; masks are read again from their file when they are asked for.

    Args:
        path: The folder.
        images: The folder of VOC 2010's JPEG files; `None`: `JPEGImages` or
            `VOCdevkit/VOC2010/JPEGImages` in `path`, or `path` itself.
        image_size: `(height, width)`; `None`: the crops keep their sizes, which differ.
        negatives: A folder of images that show none of the animals, taken whole; they become
            class 0, `"negative"`. `None`: there is no such class.
        categories: List of animals to read; `None`: all six.
        on_error: As in `animal_part`.

    Returns:
        `PartSplits` with `.train`, `.validation` and `.test`. `.skipped` lists `(file, reason)` of
        what was left out.

    Raises:
        FileNotFoundError: When a folder, the annotations or an image is missing.
        ImportError: Without the extra `mat`.
        ValueError: For a wrong argument, a part that the animal cannot have, or an annotation
            that does not fit its image; the message names the file.
        OSError: When a `.mat` file is damaged, or an image is (see `cub200`).
    """
    folder = existing_folder(path, "pascal_part")
    policy = ErrorPolicy(on_error, "pascal_part")
    size = checked_size(image_size, "pascal_part", optional=True)
    animals = _animals(categories)
    annotations = folder / _ANNOTATIONS if (folder / _ANNOTATIONS).is_dir() else folder
    mats = sorted(annotations.glob("*.mat"))
    if not mats:
        raise FileNotFoundError(
            f"There is no .mat file in '{annotations}'. `path` must be the folder that holds "
            f"{_ANNOTATIONS}."
        )
    if images is None:
        jpegs = _image_folder(folder)
    else:
        jpegs = existing_folder(images, "pascal_part", "images")
    found = []
    for mat in progress(mats, mats, "reading annotations"):
        with policy.tolerate(mat):
            rows = _objects(mat, jpegs / f"{mat.stem}.jpg", animals, size, policy)
            if rows:
                found.append(rows)
    usable = policy.readable([rows[0].file for rows in found])
    found = [rows for rows, good in zip(found, usable, strict=True) if good]
    rows = [] if negatives is None else negatives_in(negatives, "pascal_part", policy)
    for animal in animals:
        rows += _with_splits([rows for rows in found if rows[0].category == animal])
    return build_splits(
        rows,
        class_names=animals if negatives is None else [NEGATIVE, *animals],
        landmark_names=LANDMARKS,
        part_names=PARTS,
        image_size=size,
        masks=_masks,
        policy=policy,
        path=folder,
        note="`test` is every second image that has a landmark.",
    )


def _animals(categories):
    categories = check.names(categories, "categories", "pascal_part", among=MERGED, optional=True)
    if categories is None:
        return list(MERGED)
    return [animal for animal in MERGED if animal in categories]


def _image_folder(folder):
    for name in _IMAGES:
        if any((folder / name).glob("*.jpg")):
            return folder / name
    raise FileNotFoundError(
        f"There are no JPEG files in '{folder}' or {list(_IMAGES[:-1])} below it. Pass the "
        "folder of VOC 2010's images as `images`."
    )


def _with_splits(groups):
    """The `ObjectRow`s of the groups, a group all objects of one file, each group in one split."""
    annotated = [any(np.isfinite(row.landmarks).any() for row in rows) for rows in groups]
    return [
        row._replace(split=split)
        for rows, split in zip(groups, alternating_split(annotated), strict=True)
        for row in rows
    ]


def _objects(mat, jpeg, animals, size, policy):
    """The `ObjectRow`s of one annotation file, their splits still open."""
    rows = []
    stored = None
    for number, entry in enumerate(_entries(mat)):
        animal = entry["class"]
        if animal not in animals:
            continue
        where = f"'{mat}', object {number + 1} ({animal})"
        if stored is None:
            stored = stored_size(jpeg)
        silhouette = _mask(entry["mask"], stored, where)
        parts = _parts(entry, stored, animal, where)
        crop = Crop(_bounding_box(silhouette), stored, size, where)
        if crop.area < MIN_AREA:
            policy.leave_out(jpeg, f"{where}: {crop.area} pixels, fewer than {MIN_AREA}.")
            continue
        points = [_center(parts.get(name)) for name in LANDMARKS]
        rows.append(ObjectRow(str(jpeg), animal, crop, crop.points(points), (mat, number), None))
    return rows


def _entries(mat):
    anno = read_mat(mat, "anno")
    fields = ["class", "mask", "parts"]
    return records(anno.get("objects"), fields, f"'{mat}': `anno.objects`")


# For masks: the objects of one image are asked for one after the other, as a rule.
_recent_entries = functools.lru_cache(maxsize=2)(_entries)


def _parts(entry, stored, animal, where):
    """Masks of the data set's own parts, by name."""
    parts = {}
    for part in records(entry["parts"], ["part_name", "mask"], f"{where}: `parts`"):
        name = part["part_name"]
        if name not in KNOWN[animal]:
            raise ValueError(
                f"{where}: a part must be one of {sorted(KNOWN[animal])}. Received: {name!r}. "
                "Restore the file."
            )
        mask = _mask(part["mask"], stored, f"{where}, part {name}")
        parts[name] = parts[name] | mask if name in parts else mask
    return parts


def _mask(mask, stored, where):
    mask = np.asarray(mask)
    if mask.shape != tuple(stored):
        raise ValueError(
            f"{where}: the mask must have the image's height and width, {tuple(stored)}. "
            f"Received: {mask.shape}. The image and the annotation do not belong together."
        )
    return mask.astype(bool)


def _bounding_box(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, 0, 0  # which `Crop` refuses
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _center(mask):
    if mask is None or not mask.any():
        return np.nan, np.nan
    left, top, right, bottom = _bounding_box(mask)
    return (left + right - 1) / 2, (top + bottom - 1) / 2


def _masks(row):
    mat, number = row.parts
    entry = _recent_entries(mat)[number]
    stored = np.shape(entry["mask"])
    parts = _parts(entry, stored, row.category, f"'{mat}', object {number + 1}")
    merged = np.zeros((len(PARTS), *stored), bool)
    for name, sources in MERGED[row.category].items():
        for source in sources:
            if source in parts:
                merged[PARTS.index(name)] |= parts[source]
    return row.crop.masks(merged)

"""Reader of the Animal-Part data set (ILSVRC 2013 DET): published and compact layout."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from typing import Literal

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._alternating_split import TEST, TRAIN, VALIDATION
from keras_icnn.datasets._animal_part_published import (
    PARTS,
    SIZE,
    is_published,
    read_published,
)
from keras_icnn.datasets._image_files import existing_folder, read_image
from keras_icnn.datasets._object_rows import NEGATIVE
from keras_icnn.datasets._part_boxes import box_masks
from keras_icnn.datasets._part_dataset import PartDataset
from keras_icnn.datasets._part_splits import PartSplits
from keras_icnn.datasets._readers import register
from keras_icnn.datasets._unusable_files import ErrorPolicy

_TABLE = "annotations.csv"
_SPLITS = (TRAIN, VALIDATION, TEST)
_LARGEST = 1 << 28
_COLUMNS = ("file", "name", "split", *(f"{p}_{c}" for p in PARTS for c in ("center", "size")))


def _is_animal_part(folder):
    return (folder / _TABLE).is_file() or is_published(folder)


@register(recognize=_is_animal_part, folders=("truth", "negatives"))
def animal_part(
    path: str | os.PathLike[str],
    *,
    truth: str | os.PathLike[str] | None = None,
    negatives: str | os.PathLike[str] | None = None,
    categories: Sequence[str] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> PartSplits:
    """Reads the Animal-Part data set: animals cropped by their boxes, with head and front legs.

    **Compact layout**: a folder with `annotations.csv` and 224 x 224 JPEG files. A row is a
    image: `file` (below the folder), `name` (the category, or `negative`), `split` (`train`,
    `validation` or `test`), `head_center` and `front_legs_center` ("x y", pixels from 0),
    `head_size` and `front_legs_size` ("width height"); the last four are empty where the part is
    not annotated. Pixels are those of the file as it is stored, whatever its EXIF data say.

    **Published layout**: a folder a category, `<wnid>_obj/img/img/00001.jpg` and so on, with the
    objects' boxes in `<wnid>_obj/img/data.mat`, and the parts in `<wnid>/truth_part01.mat` (head)
    and `truth_part02.mat` (front legs), MATLAB v5 or v7.3 (needs the extra `mat`). Objects are cut
    out by their boxes and resized to 224 x 224 (bilinear); boxes of fewer than 2,500 pixels are
    left out, as the authors' code does. A part with several instances in an image counts as not
    annotated. `test` is every second annotated image of a category, `validation` every fifth of
    the others; so of the negatives. Read from either layout, a category has the same split.

    Class 0 is `"negative"`, then come the categories in alphabetical order. The landmarks are
    the centers of the parts; the part masks are their boxes, clipped to the image, a pixel
    belonging to a box when its center lies in it or on its edge. For one category against the
    negatives: `animal_part(path).select(classes=["negative", "horse"])`.

    Args:
        path: The folder.
        truth: Published layout: the folder that holds `<wnid>/truth_part01.mat`; `None`: `path`.
        negatives: Published layout: a folder of images that show no animal, taken whole (the
            authors' code has 1,000); `None`: none.
        categories: Published layout: list of names, such as `"horse"` (or wnids), to read; `None`:
            all. Reading one takes about a second.
        on_error: `"raise"`: the first unusable file raises an error; a damaged image does when
            it is decoded. `"skip"`: such files are left out, listed in `.skipped` and counted in a
            warning; every image is decoded once for it.

    Returns:
        `PartSplits` with `.train`, `.validation` and `.test`; a split without a row is absent.
        `.skipped` lists `(file, reason)` of what was left out.

    Raises:
        FileNotFoundError: When the folder, its annotations or one of the images is missing.
        ImportError: When MATLAB files are to be read without the extra `mat`.
        ValueError: When an annotation is not as described; the message names file and line.
        OSError: When a `.mat` file is damaged; later, when an image is decoded that is damaged.
    """
    folder = existing_folder(path, "animal_part")
    policy = ErrorPolicy(on_error, "animal_part")
    table = folder / _TABLE
    if not table.is_file():
        if is_published(folder):
            return read_published(folder, truth, negatives, categories, policy)
        raise FileNotFoundError(
            f"There is no '{table}', and no folder <wnid>_obj beside it. `path` must be the "
            "folder that holds annotations.csv, or the category folders as published."
        )
    given = {"truth": truth, "negatives": negatives, "categories": categories}
    for name, value in given.items():
        if value is not None:
            expectation = f"left out for the compact layout, which '{table}' makes this"
            fix = "It belongs to the published layout. Use `select` for categories."
            check.refuse(value, name, "animal_part", expectation, fix)
    rows = _checked_files(folder, _read_table(table), table, policy)
    if not rows:
        raise ValueError(
            f"None of the images of '{table}' can be used: {policy.left_out[0].reason}"
        )
    names = [NEGATIVE, *sorted({row["name"] for row in rows} - {NEGATIVE})]
    splits = {}
    for split in _SPLITS:
        chosen = [row for row in rows if row["split"] == split]
        if chosen:
            splits[split] = _dataset(folder, chosen, names)
    policy.report(folder)
    return PartSplits(
        **splits, note="The column `split` of annotations.csv decides.", skipped=policy.left_out
    )


def _dataset(folder, rows, names):
    files = [str(folder / row["file"]) for row in rows]
    # [samples, parts, 4]: center x, y, width, height.
    boxes = np.array([row["boxes"] for row in rows], "float32")
    return PartDataset(
        image=lambda i: read_image(files[i], as_stored=True),
        parts=lambda i: box_masks(boxes[i], SIZE),
        labels=[names.index(row["name"]) for row in rows],
        landmarks=boxes[:, :, :2],
        files=files,
        class_names=names,
        landmark_names=PARTS,
        part_names=PARTS,
        image_size=SIZE,
        paths=files,
    )


def _read_table(table):
    if table.stat().st_size > _LARGEST:
        raise ValueError(
            f"'{table}' has {table.stat().st_size:,} bytes, more than {_LARGEST:,}: too many for a "
            "table of images. Restore the file."
        )
    try:
        with open(table, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(
                    f"'{table}' must have the columns {list(_COLUMNS)}. Received: "
                    f"{check.shown(reader.fieldnames)}, without {missing}. Add them to its first "
                    "line."
                )
            rows = [_parsed(row, f"'{table}', line {reader.line_num}") for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"'{table}' is not a table in UTF-8: {error}. Save it as comma-separated UTF-8."
        ) from error
    if not rows:
        raise ValueError(f"'{table}' has no rows. Restore the file: a row is an image.")
    return rows


def _parsed(row, where):
    if None in row or None in row.values():
        raise ValueError(
            f"{where}: the number of cells differs from the first line's. Quote cells that "
            "contain commas."
        )
    for column in ("file", "name"):
        if not row[column]:
            raise ValueError(f"{where}: `{column}` is empty. Fill it in, or remove the line.")
    if row["split"] not in _SPLITS:
        raise ValueError(
            f"{where}: `split` must be one of {_SPLITS}. Received: {row['split']!r}. Correct it."
        )
    return {
        "file": row["file"],
        "name": row["name"],
        "split": row["split"],
        "line": where,
        "boxes": [_box(row, part, where) for part in PARTS],
    }


def _box(row, part, where):
    center, size = row[f"{part}_center"], row[f"{part}_size"]
    if not center and not size:
        return [math.nan] * 4
    if not center or not size:
        raise ValueError(
            f"{where}: `{part}_center` and `{part}_size` must both be given or both be empty. "
            f"Received: {center!r} and {size!r}. Fill in the other, or empty both."
        )
    x, y = _pair(center, f"{part}_center", "x y", where)
    width, height = _pair(size, f"{part}_size", "width height", where)
    if width <= 0 or height <= 0:
        raise ValueError(
            f"{where}: `{part}_size` must be positive. Received: {size!r}. Correct it, or empty "
            "both cells of the part."
        )
    if not (-width / 2 <= x < SIZE[1] + width / 2 and -height / 2 <= y < SIZE[0] + height / 2):
        raise ValueError(
            f"{where}: the box of `{part}` lies outside the {SIZE[1]} x {SIZE[0]} image. "
            f"Received: center {center!r}, size {size!r}. Correct them, or empty both cells."
        )
    return [x, y, width, height]


def _pair(cell, column, form, where):
    try:
        numbers = [float(word) for word in cell.split()]
    except ValueError:
        numbers = []
    if len(numbers) != 2 or not all(math.isfinite(n) for n in numbers):
        raise ValueError(
            f'{where}: `{column}` must be two numbers, "{form}". Received: {cell!r}. Correct it, '
            "or leave it empty where the part is not annotated."
        )
    return numbers


def _checked_files(folder, rows, table, policy):
    """The rows whose images can be used."""
    # A listing a folder instead of a question a file: one slow disk call instead of thousands.
    listed, seen, missing = {}, {}, []
    for row in rows:
        name = os.path.normpath(row["file"])
        if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir or "\0" in name:
            raise ValueError(
                f"{row['line']}: `file` must lie below the data set's folder. "
                f"Received: {row['file']!r}. Correct it."
            )
        if name in seen:
            raise ValueError(
                f"{row['line']}: `file` must name an image once. Received: {row['file']!r}, "
                f"which {seen[name]} names too. Remove one of the lines."
            )
        seen[name] = row["line"]
        parent, base = os.path.split(name)
        if parent not in listed:
            where = folder / parent
            listed[parent] = set(os.listdir(where)) if where.is_dir() else set()
        if base not in listed[parent]:
            missing.append(row)
    if missing and not policy.skips:
        first = missing[0]
        raise FileNotFoundError(
            f"{first['line']}: there is no image '{folder / first['file']}' ({len(missing)} of "
            f"{len(rows)} images are missing). Restore the files, or remove their lines from "
            f"'{table.name}'."
        )
    usable = policy.readable([str(folder / row["file"]) for row in rows])
    return [row for row, good in zip(rows, usable, strict=True) if good]

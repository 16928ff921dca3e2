"""Reader of CUB-200-2011: 11,788 images of 200 species of birds, with 15 landmarks."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._alternating_split import TEST, TRAIN, VALIDATION
from keras_icnn.datasets._crop import MIN_AREA, Crop
from keras_icnn.datasets._image_files import checked_size, existing_folder, stored_size
from keras_icnn.datasets._object_rows import NEGATIVE, ObjectRow, build_splits, negatives_in
from keras_icnn.datasets._readers import register
from keras_icnn.datasets._unusable_files import ErrorPolicy, progress

if TYPE_CHECKING:
    from keras_icnn.datasets._part_splits import PartSplits

# The data set has no head: the mean of those of its landmarks that are visible.
_HEAD = ("beak", "crown", "forehead", "left eye", "right eye")
_ALL = "all"


def _is_cub200(folder):
    return (folder / "bounding_boxes.txt").is_file() and (folder / "images.txt").is_file()


@register(recognize=_is_cub200, folders=("negatives",))
def cub200(
    path: str | os.PathLike[str],
    *,
    image_size: Sequence[int] | None = (224, 224),
    landmarks: Sequence[str] | str = ("head", "back", "tail"),
    species: bool = True,
    crop: bool = True,
    negatives: str | os.PathLike[str] | None = None,
    categories: Sequence[str] | None = None,
    validation_split: float = 0.1,
    on_error: Literal["raise", "skip"] = "raise",
) -> PartSplits:
    """Reads CUB-200-2011 (Wah et al. 2011) from its own text files and images.

    `path` is the folder with `images.txt`, `bounding_boxes.txt`, `image_class_labels.txt`,
    `classes.txt`, `train_test_split.txt`, `parts/` and `images/`. Birds are cut out by their boxes
    and resized without keeping their proportions (bilinear); boxes of fewer than 2,500 pixels are
    left out, as the authors of the paper do. Coordinates count from 0.

    The paper measures location instability against head, back and tail (section 5.2.2). The data
    set has no head: here it is the mean of the visible ones of beak, crown, forehead, left eye
    and right eye. A landmark that is not visible, or outside of the crop, is NaN. There are no
    part masks.

    Args:
        path: The folder.
        image_size: `(height, width)`; `None`: the images keep their sizes, which differ.
        landmarks: Names: `"head"` and those of `parts/parts.txt`; `"all"`: the 15 of that file.
        species: `True`: a class a species, named as its folder without the number. `False`: one
            class, `"bird"`, as the paper's single-category task against negatives has it.
        crop: `False`: whole images instead of the birds' boxes.
        negatives: A folder of images that show no bird, taken whole (the authors' code has
            1,000); they become class 0, `"negative"`, every second one for `test` and every fifth
            of the others for `validation`. `None`: there is no such class.
        categories: List of species to read, such as `"Laysan_Albatross"`; `None`: all.
        validation_split: Share of a species' training images for validation, up to 0.5, evenly
            spread: every tenth for 0.1; 0: no validation split. `test` is the data set's own.
        on_error: As in `animal_part`.

    Returns:
        `PartSplits` with `.train`, `.validation` and `.test`. `.skipped` lists `(file, reason)` of
        what was left out.

    Raises:
        FileNotFoundError: When the folder, one of its tables or an image is missing.
        ValueError: For a wrong argument, or a table that is not as described; the message names
            the file and the line.
        OSError: When an image is damaged: at once if its beginning is, otherwise when it is
            decoded.
    """
    folder = existing_folder(path, "cub200")
    policy = ErrorPolicy(on_error, "cub200")
    size = checked_size(image_size, "cub200", optional=True)
    every = _every(validation_split)
    tables = _Tables(folder)
    names, points = tables.landmarks(landmarks)
    wanted = _species(tables.classes, categories)
    files = {i: str(folder / "images" / name) for i, name in tables.images.items()}
    ids = [i for i in tables.images if tables.labels[i] in wanted]
    usable = policy.readable([files[i] for i in ids])
    rows = [] if negatives is None else negatives_in(negatives, "cub200", policy)
    seen = {}
    for i, good in zip(progress(ids, ids, "reading images"), usable, strict=True):
        if not good:
            continue
        with policy.tolerate(files[i]):
            stored = stored_size(files[i])
            where = f"'{files[i]}'"
            left, top, width, height = tables.boxes[i]
            box = Crop((left, top, left + width, top + height), stored, size, where)
            if box.area < MIN_AREA:
                policy.leave_out(files[i], f"{where}: {box.area} pixels, fewer than {MIN_AREA}.")
                continue
            if not crop:
                box = Crop((0, 0, stored[1], stored[0]), stored, size, where)
            label = tables.labels[i]
            split = TRAIN if tables.is_train[i] else TEST
            if split == TRAIN:
                seen[label] = seen.get(label, 0) + 1
                if every and _is_turn(seen[label], every):
                    split = VALIDATION
            category = wanted[label] if species else "bird"
            rows.append(ObjectRow(files[i], category, box, box.points(points[i]), None, split))
    classes = list(wanted.values()) if species else ["bird"]
    return build_splits(
        rows,
        class_names=classes if negatives is None else [NEGATIVE, *classes],
        landmark_names=names,
        part_names=(),
        image_size=size,
        masks=None,
        policy=policy,
        path=folder,
        note="Give a `validation_split` above 0 for `validation`.",
    )


class _Tables:
    """The data set's text files, checked against one another."""

    def __init__(self, folder):
        self._folder = folder
        self.classes = self._read("classes.txt", "class", (int, str))
        self.images = self._read("images.txt", "image", (int, str))
        for i, name in self.images.items():
            parts = os.path.normpath(name).split(os.sep)
            if os.path.isabs(name) or os.pardir in parts or "\0" in name:
                raise ValueError(
                    f"'{folder / 'images.txt'}': image {i} must lie below the folder 'images'. "
                    f"Received: {name!r}. Restore the file."
                )
        self.labels = self._of_images("image_class_labels.txt", (int, int))
        self.boxes = self._of_images("bounding_boxes.txt", (int, float, float, float, float))
        self.is_train = self._of_images("train_test_split.txt", (int, int))
        for i, label in self.labels.items():
            if label not in self.classes:
                raise ValueError(
                    f"'{folder / 'image_class_labels.txt'}' must give classes of classes.txt. "
                    f"Received: class {label} for image {i}. Restore both files."
                )

    def landmarks(self, chosen):
        """Names, and a dict of image number to float [landmarks, 2], NaN where not visible."""
        parts = self._read("parts/parts.txt", "part", (int, str))
        own = list(parts.values())
        names = own if chosen == _ALL else [chosen] if isinstance(chosen, str) else list(chosen)
        unknown = [name for name in names if name != "head" and name not in own]
        if unknown or not names:
            expectation = f"names among {['head', *own]}, or 'all'"
            check.refuse(chosen, "landmarks", "cub200", expectation)
        column = {number: k for k, number in enumerate(parts)}
        where = self._folder / "parts" / "part_locs.txt"
        points = {i: np.full((len(own), 2), np.nan) for i in self.images}
        for line, (i, part, x, y, visible) in _lines(where, (int, int, float, float, int)):
            if i not in points or part not in column:
                raise ValueError(
                    f"'{where}', line {line}: there must be an image {i} in images.txt and a part "
                    f"{part} in parts.txt. Restore the files."
                )
            if visible:
                points[i][column[part]] = x, y
        head = [k for k, name in enumerate(own) if name in _HEAD]
        return names, {
            i: np.stack(
                [_mean(p[head]) if name == "head" else p[own.index(name)] for name in names]
            )
            for i, p in points.items()
        }

    def _read(self, name, what, kinds):
        file = self._folder / name
        table = {}
        for line, (number, *values) in _lines(file, kinds):
            if number in table:
                raise ValueError(
                    f"'{file}', line {line}: {what} {number} comes twice. Restore the file."
                )
            table[number] = values[0] if len(values) == 1 else values
        return table

    def _of_images(self, name, kinds):
        table = self._read(name, "image", kinds)
        if table.keys() != self.images.keys():
            odd = min(table.keys() ^ self.images.keys())
            raise ValueError(
                f"'{self._folder / name}' must have a line for every image of images.txt. "
                f"Received: {len(table)} lines for {len(self.images)} images; image {odd} is in "
                "one of them only. Restore both files."
            )
        return table


def _lines(file, kinds):
    """Pairs of line number and values; the last value takes the rest of its line."""
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no '{file}'. `path` must be the folder of CUB-200-2011, which holds "
            "images.txt."
        )
    with open(file, encoding="utf-8", errors="replace") as stream:
        for line, text in enumerate(stream, 1):
            words = text.split(maxsplit=len(kinds) - 1)
            if not words:
                continue
            try:
                values = [kind(word.strip()) for kind, word in zip(kinds, words, strict=True)]
                if not all(math.isfinite(v) for v in values if isinstance(v, float)):
                    raise ValueError
            except ValueError:
                raise ValueError(
                    f"'{file}', line {line}: there must be {len(kinds)} values, "
                    f"{', '.join(kind.__name__ for kind in kinds)}. Received: {text.strip()!r}. "
                    "Restore the file."
                ) from None
            yield line, values


def _mean(points):
    seen = points[~np.isnan(points[:, 0])]
    return seen.mean(axis=0) if len(seen) else np.full(2, np.nan)


def _species(classes, categories):
    """Number to name, of the species to read."""
    names = {number: name.split(".", 1)[-1] for number, name in classes.items()}
    if categories is None:
        return names
    wanted = {}
    for category in check.names(categories, "categories", "cub200", at_least=0):
        found = [n for n in names if category in (names[n], classes[n])]
        if not found:
            fix = f"There is no {category!r}. Write, for example, {next(iter(names.values()))!r}."
            check.refuse(categories, "categories", "cub200", "names of classes.txt", fix)
        wanted[found[0]] = names[found[0]]
    return dict(sorted(wanted.items()))


def _every(share):
    share = check.number(
        share,
        "validation_split",
        "cub200",
        at_least=0,
        at_most=0.5,
        fix="It is a share of the training images: use 0.1 for every tenth.",
    )
    return 1 / share if share else 0


def _is_turn(n, every):
    """Whether image n, counted from 1, is one of every so many; `every` need not be whole."""
    # 1 / 0.15 and the like are not exact.
    return math.floor(n / every + 1e-9) > math.floor((n - 1) / every + 1e-9)

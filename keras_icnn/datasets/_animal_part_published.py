"""Reader of the Animal-Part data set (ILSVRC 2013 DET) as its authors published it."""

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._alternating_split import alternating_split
from keras_icnn.datasets._crop import MIN_AREA, Crop
from keras_icnn.datasets._image_files import existing_folder, stored_size
from keras_icnn.datasets._mat_file import read_mat, records
from keras_icnn.datasets._object_rows import NEGATIVE, ObjectRow, build_splits, negatives_in
from keras_icnn.datasets._part_boxes import box_masks
from keras_icnn.datasets._unusable_files import progress

# In the order of the paper's Table 3.
CATEGORIES = {
    "n01443537": "goldfish",
    "n01503061": "bird",
    "n01639765": "frog",
    "n01662784": "turtle",
    "n01674464": "lizard",
    "n01882714": "koala",
    "n01982650": "lobster",
    "n02084071": "dog",
    "n02118333": "fox",
    "n02121808": "domestic_cat",
    "n02129165": "lion",
    "n02129604": "tiger",
    "n02131653": "bear",
    "n02324045": "rabbit",
    "n02342885": "hamster",
    "n02355227": "squirrel",
    "n02374451": "horse",
    "n02391049": "zebra",
    "n02395003": "swine",
    "n02398521": "hippopotamus",
    "n02402425": "cattle",
    "n02411705": "sheep",
    "n02419796": "antelope",
    "n02437136": "camel",
    "n02444819": "otter",
    "n02454379": "armadillo",
    "n02484322": "monkey",
    "n02503517": "elephant",
    "n02509815": "red_panda",
    "n02510455": "giant_panda",
}

PARTS = ("head", "front_legs")
SIZE = (224, 224)
_FOLDER = "_obj"


def is_published(folder):
    """Whether the folder holds `<wnid>_obj` folders."""
    return any(entry.is_dir() for entry in folder.glob(f"n*{_FOLDER}"))


def read_published(folder, truth, negatives, categories, policy):
    """`PartSplits`; see `animal_part`."""
    wnids = _wnids(folder, categories)
    truth = folder if truth is None else existing_folder(truth, "animal_part", "truth")
    rows = [] if negatives is None else negatives_in(negatives, "animal_part", policy)
    for wnid in progress(wnids, wnids, "reading annotations"):
        with policy.tolerate(folder / f"{wnid}{_FOLDER}"):
            rows += _category(folder, truth, wnid, policy)
    names = sorted({row.category for row in rows} - {NEGATIVE})
    return build_splits(
        rows,
        class_names=[NEGATIVE, *names],
        landmark_names=PARTS,
        part_names=PARTS,
        image_size=SIZE,
        masks=lambda row: box_masks(row.parts, SIZE),
        policy=policy,
        path=folder,
        note="`test` is every second annotated image of a category.",
    )


def _wnids(folder, categories):
    found = sorted(e.name.removesuffix(_FOLDER) for e in folder.glob(f"n*{_FOLDER}") if e.is_dir())
    if categories is None:
        return found
    categories = check.names(categories, "categories", "animal_part", at_least=0)
    by_name = {CATEGORIES.get(wnid, wnid): wnid for wnid in found}
    unknown = [name for name in categories if name not in by_name and name not in found]
    if unknown:
        expectation = f"categories that '{folder}' holds, {sorted(by_name)}"
        fix = f"Correct {unknown}, or add their folders."
        check.refuse(categories, "categories", "animal_part", expectation, fix)
    return [by_name.get(name, name) for name in categories]


def _category(folder, truth, wnid, policy):
    name = CATEGORIES.get(wnid, wnid)
    base = folder / f"{wnid}{_FOLDER}" / "img"
    table = base / "data.mat"
    samples = records(read_mat(table, "samples"), ["obj"], f"'{table}': `samples`")
    boxes = _part_boxes(truth / wnid, wnid, len(samples))
    files = [str(base / "img" / f"{i + 1:05d}.jpg") for i in range(len(samples))]
    usable = policy.readable(files)
    kept = []
    for i, (file, sample) in enumerate(zip(files, samples, strict=True)):
        if not usable[i]:
            continue
        with policy.tolerate(file):
            where = f"'{table}', sample {i + 1}"
            crop = Crop(_bounds(sample["obj"], where), stored_size(file), SIZE, where)
            if crop.area < MIN_AREA:
                policy.leave_out(file, f"{where}: {crop.area} pixels, fewer than {MIN_AREA}.")
            else:
                kept.append((file, crop, boxes[i]))
    splits = alternating_split([np.isfinite(row[2]).any() for row in kept])
    return [
        ObjectRow(file, name, crop, parts[:, :2], parts, split)
        for (file, crop, parts), split in zip(kept, splits, strict=True)
    ]


def _bounds(sample, where):
    try:
        box = sample["bndbox"]
        left, top, right, bottom = (float(box[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"{where}: `obj.bndbox` must hold the numbers xmin, ymin, xmax, ymax. Received: "
            f"{sample!r:.200}. Restore the file."
        ) from error
    # MATLAB counts pixels from 1 and includes the last one.
    return left - 1, top - 1, right, bottom


def _part_boxes(folder, wnid, samples):
    """float32 [samples, parts, 4]: center x, y, width, height; NaN where not annotated."""
    boxes = np.full((samples, len(PARTS), 4), np.nan, "float32")
    files = [folder / f"truth_part{part + 1:02d}.mat" for part in range(len(PARTS))]
    if not files[0].is_file():
        raise FileNotFoundError(
            f"There is no '{files[0]}'. `truth` must be the folder that holds the part "
            f"annotations, {wnid}/truth_part01.mat (head) and truth_part02.mat (front legs)."
        )
    for part, file in enumerate(files):
        if not file.is_file():
            continue  # goldfish have no legs
        fields = ["pHW_center", "pHW_scale"]
        rows = records(read_mat(file, "truth", ["obj"]), fields, f"'{file}': `truth`")
        if len(rows) > samples:
            raise ValueError(
                f"'{file}' must annotate at most the {samples} images of its category. "
                f"Received: {len(rows)} entries. It belongs to another version of the data set."
            )
        for i, row in enumerate(rows):
            # Several columns are several instances; none of them is *the* part.
            if np.size(row["pHW_center"]) == 2 and np.size(row["pHW_scale"]) == 2:
                boxes[i, part] = _box(row, f"'{file}', entry {i + 1}")
    return boxes


def _box(row, where):
    # Rows before columns, counted from 1.
    y, x = np.ravel(row["pHW_center"]).astype(float) - 1
    height, width = np.ravel(row["pHW_scale"]).astype(float)
    if not (np.isfinite([x, y, width, height]).all() and width > 0 and height > 0):
        raise ValueError(
            f"{where}: a part must have a finite center and a positive size. Received: "
            f"pHW_center={row['pHW_center']}, pHW_scale={row['pHW_scale']}. Restore the file."
        )
    if (
        abs(x - SIZE[1] / 2) >= (SIZE[1] + width) / 2
        or abs(y - SIZE[0] / 2) >= (SIZE[0] + height) / 2
    ):
        raise ValueError(
            f"{where}: the box of the part lies outside the {SIZE[1]} x {SIZE[0]} crop. Received: "
            f"pHW_center={row['pHW_center']}, pHW_scale={row['pHW_scale']}. Restore the file."
        )
    return x, y, width, height

"""Pascal-Part: real files against SciPy's own reading of them, generated ones with every fault."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import scipy.io
from mat_files import struct_array
from PIL import Image

from keras_icnn.datasets import PartSplits, pascal_part
from keras_icnn.datasets._pascal_merging import MERGED, PARTS

_REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "fixtures" / "pascal_part"


class _Annotated(NamedTuple):
    """A folder of annotations with their images, and what is read from it."""

    root: Path
    splits: PartSplits


def _real_folder(root):
    if not _REAL.is_dir():
        pytest.skip("Pascal-Part files are not at ../shared/data/fixtures/pascal_part")
    return _REAL


def _generated_folder(root):
    """Ten animals in six files beside their images, a small bird, and a person."""
    farm = Farm(root, images=".", annotations=".")
    rng = np.random.default_rng(0)
    files = {
        "1": ("cat", "dog"),
        "2": ("cow", "person", "cow"),
        "3": ("horse",),
        "4": ("sheep", "sheep", "bird"),
        "5": ("bird", "small bird"),
        "6": ("cat",),
    }
    for name, animals in files.items():
        objects = []
        for animal in animals:
            left, top = rng.integers(0, 50, 2)
            width, height = rng.integers(90, 130, 2)
            width, height = (40, 30) if animal == "small bird" else (int(width), int(height) - 30)
            box = (int(left), int(top), int(left) + width, int(top) + height)
            parts = {}
            for part in ("head", "neck", "torso", "reye", "tail"):
                if animal != "person" and rng.random() < 0.8:
                    x0, x1 = np.sort(rng.choice(np.arange(box[0], box[2]), 2, replace=False))
                    y0, y1 = np.sort(rng.choice(np.arange(box[1], box[3]), 2, replace=False))
                    parts[part] = (x0, y0, x1, y1)
            objects.append((animal.split()[-1], box, parts))
        farm.add(name, *objects)
    return root


@pytest.fixture(scope="module", params=[_generated_folder, _real_folder])
def annotated(tmp_path_factory, request):
    root = request.param(tmp_path_factory.mktemp("pascal"))
    return _Annotated(root, pascal_part(root))


def _animals_of(file):
    """(class, silhouette, {part: mask}) of the animals of a file, read without the package."""
    objects = scipy.io.loadmat(file)["anno"]["objects"][0, 0].ravel()
    for entry in objects:
        name = str(entry["class"].ravel()[0])
        if name in MERGED:
            parts = entry["parts"].ravel()
            yield (
                name,
                entry["mask"] > 0,
                {str(p["part_name"].ravel()[0]): p["mask"] > 0 for p in parts if p is not None},
            )


def test_counts_against_the_annotations(annotated):
    splits = annotated.splits
    expected, small = {}, 0
    for file in annotated.root.glob("*.mat"):
        for name, mask, _ in _animals_of(file):
            rows, columns = np.nonzero(mask)
            if np.ptp(rows) + 1 and (np.ptp(rows) + 1) * (np.ptp(columns) + 1) >= 2500:
                expected[name] = expected.get(name, 0) + 1
            else:
                small += 1
    got = {name: 0 for name in splits.class_names}
    for _, data in splits.items():
        for label in data.labels:
            got[splits.class_names[label]] += 1
    assert {k: v for k, v in got.items() if v} == expected
    assert len(splits.skipped) == small == 1
    assert sum(got.values()) == 10
    assert splits.class_names == ["bird", "cat", "cow", "dog", "horse", "sheep"]


def test_masks_and_landmarks_against_the_annotations(annotated):
    splits = annotated.splits
    seen = set()
    for _, data in splits.items():
        for sample in data:
            name = data.class_names[sample.label]
            file = Path(sample.file).with_suffix(".mat")
            fits = [_fits(sample, *animal[1:]) for animal in _animals_of(file) if animal[0] == name]
            assert sum(fits) == 1
            seen.add((file.name, name, fits.index(True)))
    assert len(seen) == 10


def _fits(sample, silhouette, parts):
    """Whether the sample's masks and landmarks are this animal's."""
    rows, columns = np.nonzero(silhouette)
    top, left = rows.min(), columns.min()
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    y = top + ((np.arange(224) + 0.5) * height / 224).astype(int)
    x = left + ((np.arange(224) + 0.5) * width / 224).astype(int)
    head = parts.get("head", np.zeros_like(silhouette))
    for extra in ("leye", "reye", "lear", "rear", "nose", "muzzle", "beak", "lhorn", "rhorn"):
        head = head | parts.get(extra, np.zeros_like(head))
    if not (sample.parts[PARTS.index("head")] == head[np.ix_(y, x)]).all():
        return False
    for landmark, name in zip(sample.landmarks, ("head", "neck", "torso"), strict=True):
        if name not in parts:
            if np.isfinite(landmark).any():
                return False
            continue
        r, c = np.nonzero(parts[name])
        centre = np.array([(c.min() + c.max()) / 2 - left, (r.min() + r.max()) / 2 - top])
        if not np.allclose(landmark, (centre + 0.5) * 224 / (width, height) - 0.5, atol=1e-3):
            return False
    return True


class Farm:
    """Annotation files and pictures of 200 x 150 pixels in the published folders."""

    def __init__(self, root, images="JPEGImages", annotations="Annotations_Part"):
        self.root = root
        self.annotations, self.images = root / annotations, root / images
        for folder in (self.annotations, self.images):
            folder.mkdir(parents=True, exist_ok=True)

    def mat(self, name):
        return self.annotations / f"{name}.mat"

    def add(self, name, *objects, size=(200, 150)):
        Image.new("RGB", size, (90, 120, 150)).save(self.images / f"{name}.jpg")
        rows = []
        for animal, box, parts in objects:
            entries = [{"part_name": p, "mask": mask(b, size)} for p, b in parts.items()]
            rows.append(
                {
                    "class": animal,
                    "class_ind": 1.0,
                    "mask": mask(box, size),
                    "parts": struct_array(entries) if entries else np.zeros((0, 0)),
                }
            )
        anno = {"imname": name, "objects": struct_array(rows)}
        scipy.io.savemat(self.mat(name), {"anno": anno}, do_compression=True)


def mask(box, size=(200, 150)):
    left, top, right, bottom = box
    result = np.zeros(size[::-1], "uint8")
    result[top:bottom, left:right] = 1
    return result


_CAT = {"head": (20, 10, 40, 30), "leye": (40, 12, 44, 16), "torso": (40, 20, 120, 60)}
_CAT |= {"neck": (36, 20, 41, 40), "lfleg": (50, 60, 60, 70), "rbpa": (110, 60, 120, 70)}
_CAT |= {"tail": (100, 10, 120, 20)}
_CAT_BOX = (20, 10, 120, 70)
_COW = {"head": (0, 0, 30, 30), "lhorn": (0, 30, 10, 40), "lflleg": (60, 60, 70, 80)}
_COW |= {"tail": (90, 0, 100, 20)}


@pytest.fixture
def farm(tmp_path):
    farm = Farm(tmp_path)
    farm.add("a", ("cat", _CAT_BOX, _CAT), ("person", (0, 0, 5, 5), {"hair": (0, 0, 5, 5)}))
    farm.add("b", ("cow", (0, 0, 100, 100), _COW), ("dog", (0, 0, 60, 60), {}))
    farm.add("c", ("bird", (0, 0, 40, 40), {"tail": (0, 0, 10, 10)}))
    farm.add("d", ("cat", (100, 50, 200, 150), {"nose": (120, 60, 130, 70)}))
    return farm


def test_merging_crops_and_splits(farm):
    data = pascal_part(farm.root, image_size=None)
    # Cats: `a` has a landmark, `d` none. The bird is too small. The dog goes with the cow.
    assert [Path(f).stem for f in data.test.files] == ["a", "b", "b"]
    assert [Path(f).stem for f in data.train.files] == ["d"]
    assert [data.class_names[i] for i in data.test.labels] == ["cat", "cow", "dog"]
    cat = data.test[0]
    assert cat.image.shape == (60, 100, 3)
    moved = {name: np.array(box) - (20, 10, 20, 10) for name, box in _CAT.items()}
    expected = {
        "head": ("head", "leye"),
        "torso": ("torso", "neck"),
        "front_legs": ("lfleg",),
        "back_legs": ("rbpa",),
        "tail": ("tail",),
        "legs": (),
    }
    for name, sources in expected.items():
        union = np.zeros((60, 100), bool)
        for source in sources:
            union |= mask(moved[source], (100, 60)) > 0
        assert (cat.parts[data.part_names.index(name)] == union).all(), name
    assert cat.landmarks[0].tolist() == [9.5, 9.5]  # the head alone: 20 to 39, 10 to 29
    assert cat.landmarks[1].tolist() == [18, 19.5]
    cow = data.test[1]
    assert cow.parts[data.part_names.index("head")].sum() == 30 * 30 + 10 * 10
    assert not cow.parts[data.part_names.index("tail")].any()  # the paper leaves it out
    assert [s.file.endswith("c.jpg") for s in data.skipped] == [True]


def test_resized_masks_follow_their_parts(farm):
    data = pascal_part(farm.root)
    cat = data.test[0]
    assert cat.image.shape == (224, 224, 3) and cat.parts.shape == (6, 224, 224)
    rows, columns = np.nonzero(cat.parts[data.part_names.index("tail")])
    # 80 to 100 of 100 columns, 0 to 10 of 60 rows.
    assert abs(columns.min() - 80 * 2.24) <= 1 and columns.max() == 223
    assert rows.min() == 0 and abs(rows.max() + 1 - 10 * 224 / 60) <= 1


def test_the_voc_folder_negatives_and_categories(tmp_path):
    farm = Farm(tmp_path, "VOCdevkit/VOC2010/JPEGImages")
    farm.add("a", ("cat", _CAT_BOX, _CAT))
    farm.add("b", ("cow", (0, 0, 100, 100), _COW))
    (tmp_path / "neg").mkdir()
    Image.new("L", (50, 60)).save(tmp_path / "neg" / "1.png")
    data = pascal_part(tmp_path, negatives=tmp_path / "neg", categories=["cow"])
    assert data.class_names == ["negative", "cow"] and data.test.labels.tolist() == [0, 1]
    assert not data.test[0].parts.any() and np.isnan(data.test[0].landmarks).all()
    other = pascal_part(tmp_path, images=farm.images)
    assert len(other.test) == 2 and other.class_names[0] == "bird"


def test_parts_of_one_name_are_joined(tmp_path):
    farm = Farm(tmp_path)
    farm.add("a", ("cat", _CAT_BOX, {"head": (20, 10, 40, 30)}))
    anno = scipy.io.loadmat(farm.mat("a"))
    entries = [
        {"part_name": "head", "mask": mask((20, 10, 30, 20))},
        {"part_name": "head", "mask": mask((60, 10, 70, 20))},
    ]
    anno["anno"]["objects"][0, 0][0, 0]["parts"] = struct_array(entries)
    scipy.io.savemat(farm.mat("a"), {"anno": anno["anno"]})
    data = pascal_part(farm.root, image_size=None)
    assert data.test[0].parts[0].sum() == 200


def _unknown(farm):
    farm.add("a", ("cat", _CAT_BOX, {"lhorn": (20, 10, 40, 30)}))


def _other_size(farm):
    Image.new("RGB", (100, 100)).save(farm.images / "a.jpg")


def _no_picture(farm):
    (farm.images / "a.jpg").unlink()


def _half(farm):
    file = farm.mat("a")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _no_objects(farm):
    scipy.io.savemat(farm.mat("a"), {"anno": {"imname": "a"}})


def _no_anno(farm):
    scipy.io.savemat(farm.mat("a"), {"other": 1.0})


def _empty_silhouette(farm):
    farm.add("a", ("cat", (0, 0, 0, 0), {}))


_FAULTS = {
    _unknown: (ValueError, r"a.mat', object 1 \(cat\): a part must be .*'lhorn'"),
    _other_size: (ValueError, r"a.mat', object 1 .*\(100, 100\)"),
    _no_picture: (FileNotFoundError, r"a.jpg"),
    _half: (OSError, r"a.mat' cannot be read"),
    _no_objects: (ValueError, r"a.mat': `anno.objects` must be a struct"),
    _no_anno: (ValueError, r"a.mat' must hold a struct `anno`"),
    _empty_silhouette: (ValueError, r"a.mat', object 1 .*must cover pixels"),
}


@pytest.mark.parametrize("spoil", _FAULTS)
def test_faults_name_the_file(farm, spoil):
    spoil(farm)
    error, message = _FAULTS[spoil]
    with pytest.raises(error, match=message):
        pascal_part(farm.root)
    with pytest.warns(UserWarning, match="1 times"):
        data = pascal_part(farm.root, on_error="skip")
    files = [Path(f).stem for _, d in data.items() for f in d.files]
    assert sorted(files) == ["b", "b", "d"]
    assert len(data.skipped) == 2  # and the small bird


def test_wrong_arguments(farm, tmp_path):
    with pytest.raises(
        ValueError, match=r"`categories` of pascal_part must be a list of different names of .*cow"
    ):
        pascal_part(farm.root, categories=["zebra"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no \.mat file"):
        pascal_part(tmp_path / "empty")
    for file in farm.images.glob("*.jpg"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match="`images`"):
        pascal_part(farm.root)

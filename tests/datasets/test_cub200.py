"""CUB-200-2011: its own annotations with generated pictures, and generated faults."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_icnn.datasets import cub200

_REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "fixtures" / "cub200_annotations"
_HEAD = {2, 5, 6, 7, 11}  # beak, crown, forehead, left eye, right eye
_PARTS = ["back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"]
_PARTS += ["left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"]


def _numbers(root, name):
    return np.loadtxt(root / name, ndmin=2)


def _file_numbers(root):
    """Image number by its file below `images`."""
    lines = (root / "images.txt").read_text().splitlines()
    return {name: int(number) for number, name in map(str.split, lines)}


def _generated_annotations(root):
    """Text files in the form of the data set's own: 30 birds of each of three species."""
    rng = np.random.default_rng(0)
    species = ((2, "002.Laysan_Albatross"), (117, "117.Clay_colored_Sparrow"))
    species += ((200, "200.Common_Yellowthroat"),)
    texts = {name: "" for name in ("images", "image_class_labels", "bounding_boxes")}
    texts |= {"train_test_split": "", "parts/part_locs": ""}
    texts["classes"] = "".join(f"{number} {name}\n" for number, name in species)
    texts["parts/parts"] = "".join(f"{k} {name}\n" for k, name in enumerate(_PARTS, 1))
    for i in range(1, 91):
        number, name = species[(i - 1) // 30]
        left, top = rng.integers(0, 60, 2)
        width, height = rng.integers(60, 120, 2)
        texts["images"] += f"{i} {name}/{name[4:]}_{i:04d}_{i}.jpg\n"
        texts["image_class_labels"] += f"{i} {number}\n"
        texts["bounding_boxes"] += f"{i} {left}.0 {top}.0 {width}.0 {height}.0\n"
        texts["train_test_split"] += f"{i} {rng.integers(2)}\n"
        for part in range(1, 16):
            # Some lie outside of the box, some are not visible.
            x, y = (left, top) + rng.uniform(-0.05, 1.05, 2) * (width, height)
            seen = rng.random() < 0.85
            place = f"{x:.1f} {y:.1f} 1" if seen else "0.0 0.0 0"
            texts["parts/part_locs"] += f"{i} {part} {place}\n"
    for name, text in texts.items():
        (root / f"{name}.txt").parent.mkdir(exist_ok=True)
        (root / f"{name}.txt").write_text(text)


def _real_annotations(root):
    if not _REAL.is_dir():
        pytest.skip("CUB-200-2011's text files are not at ../shared/data/fixtures")
    shutil.copytree(_REAL, root, dirs_exist_ok=True)


@pytest.fixture(scope="module", params=[_generated_annotations, _real_annotations])
def annotated(tmp_path_factory, request):
    """Text files, and gray images that are just large enough for two species."""
    root = tmp_path_factory.mktemp("cub")
    request.param(root)
    boxes = _numbers(root, "bounding_boxes.txt")
    for name, number in _file_numbers(root).items():
        if name[:3] in ("002", "200"):
            file = root / "images" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            _, left, top, width, height = boxes[number - 1].astype(int)
            Image.new("L", (left + width, top + height)).save(file)
    return root


def test_annotations_against_the_tables(annotated):
    data = cub200(annotated, categories=["Laysan_Albatross", "200.Common_Yellowthroat"])
    assert data.class_names == ["Laysan_Albatross", "Common_Yellowthroat"]
    labels = _numbers(annotated, "image_class_labels.txt")[:, 1]
    split = _numbers(annotated, "train_test_split.txt")[:, 1]
    for label, number in enumerate((2, 200)):
        counts = [int((d.labels == label).sum()) for _, d in data.items()]
        n_train = int(split[labels == number].sum())
        assert counts[2] == (labels == number).sum() - n_train  # test
        assert counts[1] == n_train // 10 and counts[0] + counts[1] == n_train
    _check_landmarks(annotated, data)


def _check_landmarks(root, data):
    locations = _numbers(root, "parts/part_locs.txt").reshape(-1, 15, 5)
    boxes = _numbers(root, "bounding_boxes.txt")[:, 1:]
    numbers = _file_numbers(root)
    seen = 0
    for _, split in data.items():
        for file, landmarks in zip(split.files, split.landmarks, strict=True):
            i = numbers["/".join(file.split("/")[-2:])] - 1
            parts, (left, top, width, height) = locations[i], boxes[i]
            heads = [p[2:4] for p in parts if p[4] and p[1] in _HEAD]
            expected = [
                np.mean(heads, axis=0) if heads else [np.nan] * 2,
                *(parts[k, 2:4] if parts[k, 4] else [np.nan] * 2 for k in (0, 13)),
            ]
            scaled = (np.array(expected) - (left, top) + 0.5) * 224 / (width, height) - 0.5
            scaled[~(np.abs(scaled - 111.5) <= 112).all(1)] = np.nan  # outside the crop
            np.testing.assert_allclose(landmarks, scaled, atol=1e-3)
            seen += np.isfinite(landmarks[:, 0]).sum()
    assert seen > 2 * sum(len(d) for _, d in data.items())  # most landmarks are visible


@pytest.mark.medium
def test_one_class_with_all_landmarks_and_native_sizes(annotated):
    data = cub200(
        annotated, image_size=None, landmarks="all", species=False, categories=["Laysan_Albatross"]
    )
    assert data.class_names == ["bird"] and data.landmark_names == _PARTS
    assert data.image_size is None and data.part_names == []
    sizes = {data.train.image(i).shape for i in range(5)}
    assert len(sizes) > 1
    sample = data.train[0]
    assert sample.parts.shape == (0, *sample.image.shape[:2])


@pytest.mark.medium
def test_whole_pictures(annotated):
    options = dict(image_size=None, categories=["Laysan_Albatross"], landmarks=["tail"])
    whole, cut = cub200(annotated, crop=False, **options), cub200(annotated, **options)
    boxes, numbers = _numbers(annotated, "bounding_boxes.txt"), _file_numbers(annotated)
    for i in range(len(cut.test)):
        left, top = boxes[numbers["/".join(cut.test.files[i].split("/")[-2:])] - 1, 1:3]
        moved = cut.test.landmarks[i, 0] + (left, top)
        if np.isfinite(moved).all():
            np.testing.assert_allclose(whole.test.landmarks[i, 0], moved, atol=1e-3)


class Birds:
    """Two species with three pictures each, in the format of the data set."""

    def __init__(self, root):
        self.root = root
        self.texts = {
            "classes.txt": "1 001.Big_Bird\n2 002.Small_Bird\n",
            "images.txt": "",
            "image_class_labels.txt": "",
            "bounding_boxes.txt": "",
            "train_test_split.txt": "",
            "parts/parts.txt": "1 back\n2 beak\n3 crown\n4 tail\n",
            "parts/part_locs.txt": "",
        }
        rng = np.random.default_rng(0)
        for i in range(1, 7):
            folder = "001.Big_Bird" if i < 4 else "002.Small_Bird"
            self.texts["images.txt"] += f"{i} {folder}/picture {i}.jpg\n"
            self.texts["image_class_labels.txt"] += f"{i} {1 if i < 4 else 2}\n"
            self.texts["bounding_boxes.txt"] += f"{i} 10.0 20.0 100.0 50.0\n"
            self.texts["train_test_split.txt"] += f"{i} {i % 3 > 0:d}\n"
            for part, x, y, seen in ((1, 20, 40, 1), (2, 30, 45, 1), (3, 50, 55, 1), (4, 5, 5, 1)):
                self.texts["parts/part_locs.txt"] += f"{i} {part} {x}.0 {y}.0 {seen}\n"
            image = rng.integers(0, 256, (90, 120, 3), "uint8")
            self.picture(i).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(self.picture(i))
        self.write()

    def picture(self, i):
        folder = "001.Big_Bird" if i < 4 else "002.Small_Bird"
        return self.root / "images" / folder / f"picture {i}.jpg"

    def write(self):
        for name, text in self.texts.items():
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(text)

    def change(self, name, old, new):
        assert old in self.texts[name]
        self.texts[name] = self.texts[name].replace(old, new, 1)
        self.write()


@pytest.fixture
def birds(tmp_path):
    return Birds(tmp_path)


def test_landmarks_in_the_crop(birds):
    data = cub200(birds.root, validation_split=0.5)
    assert data.class_names == ["Big_Bird", "Small_Bird"]
    assert [len(d) for _, d in data.items()] == [2, 2, 2]
    head, back, tail = data.test.landmarks[0]
    # Beak (30, 45) and crown (50, 55): (40, 50), in the box 10, 20, 100 x 50.
    np.testing.assert_allclose(head, [30.5 * 2.24 - 0.5, 30.5 * 4.48 - 0.5], rtol=1e-6)
    np.testing.assert_allclose(back, [10.5 * 2.24 - 0.5, 20.5 * 4.48 - 0.5], rtol=1e-6)
    assert np.isnan(tail).all()  # (5, 5) lies outside the box


def test_invisible_parts(birds):
    birds.change("parts/part_locs.txt", "1 2 30.0 45.0 1", "1 2 0.0 0.0 0")
    birds.change("parts/part_locs.txt", "1 1 20.0 40.0 1", "1 1 0.0 0.0 0")
    data = cub200(birds.root, image_size=None, validation_split=0)
    head, back, _ = data.train.landmarks[0]
    assert head.tolist() == [40, 35] and np.isnan(back).all()


def test_negatives_come_first(birds, tmp_path):
    (tmp_path / "neg").mkdir()
    for i in range(10):
        Image.new("RGB", (30, 40)).save(tmp_path / "neg" / f"{i}.jpg")
    data = cub200(birds.root, species=False, negatives=tmp_path / "neg", validation_split=0.5)
    assert data.class_names == ["negative", "bird"]
    assert [(d.labels == 0).sum() for _, d in data.items()] == [4, 1, 5]
    assert data.test.image(0).shape == (224, 224, 3)


@pytest.mark.parametrize("share, validation", [(0, None), (0.5, 2), (0.34, 0)])
def test_validation_share(birds, share, validation):
    data = cub200(birds.root, validation_split=share)
    assert len(getattr(data, "validation", [])) == (validation or 0)
    assert len(data.test) == 2


def test_small_boxes_are_left_out_and_listed(birds):
    birds.change("bounding_boxes.txt", "1 10.0 20.0 100.0 50.0", "1 10.0 20.0 49.0 51.0")
    data = cub200(birds.root)
    assert len(data.train) == 3
    assert [(Path(s.file).name, "2499" in s.reason) for s in data.skipped] == [
        ("picture 1.jpg", True)
    ]


_TABLE_FAULTS = {
    "text": ("bounding_boxes.txt", "2 10.0", "2 ten", r"bounding_boxes.txt', line 2: .*5 values"),
    "nan": ("bounding_boxes.txt", "2 10.0", "2 nan", r"bounding_boxes.txt', line 2: "),
    "short": ("train_test_split.txt", "3 0", "3", r"train_test_split.txt', line 3: .*2 values"),
    "lost": ("train_test_split.txt", "3 0\n", "", r"train_test_split.txt' .*image 3"),
    "twice": ("images.txt", "2 001", "1 001", r"images.txt', line 2: image 1 comes twice"),
    "outside": (
        "images.txt",
        "2 001.Big_Bird/",
        "2 ../../",
        r"images.txt': image 2 must lie below",
    ),
    "class": ("image_class_labels.txt", "2 1", "2 9", r"image_class_labels.txt' .*class 9"),
    "part": ("parts/part_locs.txt", "1 2 30", "1 77 30", r"part_locs.txt', line 2: .*part 77"),
}


@pytest.mark.parametrize("fault", _TABLE_FAULTS)
def test_faulty_tables_name_file_and_line(birds, fault):
    name, old, new, message = _TABLE_FAULTS[fault]
    birds.change(name, old, new)
    for on_error in ("raise", "skip"):  # without its tables nothing of the data set is known
        with pytest.raises(ValueError, match=message):
            cub200(birds.root, on_error=on_error)


@pytest.mark.parametrize("name", ["images.txt", "parts/part_locs.txt", "classes.txt"])
def test_missing_tables(birds, name):
    (birds.root / name).unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(name)):
        cub200(birds.root)


def _delete(birds):
    birds.picture(2).unlink()


def _truncate(birds):
    birds.picture(2).write_bytes(birds.picture(2).read_bytes()[:4000])


def _garbage(birds):
    birds.picture(2).write_bytes(b"no picture")


def _outside(birds):
    birds.change("bounding_boxes.txt", "2 10.0 20.0", "2 500.0 20.0")


@pytest.mark.parametrize("spoil", [_delete, _truncate, _garbage, _outside])
def test_faulty_pictures(birds, spoil):
    spoil(birds)
    with pytest.raises((OSError, ValueError), match=r"picture 2.jpg"):
        [sample.file for sample in cub200(birds.root).train]
    with pytest.warns(UserWarning, match="1 times"):
        data = cub200(birds.root, on_error="skip")
    assert len(data.train) == 3 and len(data.test) == 2 and len(data.skipped) == 1
    assert data.skipped[0].file.endswith("picture 2.jpg")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"landmarks": ["beak", "ear"]}, "`landmarks` of cub200 must be names among"),
        ({"landmarks": []}, "`landmarks` of cub200 must be names among"),
        ({"categories": ["Penguin"]}, "`categories` of cub200 must be names of classes.txt"),
        (
            {"validation_split": 0.7},
            "`validation_split` of cub200 must be .* of at most 0.5. .*a share",
        ),
        (
            {"validation_split": "some"},
            "`validation_split` of cub200 must be .* of at most 0.5. .*a share",
        ),
        ({"image_size": (0, 5)}, "`image_size` of cub200 must be"),
        ({"on_error": None}, "`on_error` of cub200 must be"),
    ],
)
def test_wrong_arguments(birds, options, message):
    with pytest.raises(ValueError, match=message):
        cub200(birds.root, **options)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.15, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5])
def test_validation_shares_are_exact_to_one_image(share):
    from keras_icnn.datasets.cub200 import _every, _is_turn

    every = _every(share)
    for images in (1, 7, 30, 59, 1000):
        taken = sum(_is_turn(n, every) for n in range(1, images + 1))
        assert taken == int(images * share + 1e-9)

"""The Animal-Part data set as published: real files, and generated ones with every fault."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from mat_files import write_mat
from PIL import Image

from keras_icnn.datasets import animal_part

_SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


def _box(left, top, right, bottom):
    return {"bndbox": {"xmin": left, "ymin": top, "xmax": right, "ymax": bottom}}


def _part(center=(), scale=()):
    column = (lambda v: np.array(v, float).T) if np.ndim(center) == 2 else _column
    return {"obj": _box(0, 0, 0, 0), "pHW_center": column(center), "pHW_scale": column(scale)}


def _column(values):
    return np.array(values, float).reshape(-1, 1)


class Published:
    """Frogs: five pictures, 160 x 120, number i filled with the color 20 i; two negatives."""

    def __init__(self, root, version="v5"):
        self.root, self.version = root, version
        self.boxes = [_box(1, 1, 160, 120), _box(11, 21, 122, 76)]
        self.boxes += [_box(1, 1, 60, 60), _box(1, 1, 49, 51), _box(1, 1, 100, 100)]
        self.heads = [_part([101, 51], [40, 60]), _part(), _part([113, 113], [10, 20])]
        self.heads += [_part([50, 60], [10, 10]), _part([[10, 20], [30, 40]], [[5, 5], [6, 6]])]
        self.legs = [_part(), _part([201, 11], [30, 20])]
        for i in range(5):
            self.draw(self.picture(i), 20 * (i + 1))
        for i in range(2):
            self.draw(root / "neg" / f"{i + 1:05d}.JPEG", 200 + i)
        self.write()

    def draw(self, file, color):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (160, 120), (color,) * 3).save(file)

    def picture(self, i):
        return self.root / "n01639765_obj" / "img" / "img" / f"{i + 1:05d}.jpg"

    @property
    def data_mat(self):
        return self.root / "n01639765_obj" / "img" / "data.mat"

    def truth_mat(self, part):
        return self.root / "truth" / "n01639765" / f"truth_part{part:02d}.mat"

    def write(self):
        samples = [{"obj": box, "class": 1.0} for box in self.boxes]
        write_mat(self.data_mat, self.version, "samples", samples)
        write_mat(self.truth_mat(1), self.version, "truth", self.heads)
        write_mat(self.truth_mat(2), self.version, "truth", self.legs)

    def read(self, **options):
        return animal_part(
            self.root, truth=self.root / "truth", negatives=self.root / "neg", **options
        )


@pytest.fixture(params=["v5", "v7.3"])
def published(tmp_path, request):
    return Published(tmp_path, request.param)


@pytest.fixture
def frogs(tmp_path):
    return Published(tmp_path)


def test_splits_boxes_and_landmarks(published):
    data = published.read()
    assert data.class_names == ["negative", "frog"] and data.image_size == (224, 224)
    # Pictures 1, 2, 3 and 5 are left (4 is small); 1, 2 and 3 are annotated: 1 and 3 for test.
    names = {split: [Path(f).name for f in d.files] for split, d in data.items()}
    assert names["test"] == ["00001.JPEG", "00001.jpg", "00003.jpg"]
    assert names["train"] == ["00002.JPEG", "00002.jpg", "00005.jpg"]
    assert data.test.labels.tolist() == [0, 1, 1]
    first, third = data.test[1], data.test[2]
    # Row 101, column 51, counted from 1; 40 high, 60 wide.
    assert first.landmarks[0].tolist() == [50, 100] and np.isnan(first.landmarks[1]).all()
    rows, columns = np.nonzero(first.parts[0])
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (20, 80, 80, 120)
    assert not first.parts[1].any()
    assert third.landmarks[0].tolist() == [112, 112]
    assert data.train[1].landmarks[1].tolist() == [10, 200]
    # Two instances: neither is *the* head.
    assert np.isnan(data.train[2].landmarks).all() and not data.train[2].parts.any()
    assert first.image.shape == (224, 224, 3) and abs(int(first.image[0, 0, 0]) - 20) <= 2
    assert data.test[0].landmarks.shape == (2, 2) and np.isnan(data.test[0].landmarks).all()


def test_small_boxes_are_listed_not_warned_about(frogs):
    (skipped,) = frogs.read().skipped
    assert skipped.file == str(frogs.picture(3)) and "2499 pixels" in skipped.reason


def test_the_box_is_cut_out(frogs):
    image = np.zeros((120, 160, 3), "uint8")
    image[20:76, 10:122] = 255  # the second picture's box
    Image.fromarray(image).save(frogs.picture(1), quality=100, subsampling=0)
    assert frogs.read().train[1].image.min() > 240


def test_one_record_files(frogs):
    frogs.boxes, frogs.heads, frogs.legs = frogs.boxes[:1], frogs.heads[:1], frogs.legs[:1]
    for version in ("v5", "v7.3"):
        frogs.version = version
        frogs.write()
        data = frogs.read()
        assert data.test.labels.tolist() == [0, 1]
        assert data.test.landmarks[1, 0].tolist() == [50, 100]


def test_categories_by_name_or_wnid(frogs):
    assert len(frogs.read(categories=["frog"]).test) == 3
    assert len(frogs.read(categories=["n01639765"]).test) == 3
    with pytest.raises(ValueError, match=r"`categories` of animal_part .*\['frog'\].*horse"):
        frogs.read(categories=["horse"])


def test_without_legs_file_and_without_negatives(frogs):
    frogs.truth_mat(2).unlink()
    data = animal_part(frogs.root, truth=frogs.root / "truth")
    assert data.class_names == ["negative", "frog"] and np.isnan(data.test.landmarks[:, 1]).all()
    # Only pictures 1 and 3 are annotated now.
    assert [Path(f).name for f in data.test.files] == ["00001.jpg"]


def _without(file):
    return lambda frogs: file(frogs).unlink()


def _cut(file):
    def spoil(frogs):
        path = file(frogs)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return spoil


def _outside(frogs):
    frogs.boxes[1] = _box(500, 1, 600, 100)
    frogs.write()


def _part_outside(frogs):
    frogs.heads[0] = _part([500, 50], [10, 10])
    frogs.write()


def _too_many(frogs):
    frogs.heads += [_part()]
    frogs.write()


_FAULTS = {
    "no picture": (_without(lambda f: f.picture(1)), FileNotFoundError, "00002.jpg"),
    "no truth": (_without(lambda f: f.truth_mat(1)), FileNotFoundError, "truth_part01.mat"),
    "no data.mat": (_without(lambda f: f.data_mat), FileNotFoundError, "data.mat"),
    "half a data.mat": (_cut(lambda f: f.data_mat), OSError, "data.mat"),
    "half a truth": (_cut(lambda f: f.truth_mat(1)), OSError, "truth_part01.mat"),
    "box outside": (_outside, ValueError, r"data.mat', sample 2: .*160 x 120"),
    "part outside": (_part_outside, ValueError, r"truth_part01.mat', entry 1: .*lies outside"),
    "too many parts": (_too_many, ValueError, r"truth_part01.mat' .*at most the 5"),
}


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("version", ["v5", "v7.3"])
def test_faults_name_the_file(tmp_path, fault, version):
    frogs = Published(tmp_path, version)
    spoil, error, message = _FAULTS[fault]
    spoil(frogs)
    with pytest.raises(error, match=message):
        frogs.read()


@pytest.mark.parametrize("fault", _FAULTS)
def test_faults_are_skipped_and_counted_when_asked(frogs, fault):
    spoil, _, message = _FAULTS[fault]
    spoil(frogs)
    with pytest.warns(UserWarning, match="1 times something could not be used"):
        data = frogs.read(on_error="skip")
    known = [s for s in data.skipped if "fewer than" not in s.reason]
    assert len(known) == 1 and re.search(message, known[0].reason)
    frogs_left = sum(int((d.labels == 1).sum()) for _, d in data.items())
    assert frogs_left == (3 if fault in ("no picture", "box outside") else 0)


def test_truncated_picture(frogs):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), "uint8")
    Image.fromarray(noise).save(frogs.picture(2))
    _cut(lambda f: f.picture(2))(frogs)
    data = frogs.read()  # its beginning is fine
    with pytest.raises(OSError, match=r"00003.jpg' cannot be decoded"):
        data.test.image(2)
    with pytest.warns(UserWarning, match="1 times"):
        data = frogs.read(on_error="skip")
    # 1 and 2 are the annotated ones now.
    assert [Path(f).name for f in data.test.files] == ["00001.JPEG", "00001.jpg"]
    assert len(data.train.files) == 3


def test_a_part_of_wrong_type_and_an_on_error_of_another_name(frogs):
    frogs.boxes[0] = {"bndbox": {"xmin": 3.0}}
    frogs.write()
    with pytest.raises(ValueError, match=r"sample 1: `obj.bndbox` must hold"):
        frogs.read()
    with pytest.raises(ValueError, match="Argument `on_error` of animal_part must be one of"):
        frogs.read(on_error="ignore")


def test_without_pymatreader_the_error_names_the_extra(frogs, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatreader", None)
    with pytest.raises(ImportError, match=r"keras-icnn\[mat\]"):
        frogs.read()


def test_arguments_of_the_other_layout(animal_part_folder, tmp_path):
    with pytest.raises(
        ValueError, match="`negatives` of animal_part must be left out for the compact layout"
    ):
        animal_part(animal_part_folder.root, negatives=tmp_path)


def test_compact_layout_skips_when_asked(animal_part_folder):
    (animal_part_folder.root / "z" / "1.jpg").unlink()
    (animal_part_folder.root / "a" / "1.jpg").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="2 times"):
        data = animal_part(animal_part_folder.root, on_error="skip")
    assert data.test.labels.tolist() == [0] and len(data.skipped) == 2


def _compact_twin(frogs, root):
    """The same frogs and negatives in the compact layout, written from their description."""
    # File, split, crop, and centers and sizes of head and legs, counted from 0.
    rows = [
        ("00001.jpg", "test", (0, 0, 160, 120), "50 100,60 40,,"),
        ("00002.jpg", "train", (10, 20, 122, 76), ",,10 200,20 30"),
        ("00003.jpg", "test", (0, 0, 60, 60), "112 112,20 10,,"),
        ("00005.jpg", "train", (0, 0, 100, 100), ",,,"),
    ]
    header = "file,name,split,head_center,head_size,front_legs_center,front_legs_size"
    lines = [header]
    for name, split, box, parts in rows:
        image = Image.open(frogs.picture(int(name[:5]) - 1)).convert("RGB").crop(box)
        (root / "frog").mkdir(parents=True, exist_ok=True)
        image.resize((224, 224), Image.Resampling.BILINEAR).save(root / "frog" / name, quality=95)
        lines.append(f"frog/{name},frog,{split},{parts}")
    for name, split in (("00001.JPEG", "test"), ("00002.JPEG", "train")):
        (root / "negatives").mkdir(exist_ok=True)
        image = Image.open(frogs.root / "neg" / name).resize((224, 224), Image.Resampling.BILINEAR)
        image.save(root / "negatives" / name, quality=95)
        lines.append(f"negatives/{name},negative,{split},,,,")
    (root / "annotations.csv").write_text("\n".join(lines) + "\n")
    return animal_part(root)


def test_generated_files_agree_with_the_compact_layout(published, tmp_path):
    """The twin of the test below, on frogs of both MATLAB formats."""
    rng = np.random.default_rng(0)
    for i in range(5):
        smooth = Image.fromarray(rng.integers(0, 256, (4, 5, 3), "uint8")).resize((160, 120))
        smooth.save(published.picture(i), quality=95)
    _check_agreement(published.read(), _compact_twin(published, tmp_path / "compact"), step=1)


@pytest.mark.medium
def test_real_files_agree_with_the_compact_layout(real_animal_part):
    fixtures = _SHARED / "fixtures"
    data = animal_part(
        fixtures / "animal_part_original",
        truth=fixtures / "truth_mats",
        negatives=_SHARED / "animal_part" / "negatives",
    )
    assert data.skipped == []
    _check_agreement(data, real_animal_part.select(["negative", "frog", "turtle"]), step=10)


def _check_agreement(data, compact, step):
    assert data.class_names == compact.class_names
    assert [name for name, _ in data.items()] == [name for name, _ in compact.items()]
    for split, mine in data.items():
        theirs = getattr(compact, split)
        mine, theirs = _by_name(mine), _by_name(theirs)
        assert mine.labels.tolist() == theirs.labels.tolist()
        np.testing.assert_array_equal(mine.landmarks, theirs.landmarks)
        for i in np.flatnonzero(mine.labels)[::step]:
            assert (mine.part_masks(i) == theirs.part_masks(i)).all()
            # The compact files were compressed once more.
            assert np.abs(mine.image(i).astype(int) - theirs.image(i)).mean() < 8


def _by_name(data):
    keys = [(label, Path(file).name) for label, file in zip(data.labels, data.files, strict=True)]
    return data.subset(sorted(range(len(data)), key=keys.__getitem__))

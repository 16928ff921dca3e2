"""The reader of class folders."""

import os

import numpy as np
import pytest
import small_zoo
from PIL import Image

from keras_icnn.datasets import folder


@pytest.fixture
def photos(tmp_path):
    """Ten reds and five blues, one of them deeper and one a PNG; and files to pass over."""
    for name, n, color in (("red", 10, (255, 0, 0)), ("blue", 5, (0, 0, 255))):
        (tmp_path / name).mkdir()
        for k in range(n):
            Image.new("RGB", (20, 10), color).save(tmp_path / name / f"{k}.bmp")
    (tmp_path / "blue" / "deeper").mkdir()
    (tmp_path / "blue" / "4.bmp").rename(tmp_path / "blue" / "deeper" / "4.bmp")
    Image.new("L", (7, 7), 128).save(tmp_path / "blue" / "3.png")
    (tmp_path / "blue" / "3.bmp").unlink()
    (tmp_path / "blue" / "notes.txt").write_text("no picture")
    (tmp_path / "blue" / ".hidden.bmp").write_text("no picture")
    (tmp_path / ".git").mkdir()
    return tmp_path


def _names(data):
    return {tuple(file.replace("\\", "/").rsplit("/", 2)[1:]) for file in data.files}


def test_classes_and_stratified_split(photos):
    data = folder(photos, image_size=(8, 16), validation_split=0.2, seed=0)
    assert data.class_names == ["blue", "red"]
    assert np.bincount(data.train.labels).tolist() == [4, 8]
    assert np.bincount(data.validation.labels).tolist() == [1, 2]
    assert not _names(data.train) & _names(data.validation)
    assert len(_names(data.train) | _names(data.validation)) == 15
    assert data.landmark_names == [] and data.part_names == []
    assert data.train[0].landmarks.shape == (0, 2) and data.train[0].parts.shape == (0, 8, 16)


def test_pictures_are_resized_rgb(photos):
    data = folder(photos, image_size=(8, 16), validation_split=0)
    images, labels = data.train.batches(15)[0]
    assert images.shape == (15, 8, 16, 3)
    for image, label, file in zip(images, labels, data.train.files, strict=True):
        expected = [255 * label, 0, 255 * (1 - label)]
        assert image[4, 8].tolist() == ([128] * 3 if file.endswith("png") else expected)


def test_exif_orientation_is_applied(tmp_path):
    (tmp_path / "a").mkdir()
    picture = Image.new("RGB", (4, 2))
    picture.paste((250, 250, 250), (0, 0, 2, 2))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "a" / "x.png", exif=exif)
    image = folder(tmp_path, image_size=(2, 4), validation_split=0).train.image(0)
    assert image[0, :, 0].tolist() == [0, 0, 250, 250]


def test_split_depends_on_seed_and_class_only(photos):
    def held_out(seed=0):
        return _names(folder(photos, validation_split=0.3, seed=seed).validation)

    first = held_out()
    assert held_out() == first
    assert any(held_out(seed) != first for seed in range(1, 5))
    (photos / "ash").mkdir()  # comes first, so every label changes
    Image.new("RGB", (4, 4)).save(photos / "ash" / "0.png")
    assert held_out() == first  # and its one picture is trained on


def test_absent_splits_are_explained(photos):
    with pytest.raises(AttributeError, match=r"no `test` split.*Read a folder of its own"):
        _ = folder(photos).test
    with pytest.raises(AttributeError, match="no `validation` split"):
        _ = folder(photos, validation_split=0).validation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"validation_split": 1.0},
            "`validation_split` of folder must be .* below 1.*validation_split=1.0. It is",
        ),
        (
            {"validation_split": float("nan")},
            "`validation_split` of folder must be a finite number",
        ),
        ({"image_size": (0, 4)}, r"`image_size` of folder must be \(height, width\).*\(0, 4\)"),
        ({"image_size": (4, 4, 3)}, r"`image_size` of folder must be \(height, width\)"),
        ({"image_size": "big"}, "Received: image_size='big'"),
        (
            {"seed": 0.5},
            "`seed` of folder must be a whole number of at least 0. Received: seed=0.5",
        ),
    ],
)
def test_wrong_arguments_are_named(photos, options, message):
    with pytest.raises(ValueError, match=message):
        folder(photos, **options)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="Argument `path` of folder must be an existing folder"
    ):
        folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="must hold a folder a class"):
        folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty', which holds none. Add images"):
        folder(tmp_path)


def test_a_damaged_picture_is_named(photos):
    (photos / "red" / "0.bmp").write_bytes(b"BM no picture")
    data = folder(photos, validation_split=0).train
    with pytest.raises(OSError, match=r"red/0.bmp' cannot be decoded"):
        list(data.batches(5))


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps names as Unicode")
@pytest.mark.parametrize("name", [b"Pe\xf1a/x.png", b"zebra/\xf1.png"])
def test_names_that_are_not_utf8_are_refused_with_the_remedy(tmp_path, name):
    for file in (name, b"horse/y.png"):
        path = os.path.join(os.fsencode(tmp_path), file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.new("RGB", (9, 9)).save(os.fsdecode(path))
    with pytest.raises(ValueError, match=r"UTF-8.*Received: '.*udcf1.*Rename"):
        folder(tmp_path, image_size=8)


def test_odd_files_are_left_out_and_listed(tmp_path):
    root = small_zoo.class_folders(tmp_path / "photos")
    usable, left_out = small_zoo.add_odd_files(root)
    with pytest.warns(UserWarning, match="4 times something could not be used"):
        data = folder(root, 16, validation_split=0.2, on_error="skip")
    assert data.class_names == ["blue", "red"]
    read = {os.path.basename(file) for file in data.train.files + data.validation.files}
    assert read >= set(usable) and len(data.train) + len(data.validation) == 20 + len(usable)
    assert {os.path.basename(file) for file, _ in data.skipped} == set(left_out)
    for split in (data.train, data.validation):
        assert all(image.shape == (16, 16, 3) for image, *_ in split)
    text = data.summary()
    assert "28 images of 2 classes (blue 10, red 18); 22 train, 6 validation" in text
    assert "convert them to JPEG or PNG: red/phone.heic" in text
    assert "it is empty: red/zero.jpg" in text and "truncated" in text
    assert "no class: photos/empty" in text and ".DS_Store" not in text


def test_odd_files_are_errors_unless_they_are_to_be_skipped(tmp_path):
    root = small_zoo.class_folders(tmp_path)
    (root / "__MACOSX" / "red").mkdir(parents=True)
    (root / "red" / "zero.jpg").write_bytes(b"")
    data = folder(root, 16, validation_split=0)
    assert data.class_names == ["blue", "red"]
    with pytest.raises(OSError, match=r"zero.jpg' cannot be decoded: it is empty"):
        list(data.train)
    (root / "empty").mkdir()
    with pytest.raises(ValueError, match="empty', which holds none"):
        folder(root)


def test_a_folder_of_splits_is_no_folder_of_classes(tmp_path):
    for split in ("train", "Val"):
        small_zoo.class_folders(tmp_path / split)
    with pytest.raises(ValueError, match=r"splits, not classes. Pass one of them.*Val'"):
        folder(tmp_path)


def test_a_folder_without_a_usable_image_says_why(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.heic").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"none of 2 files and folders.*\.heic"):
        folder(tmp_path, on_error="skip")

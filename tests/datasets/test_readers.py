"""Readers by name: one list, from which the exports and every choice come."""

import numpy as np
import pytest
from PIL import Image

from keras_icnn import datasets


def test_every_reader_is_exported_under_its_name():
    for name in datasets.reader_names():
        assert getattr(datasets, name) is datasets.reader(name).function
        assert name in datasets.__all__


def test_what_is_known_of_each_reader():
    assert datasets.reader_names() == (
        "animal_part",
        "creatures",
        "cub200",
        "folder",
        "pascal_part",
    )
    assert datasets.reader_names(needs_path=False) == ("creatures",)
    assert set(datasets.reader_names(needs_path=True)) == set(datasets.reader_names()) - {
        "creatures"
    }
    folders = {name: datasets.reader(name).folders for name in datasets.reader_names()}
    assert folders == {
        "animal_part": ("truth", "negatives"),
        "creatures": (),
        "cub200": ("negatives",),
        "folder": (),
        "pascal_part": ("images", "negatives"),
    }
    for name, arguments in folders.items():
        assert set(arguments) <= set(datasets.reader(name).arguments)
    assert datasets.reader("folder").arguments == (
        "image_size",
        "validation_split",
        "seed",
        "on_error",
    )
    with pytest.raises(ValueError, match=r"`name` of datasets.reader must be one of 'animal_part'"):
        datasets.reader("imagenet")


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["annotations.csv"], "animal_part"),
        (["n01639765_obj/img/data.mat"], "animal_part"),
        (["images.txt", "bounding_boxes.txt"], "cub200"),
        (["Annotations_Part/2008_000008.mat"], "pascal_part"),
        (["2008_000008.mat"], "pascal_part"),
        (["cats/1.jpg", "dogs/1.jpg"], "folder"),
        (["images.txt"], "folder"),
        ([], "folder"),
    ],
)
def test_a_folder_is_told_by_what_lies_in_it(tmp_path, files, name):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert datasets.detect(tmp_path) == name


def test_detection_needs_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` of datasets.detect must be an existing"):
        datasets.detect(tmp_path / "nowhere")


def test_reading_by_name_is_calling_the_reader(tmp_path, animal_part_folder):
    mine = datasets.read("creatures", n_train=3, n_validation=0, n_test=0, seed=2)
    theirs = datasets.creatures(3, 0, 0, seed=2)
    np.testing.assert_array_equal(mine.train[2].image, theirs.train[2].image)
    found = datasets.read(None, animal_part_folder.root)
    assert found.class_names == ["negative", "ape", "zebra"]
    photos = tmp_path / "photos"
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        Image.new("RGB", (5, 5)).save(photos / name / "1.png")
    found = datasets.read(None, photos, image_size=(4, 6), validation_split=0)
    assert found.class_names == ["cat", "dog"] and found.image_size == (4, 6)


@pytest.mark.parametrize(
    ("name", "path", "arguments", "message"),
    [
        ("folder", "x", {"negatives": "y"}, r"arguments that 'folder' takes: image_size, .*\['neg"),
        ("creatures", "x", {}, "`path` of datasets.read must be left out"),
        (None, None, {}, "`path` of datasets.read must be the folder of the data set"),
        ("folder", None, {}, "`path` of datasets.read must be the folder of the data set"),
    ],
)
def test_arguments_that_a_reader_does_not_take(name, path, arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.read(name, path, **arguments)

"""The reader of the compact Animal-Part layout: real data, and every error on generated ones."""

import numpy as np
import pytest

from keras_icnn.datasets import animal_part

# train, validation, test
_REAL = {
    "negative": [400, 100, 500],
    "horse": [206, 51, 103],
    "domestic_cat": [199, 49, 112],
    "goldfish": [212, 52, 96],
    "turtle": [92, 22, 79],
}


def test_real_counts_by_category_and_split(real_animal_part):
    data = real_animal_part
    assert len(data.class_names) == 25 and data.class_names[0] == "negative"
    assert data.class_names[1:] == sorted(data.class_names[1:])
    assert (len(data.train), len(data.validation), len(data.test)) == (4439, 1096, 3004)
    for name, expected in _REAL.items():
        label = data.class_names.index(name)
        assert [int((d.labels == label).sum()) for _, d in data.items()] == expected
    goldfish = data.test.labels == data.class_names.index("goldfish")
    assert np.isnan(data.test.landmarks[goldfish, 1]).all()  # no legs
    # Every test picture of an animal is annotated.
    animals = data.test.labels > 0
    known = ~np.isnan(data.test.landmarks[:, :, 0])
    assert known[animals].any(1).all() and not known[~animals].any()
    assert known.sum(0).tolist() == [1154 + 1098, 1154 + 252]


def test_real_sample_has_its_head_where_the_table_says(real_animal_part):
    sample = real_animal_part.test[0]
    assert sample.file.endswith("n01443537/00001.jpg")
    assert sample.image.shape == (224, 224, 3) and sample.image.std() > 10
    assert sample.landmarks[0].tolist() == [177.5, 114]
    rows, columns = np.nonzero(sample.parts[0])
    # Centre 177.5 114, size 89 126.
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (133, 222, 51, 177)
    assert not sample.parts[1].any()


def test_classes_splits_landmarks_and_boxes(animal_part_folder):
    data = animal_part(animal_part_folder.root)
    assert data.class_names == ["negative", "ape", "zebra"]
    assert data.part_names == data.landmark_names == ["head", "front_legs"]
    assert data.image_size == (224, 224)
    assert data.test.labels.tolist() == [2, 1, 0]
    assert data.train.labels.tolist() == [2, 0] and data.validation.labels.tolist() == [1]
    assert data.test.landmarks[0].tolist() == [[60, 50], [100.5, 180]]
    assert np.isnan(data.test.landmarks[2]).all()
    rows, columns = np.nonzero(data.test.part_masks(0)[0])
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (50, 70, 45, 55)
    # Centre 4 4, size 20 20: clipped to -6 .. 14.
    rows, columns = np.nonzero(data.test.part_masks(1)[0])
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (0, 14, 0, 14)
    assert not data.test.part_masks(1)[1].any()


def test_single_category_by_select(animal_part_folder):
    task = animal_part(animal_part_folder.root).select(classes=["negative", "zebra"])
    assert task.class_names == ["negative", "zebra"]
    assert task.test.labels.tolist() == [1, 0] and task.train.labels.tolist() == [1, 0]


def test_missing_folder_and_table_are_named(tmp_path, animal_part_folder):
    with pytest.raises(
        FileNotFoundError,
        match=r"Argument `path` of animal_part must be an existing folder.*nowhere",
    ):
        animal_part(tmp_path / "nowhere")
    animal_part_folder.csv.unlink()
    with pytest.raises(FileNotFoundError, match=r"annotations.csv.*`path` must be the folder"):
        animal_part(animal_part_folder.root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("60 50", "60 fifty", 'line 2: `head_center` must be two numbers, "x y". Received: .60 f'),
        ("60 50", "60", "line 2: `head_center` must be two numbers"),
        ("60 50", "nan 50", "line 2: `head_center` must be two numbers"),
        ("31 40", "31 40 1", 'line 2: `front_legs_size` must be two numbers, "width height"'),
        ("20 10", "20 0", "line 2: `head_size` must be positive. Received: '20 0'"),
        ("20 10", "", "line 2: `head_center` and `head_size` must both be given"),
        ("60 50", "300 50", "line 2: the box of `head` lies outside the 224 x 224 image"),
        (",test,", ",dev,", "line 2: `split` must be one of .* Received: 'dev'"),
        ("zebra", "", "line 2: `name` is empty"),
        (",31 40", "", "line 2: the number of cells differs"),
        ("31 40", "31 40,7", "line 2: the number of cells differs"),
        ("z/1.jpg", "z/2.jpg", "line 3: `file` must name an image once.*line 2"),
    ],
)
def test_a_bad_row_is_named_with_its_line(animal_part_folder, old, new, message):
    row = animal_part_folder.rows[0]
    assert row.count(old) == 1
    animal_part_folder.rows[0] = row.replace(old, new)
    animal_part_folder.write()
    with pytest.raises(ValueError, match=message) as error:
        animal_part(animal_part_folder.root)
    assert str(animal_part_folder.csv) in str(error.value)


def test_missing_columns_empty_and_foreign_tables_are_named(animal_part_folder):
    animal_part_folder.header = animal_part_folder.header.replace("head_size", "size")
    animal_part_folder.write()
    with pytest.raises(ValueError, match=r"without \['head_size'\]. Add them"):
        animal_part(animal_part_folder.root)
    animal_part_folder.header = animal_part_folder.header.replace(",size", ",head_size")
    animal_part_folder.rows = []
    animal_part_folder.write()
    with pytest.raises(ValueError, match="has no rows"):
        animal_part(animal_part_folder.root)
    animal_part_folder.csv.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match="not a table in UTF-8"):
        animal_part(animal_part_folder.root)


def test_missing_pictures_are_found_up_front(animal_part_folder):
    (animal_part_folder.root / "a" / "1.jpg").unlink()
    for file in (animal_part_folder.root / "z").iterdir():
        file.unlink()
    (animal_part_folder.root / "z").rmdir()
    with pytest.raises(FileNotFoundError, match=r"line 2: there is no.*1.jpg' \(3 of 6 images"):
        animal_part(animal_part_folder.root)


def test_damaged_pictures_are_named_when_decoded(animal_part_folder):
    data = animal_part(animal_part_folder.root)
    file = animal_part_folder.root / "z" / "1.jpg"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match=r"z/1.jpg' cannot be decoded: .*Restore the file"):
        data.test.batches(3)[0]
    file.write_bytes(b"no picture")
    with pytest.raises(OSError, match=r"z/1.jpg' cannot be decoded"):
        data.test.image(0)
    assert data.test.part_masks(0)[0].any()  # masks need no picture
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"There is no image '.*z/1.jpg'"):
        data.test.image(0)

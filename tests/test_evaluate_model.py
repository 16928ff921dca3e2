"""`keras-icnn evaluate`: a saved model on data sets in their own formats."""

import csv

import keras
import numpy as np
import pytest
from PIL import Image

from keras_icnn import cli


def _network(path, size, outputs, activation="softmax"):
    image = keras.Input((*size, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(6, 5, strides=4, padding="same", activation="relu", name="maps")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    keras.Model(image, keras.layers.Dense(outputs, activation=activation)(x)).save(path)


@pytest.fixture
def birds(tmp_path):
    """CUB-200-2011's format: two species, twelve pictures each, and four negatives."""
    root = tmp_path / "cub"
    tables = {name: "" for name in ("images", "image_class_labels", "bounding_boxes")}
    tables |= {"train_test_split": "", "parts/part_locs": "", "classes": "1 001.A\n2 002.B\n"}
    tables["parts/parts"] = "1 back\n2 beak\n3 tail\n"
    rng = np.random.default_rng(0)
    for i in range(1, 25):
        species = 1 + i % 2
        name = f"00{species}.{'AB'[species - 1]}/{i}.png"
        x, y = rng.integers(20, 80, 2)
        picture = rng.integers(0, 60, (100, 100, 3), "uint8")
        picture[y - 8 : y + 8, x - 8 : x + 8] = 250
        _save(root / "images" / name, picture)
        tables["images"] += f"{i} {name}\n"
        tables["image_class_labels"] += f"{i} {species}\n"
        tables["bounding_boxes"] += f"{i} 0.0 0.0 100.0 100.0\n"
        tables["train_test_split"] += f"{i} {i <= 12:d}\n"
        for part in (1, 2, 3):
            tables["parts/part_locs"] += f"{i} {part} {x + part}.0 {y}.0 1\n"
    for name, text in tables.items():
        (root / f"{name}.txt").parent.mkdir(exist_ok=True)
        (root / f"{name}.txt").write_text(text)
    for i in range(4):
        _save(tmp_path / "neg" / f"{i}.png", rng.integers(0, 60, (60, 60, 3), "uint8"))
    return root


def _save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def _run(*argv):
    return cli.main(["evaluate", *map(str, argv)])


def test_report_keypoints_and_csv(birds, tmp_path, capsys):
    model = tmp_path / "birds.keras"
    _network(model, (48, 48), 2)
    out = tmp_path / "out"
    assert _run(model, "--data", birds, "--keypoints", "--out", out) == cli.DONE
    text = capsys.readouterr().out
    for words in ("birds ", "12 images, 12 of A, B measured", "best constant", "nearest unit"):
        assert words in text
    with open(out / "filters.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and {row["category"] for row in rows} <= {"A", "B"}
    assert (out / "summary.csv").read_text().startswith("detector,accuracy")


def test_all_images_are_labelled_so(birds, tmp_path, capsys):
    model = tmp_path / "birds.keras"
    _network(model, (48, 48), 2)
    assert _run(model, "--data", birds, "--split", "all", "--layer", "maps") == cli.DONE
    text = capsys.readouterr().out
    assert "24 images" in text and "training ones included" in text


def test_one_species_against_negatives(birds, tmp_path, capsys):
    model = tmp_path / "one.keras"
    _network(model, (48, 48), 1, "sigmoid")
    negatives = tmp_path / "neg"
    assert _run(model, "--data", birds, "--category", "A", "--negatives", negatives) == cli.DONE
    # Every second negative is for test.
    assert "8 images, 6 of A measured" in capsys.readouterr().out


def test_a_folder_of_class_folders(birds, tmp_path, capsys):
    model = tmp_path / "folder.keras"
    _network(model, (48, 48), 2)
    for split in ((), ("--split", "all")):
        assert _run(model, "--data", birds / "images", *split) == cli.DONE
        assert "24 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, message",
    [
        (["MODEL", "--data", "nowhere"], "`path` must be an existing folder"),
        (["nothing.keras", "--data", "CUB"], "'nothing.keras': there is no such model"),
        (["BROKEN", "--data", "CUB"], "broken.keras' cannot be read as a model"),
        (["MODEL", "--data", "CUB", "--category", "A"], "has 2 outputs, the data set 1 classes"),
        (["MODEL", "--data", "CUB", "--category", "C"], "`classes` must name classes"),
        (["MODEL", "--data", "CUB", "--layer", "top"], "`layer` must be a layer"),
        (["MODEL", "--data", "CUB", "--reader", "pascal_part"], "no .mat file"),
        (["MODEL", "--data", "CUB", "--split", "validation"], "no split 'validation', only"),
        (["MODEL", "--data", "CUB/images", "--keypoints"], "needs a data set with landmarks"),
        (["MODEL", "--data", "CUB/images", "--negatives", "CUB"], "put them in a class folder"),
        (["MODEL", "--data", "CUB", "--truth", "CUB"], "belongs to Animal-Part as published"),
    ],
)
def test_mistakes_are_told_in_one_line(birds, tmp_path, capsys, argv, message):
    model, broken = tmp_path / "m.keras", tmp_path / "broken.keras"
    _network(model, (48, 48), 2)
    broken.write_bytes(b"PK no archive")
    places = {"MODEL": str(model), "CUB": str(birds), "BROKEN": str(broken)}
    places["CUB/images"] = str(birds / "images")
    assert _run(*(places.get(word, word) for word in argv)) == cli.FAILED
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and len(error.splitlines()) == 1

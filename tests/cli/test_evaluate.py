"""`keras-icnn evaluate`: a saved model on data sets in their own formats."""

import csv

import keras
import pytest
import small_data_sets

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
    small_data_sets.cub200(tmp_path, birds=24, background=4)
    return tmp_path / "CUB_200_2011"


def _run(*argv):
    return cli.main(["evaluate", *map(str, argv)])


def test_report_keypoints_parts_and_csv(birds, tmp_path, capsys):
    model = tmp_path / "birds.keras"
    _network(model, (48, 48), 2)
    out = tmp_path / "out"
    options = ("--keypoints", "--parts", "2")
    assert _run(model, "--data", birds, *options, "--out", out) == cli.DONE
    text = capsys.readouterr().out
    for words in (
        "birds ",
        "12 images, 12 of A, B measured",
        "best constant",
        "nearest unit",
        "2 groups of filters",
    ):
        assert words in text
    with open(out / "filters.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and {row["category"] for row in rows} <= {"A", "B"}
    assert (out / "summary.csv").read_text().startswith("detector,accuracy")


def test_faithfulness(birds, tmp_path, capsys):
    model, out = tmp_path / "birds.keras", tmp_path / "out"
    _network(model, (48, 48), 2)
    options = ("--faithfulness", "1", "--radius", "6", "--out", out)
    assert _run(model, "--data", birds, *options) == cli.DONE
    text = capsys.readouterr().out
    assert "Faithfulness of explanations" in text
    assert "1 images" in text
    with open(out / "faithfulness.csv", newline="") as file:
        methods = [row["method"] for row in csv.DictReader(file)]
    assert methods[:3] == ["parts", "part maps", "grad-cam"]
    assert methods[-1] == "upper bound"


def test_all_images_are_labelled_so(birds, tmp_path, capsys):
    model = tmp_path / "birds.keras"
    _network(model, (48, 48), 2)
    assert _run(model, "--data", birds, "--split", "all", "--layer", "maps") == cli.DONE
    text = capsys.readouterr().out
    assert "24 images" in text and "training ones included" in text


def test_one_species_against_negatives(birds, tmp_path, capsys):
    model = tmp_path / "one.keras"
    _network(model, (48, 48), 1, "sigmoid")
    negatives = tmp_path / "animal_part" / "negatives"
    assert _run(model, "--data", birds, "--category", "A", "--negatives", negatives) == cli.DONE
    # Every second negative is for test.
    assert "8 images, 6 of A measured" in capsys.readouterr().out


def test_all_species_as_birds_and_chosen_landmarks(birds, tmp_path, capsys):
    model = tmp_path / "bird.keras"
    _network(model, (48, 48), 1, "sigmoid")
    negatives = tmp_path / "animal_part" / "negatives"
    options = ("--data", birds, "--category", "bird", "--negatives", negatives)
    assert _run(model, *options, "--landmarks", "all") == cli.DONE
    text = capsys.readouterr().out
    assert "14 images, 12 of bird measured" in text
    assert "perfect beak" in text and "perfect head" not in text
    assert _run(model, *options, "--landmarks", "head", "--landmarks", "tail") == cli.DONE
    text = capsys.readouterr().out
    assert "perfect head" in text and "perfect tail" in text and "perfect beak" not in text


def test_a_folder_of_class_folders(birds, tmp_path, capsys):
    model = tmp_path / "folder.keras"
    _network(model, (48, 48), 2)
    for split in ((), ("--split", "all")):
        assert _run(model, "--data", birds / "images", *split) == cli.DONE
        assert "24 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, message",
    [
        (["MODEL", "--data", "nowhere"], "`path` of datasets.detect must be an existing folder"),
        (["nothing.keras", "--data", "CUB"], "'nothing.keras': there is no such model"),
        (["BROKEN", "--data", "CUB"], "broken.keras' cannot be read as a model"),
        (["MODEL", "--data", "CUB", "--category", "A"], "has 2 outputs, the data set 1 classes"),
        (
            ["MODEL", "--data", "CUB", "--category", "C"],
            "`classes` of PartDataset.select must be classes of this",
        ),
        (["MODEL", "--data", "CUB", "--layer", "top"], "`layer` must be a layer"),
        (["MODEL", "--data", "CUB", "--reader", "pascal_part"], "no .mat file"),
        (["MODEL", "--data", "CUB", "--split", "validation"], "no split 'validation', only"),
        (["MODEL", "--data", "CUB/images", "--keypoints"], "needs a data set with landmarks"),
        (["MODEL", "--data", "CUB/images", "--parts", "4"], "at least 3 landmarks; this one has 0"),
        (["MODEL", "--data", "CUB", "--parts", "7"], "`parts` must be at most the number of"),
        (["MODEL", "--data", "CUB/images", "--negatives", "CUB"], "put them in a class folder"),
        (
            ["MODEL", "--data", "CUB/images", "--landmarks", "all"],
            "`landmarks` can be chosen for CUB-200-2011 only, not for 'folder'",
        ),
        (
            ["MODEL", "--data", "CUB", "--landmarks", "fin"],
            "`landmarks` of cub200 must be names among",
        ),
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

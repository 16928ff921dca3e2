"""A first hour: train on class folders, odd files among them; evaluate, report and explain."""

import re
import shutil

import keras
import pytest
import small_zoo

import keras_icnn as icnn
from keras_icnn import cli

pytestmark = pytest.mark.few_steps

TRAIN = ["--network", "tiny", "--weights", "none", "--epochs", "1", "--image-size", "24"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    small_zoo.register(monkeypatch)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with one of every odd file, and a model trained on it."""
    root = tmp_path_factory.mktemp("hour")
    photos = small_zoo.class_folders(root / "photos")
    small_zoo.add_odd_files(photos)
    with pytest.MonkeyPatch.context() as patch:
        small_zoo.register(patch)
        assert cli.main(["train", str(photos), *TRAIN, "--out", str(root / "run")]) == cli.DONE
    return root


def run(capsys, *argv, code=cli.DONE):
    assert cli.main(list(map(str, argv))) == code
    told = capsys.readouterr()
    assert "Traceback" not in told.err and "defect" not in told.err
    return told.out if code == cli.DONE else told.err


@pytest.mark.medium
def test_train_tells_what_it_read_and_what_it_made(tmp_path, capsys, monkeypatch):
    small_zoo.class_folders(tmp_path / "photos")
    small_zoo.add_odd_files(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    told = run(capsys, "train", "photos", *TRAIN, "--seed", 3, "--no-flip", "--compare")
    assert "28 images of 2 classes (blue 10, red 18); 22 train, 6 validation" in told
    assert "9 left out:" in told and "red/phone.heic" in told
    assert "ordinary, epoch 1/1: loss" in told and "6 images, 6 of blue, red measured" in told
    for name in ("model.keras", "ordinary.keras", "history.csv", "measures.csv", "report.html"):
        assert f"runs/photos/{name}" in told and (tmp_path / "runs" / "photos" / name).exists()
    again = run(capsys, "train", "photos", *TRAIN, "--seed", 3, "--no-flip", "--compare")
    assert again.count("trained already") == 2


@pytest.mark.medium
@pytest.mark.parametrize(
    ("split", "sentence", "name"),
    [
        (None, "6 held-out images; 22 the model was trained on are left out", "model "),
        ("validation", "6 held-out images; 22 the model was trained on", "model "),
        ("train", "22 images the model was trained on; 6 held-out", "model (training images)"),
        ("all", "28 images, 22 of which the model", "model (22 of 28 are training images)"),
    ],
)
def test_evaluate_takes_held_out_images(split, sentence, name, trained, capsys, tmp_path):
    options = ["--split", split] if split else []
    model, photos = trained / "run/model.keras", trained / "photos"
    argv = ["evaluate", model, "--data", photos, "--out", tmp_path]
    told = run(capsys, *argv, *options)
    assert sentence in told and "9 files or folders left out" in told
    assert re.search(rf"^{re.escape(name)}", told, re.M)
    row = (tmp_path / "summary.csv").read_text().splitlines()[1]
    assert row.partition(",")[0] == name.strip()


@pytest.mark.medium
def test_report_and_explain_take_held_out_images(trained, capsys, tmp_path):
    model, photos = trained / "run/model.keras", trained / "photos"
    page = tmp_path / "page.html"
    told = run(capsys, "report", model, "--data", photos, "-o", page)
    assert "6 held-out images; 22 the model" in told
    assert "Measured on 6 images" in page.read_text()
    told = run(capsys, "report", model, "--data", photos, "-o", page, "--split", "train")
    assert "(training images)</title>" in page.read_text()
    known = keras.saving.load_model(model)
    for file in ("00.png", "deep.png", "turned.jpg", "x.jfif", "cmyk.jpg", "alpha.png"):
        image = photos / "red" / file
        told = run(capsys, "explain", model, image, "--data", photos, "--target", "red")
        assert "6 held-out images" in told and "The logit of red is" in told
        seen = icnn._image_digests.of_file(image) in known.training_images
        assert ("The model was trained on this image" in told) == seen


@pytest.mark.medium
def test_other_folders_of_the_same_classes(trained, capsys, tmp_path):
    model = trained / "run/model.keras"
    small_zoo.class_folders(tmp_path / "new", each=4, size=30)
    told = run(capsys, "evaluate", model, "--data", tmp_path / "new")
    # Noise from the same seed, but of another size.
    assert "8 images, none of which the model was trained on" in told
    shutil.rmtree(tmp_path / "new" / "blue")
    told = run(capsys, "evaluate", model, "--data", tmp_path / "new")
    assert "4 images, 4 of red measured" in told
    (tmp_path / "new" / "red").rename(tmp_path / "new" / "green")
    told = run(capsys, "evaluate", model, "--data", tmp_path / "new", code=cli.FAILED)
    assert "trained on the classes ['blue', 'red'], the data set has ['green']" in told
    shutil.copytree(trained / "photos" / "red", tmp_path / "seen" / "red")
    argv = ["evaluate", model, "--data", tmp_path / "seen"]
    for file in (tmp_path / "seen" / "red").iterdir():
        if icnn._image_digests.of_file(file) not in keras.saving.load_model(model).training_images:
            file.unlink()
    assert "trained on all 14 of the images" in run(capsys, *argv, code=cli.FAILED)
    assert "(training images)" in run(capsys, *argv, "--split", "all")


def test_a_model_that_does_not_know_says_so(trained, capsys, tmp_path):
    model = keras.saving.load_model(trained / "run/model.keras")
    plain = keras.Model(model.inputs, model.outputs, name="plain")
    plain.save(tmp_path / "plain.keras")
    argv = ["evaluate", tmp_path / "plain.keras", "--data", trained / "photos"]
    told = run(capsys, *argv)
    assert "28 images; the model does not know which of them it was trained on" in told
    assert "no split 'train'" in run(capsys, *argv, "--split", "train", code=cli.FAILED)


def test_a_model_in_the_older_format(trained, capsys, tmp_path):
    model = keras.saving.load_model(trained / "run/model.keras")
    model.save(tmp_path / "model.h5")
    image = trained / "photos" / "red" / "00.png"
    assert "says" in run(capsys, "explain", tmp_path / "model.h5", image)


def test_mistakes_of_train_are_one_line(trained, capsys, tmp_path):
    photos, out = trained / "photos", tmp_path / "runs" / "out"
    for argv, told, code in (
        ([photos, "--network", "lenet"], "`network` of train_folder", cli.FAILED),
        ([photos, "--variant", "x"], "are for recipes", cli.FAILED),
        ([photos, "--seed", 1, "--seed", 2], "one --seed", cli.FAILED),
        ([photos, "--network", "vgg16", "--weights", "no.h5"], "no such file", cli.FAILED),
        (["squeezenet", "--epochs", 3], "--epochs: for folders", cli.FAILED),
        (["squeezenett"], "Did you mean squeezenet", cli.WRONG_USE),
        (["squeezenet", "--data", tmp_path], "'animal_part' is not in the data", cli.WRONG_USE),
    ):
        found = run(capsys, "train", *argv, "--out", out, code=code)
        assert told in found and len(found.splitlines()) == 1
        # Not even a lock.
        assert not out.parent.exists()


def test_recipes_are_listed_and_copied(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = run(capsys, "recipes")
    assert re.search(r"^squeezenet +SqueezeNet 1.1, 128 new filters", told, re.M)
    run(capsys, "recipes", "--copy", "squeezenet")
    run(capsys, "recipes", "--copy", "squeezenet", "mine.toml")
    assert icnn.recipes.read_recipe("mine.toml").name == "mine"
    told = run(capsys, "recipes", "--copy", "squeezenet", code=cli.FAILED)
    assert "a file 'squeezenet.toml' already" in told


def test_a_layer_that_is_not_there_names_the_nearest(trained, capsys):
    argv = ["evaluate", trained / "run/model.keras", "--data", trained / "photos"]
    told = run(capsys, *argv, "--layer", "interpretable", code=cli.FAILED)
    assert "layers: interpretable_conv" in told

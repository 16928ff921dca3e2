"""`train_folder`: a network on class folders or arrays, without a recipe."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
import small_zoo

import keras_icnn as icnn
from keras_icnn.models._training_images import trained_on
from keras_icnn.recipes import _fit_progress

pytestmark = pytest.mark.few_steps

TINY = {"network": "tiny", "weights": None, "epochs": 2, "batch_size": 8, "image_size": 24}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    small_zoo.register(monkeypatch)


@pytest.fixture
def photos(tmp_path):
    return small_zoo.class_folders(tmp_path / "photos")


def train(photos, out, **options):
    return icnn.recipes.train_folder(photos, out, **{**TINY, "verbose": False, **options})


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.medium
def test_a_folder_gives_a_model_that_knows_its_classes_and_images(photos, tmp_path):
    out = tmp_path / "runs" / "photos"
    done = train(photos, out, compare=True)
    assert {path.name for path in done.paths} == {
        "model.keras", "ordinary.keras", "history.csv", "ordinary_history.csv", "measures.csv",
        "filters.csv", "report.html",
    }  # fmt: skip
    assert all(path.stat().st_size for path in done.paths)
    assert not list(out.glob("*.npz"))
    everything = icnn.datasets.folder(photos, 24, validation_split=0).train
    for name in ("model.keras", "ordinary.keras"):
        model = keras.saving.load_model(out / name)
        assert model.class_names == ["blue", "red"]
        seen = trained_on(model, everything)
        # A fifth of each class is held out.
        assert seen.sum() == 16 and np.bincount(everything.labels[~seen]).tolist() == [2, 2]
    assert not trained_on(model, done.splits.validation).any()
    rows = table(out / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "accuracy", "val_accuracy"} <= set(rows[0])
    rows = table(out / "measures.csv")
    assert [row["detector"] for row in rows][:2] == ["interpretable", "ordinary"]
    assert rows[0]["images"] == "4"


@pytest.mark.medium
def test_without_held_out_images_figures_are_marked(photos, tmp_path):
    done = train(photos, tmp_path / "out", validation_split=0)
    assert done.reports["interpretable"].name == "interpretable (training images)"
    assert "(training images)</title>" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.medium
def test_a_run_that_was_stopped_ends_as_one_that_was_not(photos, tmp_path, monkeypatch, capsys):
    whole = train(photos, tmp_path / "whole", epochs=3)

    # With random weights the ordinary network is trained first.
    for network, file in (("ordinary", "ordinary"), ("interpretable", "model")):

        def stop(self, epoch, logs=None, network=network):
            if self._name == network and epoch == 1:
                raise KeyboardInterrupt

        with monkeypatch.context() as context:
            context.setattr(_fit_progress.Progress, "on_epoch_end", stop)
            with pytest.raises(KeyboardInterrupt):
                train(photos, tmp_path / "out", epochs=3, verbose=True)
        assert (tmp_path / "out" / f"{file}_backup.npz").exists()
    capsys.readouterr()
    with pytest.raises(ValueError, match=r"differs in epochs \(there epochs=3\)"):
        train(photos, tmp_path / "out", epochs=4)
    again = train(photos, tmp_path / "out", epochs=3, verbose=True)
    told = capsys.readouterr().out
    assert "epoch 2/3" not in told and "epoch 3/3" in told
    for one, other in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    history = (tmp_path / "whole" / "history.csv").read_text()
    assert (tmp_path / "out" / "history.csv").read_text() == history
    # What is finished is not trained again.
    train(photos, tmp_path / "out", epochs=3, verbose=True)
    assert "trained already" in capsys.readouterr().out


@pytest.mark.medium
def test_with_random_weights_filters_begin_above_a_trained_network(photos, tmp_path):
    done = train(photos, tmp_path / "out")
    assert done.ordinary is None and set(done.reports) == {"interpretable"}
    ordinary = keras.models.load_model(tmp_path / "out" / "ordinary.keras", compile=False)
    lower = [next(w for w in m.layers if w.weights) for m in (ordinary, done.model)]
    for one, other in zip(*(layer.get_weights() for layer in lower), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not lower[1].trainable
    with (tmp_path / "out" / "ordinary_history.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]


def test_a_run_that_failed_leaves_nothing(photos, tmp_path, monkeypatch):
    def stop(self, epoch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(_fit_progress.Progress, "on_epoch_begin", stop)
    with pytest.raises(KeyboardInterrupt):
        train(photos, tmp_path / "runs" / "a", verbose=True)
    assert not (tmp_path / "runs").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt):
        train(photos, tmp_path / "mine", verbose=True)
    assert list((tmp_path / "mine").iterdir()) == []
    with pytest.raises(ValueError, match="no such file"):
        train(photos, tmp_path / "other", network="squeezenet", weights="nothing.npz")
    assert not (tmp_path / "other").exists()


@pytest.mark.medium
def test_arrays_and_batches_are_split_and_remembered(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (20, 24, 24, 3), "uint8")
    y = np.arange(20) % 2
    done = train((x, y), tmp_path / "arrays", image_size=None)
    assert len(done.splits.train) == 16 and len(done.splits.validation) == 4
    seen = trained_on(done.model, icnn.datasets.from_arrays(x, y))
    assert seen.sum() == 16
    held_out = icnn.datasets.from_arrays(x[:6], y[:6]).batches(3)
    done = train((x[6:], y[6:]), tmp_path / "two", image_size=None, validation_data=held_out)
    assert len(done.splits.train) == 14 and len(done.splits.validation) == 6


@pytest.mark.medium
def test_copies_of_training_images_are_not_held_out(tmp_path):
    x = np.repeat(np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), "uint8"), 10, axis=0)
    done = train((x, np.repeat([0, 1], 10)), tmp_path / "out", image_size=None)
    assert [name for name, _ in done.splits.items()] == ["train"]
    assert "4 x a copy of a training image" in done.splits.summary()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "tinny"}, "`network` of train_folder must be one of"),
        ({"epochs": 0}, "`epochs` of train_folder"),
        ({"image_size": 0}, "`image_size` of train_folder"),
        ({"validation_split": 1}, "`validation_split` of folder"),
        ({"data": "nowhere"}, "existing folder"),
        ({"data": (np.zeros((4, 24, 24, 3)), [0, 1, 0, 1])}, "pixels from 0 to 255"),
        ({"data": (np.full((4, 9, 9, 3), 9.0), [0, 1, 0, 1])}, "`image_size`, .*24, 24"),
        ({"data": (np.full((4, 24, 24, 3), 9.0), [0, 0, 0, 0])}, "at least two classes"),
        ({"data": (np.full((4, 24, 24, 3), 9.0), [0.5, 0, 1, 1])}, "class numbers"),
    ],
)
def test_mistakes_leave_no_folder(photos, tmp_path, change, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train(change.pop("data", photos), tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()


def test_the_time_that_is_left(capsys):
    progress = _fit_progress.Progress("net", epochs=4, later=4, steps=1)
    for epoch, seconds in enumerate((100.0, 10.0)):
        progress.on_epoch_begin(epoch)
        progress._started -= seconds
        progress.on_epoch_end(epoch, {"loss": 1.5, "val_accuracy": 0.25, "other": 3})
    first, second = capsys.readouterr().out.splitlines()
    # Seven epochs of a hundred seconds; then the first one, which also compiles, is left out.
    assert first == "net, epoch 1/4: loss 1.500, val_accuracy 0.250; about 12 min left"
    assert second.endswith("about 60 s left")


def test_a_recipe_is_found_by_its_name(tmp_path):
    recipe = icnn.recipes.read_recipe("squeezenet")
    assert recipe.name == "squeezenet" and Path(recipe.path).is_file()
    with pytest.raises(icnn.recipes.RecipeError, match="Did you mean squeezenet"):
        icnn.recipes.read_recipe("squeezenett")

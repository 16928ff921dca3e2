"""What a model knows beside its weights: classes, names of parts, and what it was trained on."""

import keras
import numpy as np
import pytest
from test_interpretable_model import compiled, network

import keras_icnn as icnn
from keras_icnn import _image_digests
from keras_icnn.datasets import PartDataset
from keras_icnn.models._training_images import trained_on

pytestmark = pytest.mark.core

NAMES = ["cat", "dog", "owl", "pig"]
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), "uint8")


def dataset(rows=range(8), names=NAMES):
    rows = list(rows)
    return PartDataset(
        image=lambda i: PIXELS[rows[i]],
        labels=[row % len(names) for row in rows],
        files=[f"{row}.png" for row in rows],
        class_names=names,
        image_size=(12, 12),
    )


def saved_and_loaded(model, folder):
    model.save(folder / "m.keras")
    return keras.saving.load_model(folder / "m.keras")


def test_names_are_kept_by_saving_and_by_the_configuration(tmp_path):
    model = network()
    model.class_names = NAMES
    model.part_names = {"cat/0": "head"}
    for again in (
        saved_and_loaded(model, tmp_path),
        icnn.InterpretableModel.from_config(model.get_config()),
    ):
        assert again.class_names == NAMES
        assert again.part_names == {"cat/0": "head"}


def test_a_model_without_facts_has_none(tmp_path):
    again = saved_and_loaded(network(), tmp_path)
    assert again.class_names is None
    assert again.part_names == {}
    assert not len(again.training_images)
    assert trained_on(again, dataset()) is None
    assert trained_on(keras.Sequential(), dataset()) is None


@pytest.mark.parametrize("names", [["a"], ["a", "a", "b", "c"], "abcd", [1, 2, 3, 4]])
def test_names_that_do_not_fit_are_refused(names):
    with pytest.raises(ValueError, match="class_names"):
        network().class_names = names


@pytest.mark.medium
def test_fit_takes_names_and_images_from_a_data_set(tmp_path):
    model = compiled(network())
    model.fit(dataset([0, 1, 2, 3]).batches(4), verbose=0)
    again = saved_and_loaded(model, tmp_path)
    assert again.class_names == NAMES
    assert trained_on(again, dataset()).tolist() == [True] * 4 + [False] * 4
    # A second run adds its images.
    compiled(again).fit(dataset([5]).batches(1), verbose=0)
    assert trained_on(again, dataset()).tolist() == [True] * 4 + [False, True, False, False]


def test_fit_on_arrays_remembers_them_whatever_their_type():
    model = compiled(network())
    model.fit(PIXELS[:4].astype("float32"), np.arange(4), verbose=0)
    assert model.class_names is None
    assert trained_on(model, dataset()).tolist() == [True] * 4 + [False] * 4


def test_fit_refuses_a_data_set_of_other_classes_before_it_changes_anything():
    model = compiled(network())
    model.class_names = NAMES
    with pytest.raises(ValueError, match="classes of model 'network'"):
        model.fit(dataset(names=NAMES[::-1]).batches(4), verbose=0)
    assert not len(model.training_images)


def test_files_are_known_by_their_bytes(tmp_path):
    for i, folder in enumerate(["a", "a", "b", "b"]):
        (tmp_path / folder).mkdir(exist_ok=True)
        keras.utils.save_img(tmp_path / folder / f"{i}.png", PIXELS[i], scale=False)
    before = icnn.datasets.folder(tmp_path, 12, validation_split=0).train
    digests = before.image_digests()
    (tmp_path / "a" / "0.png").rename(tmp_path / "a" / "z.png")
    after = icnn.datasets.folder(tmp_path, 20, validation_split=0).train
    assert digests.dtype == "uint64"
    assert digests.tolist() != after.image_digests().tolist()
    assert set(digests.tolist()) == set(after.image_digests().tolist())
    # Mirrored, repeated, chosen and joined images are still the same ones.
    chosen = after.subset([3, 1])
    joined = chosen.concatenate(after.flipped().subset([0]))
    expected = after.image_digests()[[3, 1, 0]].tolist()
    assert joined.image_digests().tolist() == expected


def test_pixels_are_told_apart_by_value_and_shape():
    digest = _image_digests.of_pixels
    assert digest(PIXELS[0]) == digest(PIXELS[0].astype("float64"))
    assert digest(PIXELS[0]) != digest(PIXELS[1])
    assert digest(PIXELS[0]) != digest(PIXELS[0].reshape(6, 24, 3))
    assert digest(PIXELS[0] / 255) != digest(PIXELS[0])
    assert digest(np.full((2, 2, 3), np.nan)) == digest(np.full((2, 2, 3), np.nan))

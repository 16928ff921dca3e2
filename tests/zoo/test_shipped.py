"""Trained networks that come with the package."""

import hashlib
import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_icnn import InterpretableModel, cli, zoo
from keras_icnn.zoo import _shipped

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 224, 224, 3)).astype("float32")


@pytest.fixture(scope="module")
def animals():
    return zoo.mobilenet_v2_interpretable(weights="animals")


@pytest.mark.medium
def test_the_network_knows_its_classes_its_parts_and_its_training_images(animals):
    known = _shipped.manifest("mobilenet_v2", "animals")
    assert isinstance(animals, InterpretableModel)
    assert animals.output_shape == (None, 24) == (None, len(animals.class_names))
    assert animals.class_names == known["class_names"]
    assert animals.part_names == known["part_names"]
    category, part = animals.get_layer("interpretable_conv").parts()
    parts = {f"{animals.class_names[c]}/{p}" for c, p in zip(category, part, strict=True)}
    assert set(animals.part_names) <= parts
    assert len(parts) == 24 * 8
    assert len(animals.training_images) > 3000


@pytest.mark.medium
def test_its_predictions_are_probabilities_of_the_images_pixels(animals):
    given = animals.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-5)
    assert "preprocessing" in [layer.name for layer in animals.layers]


def test_its_figures_and_its_file_are_on_record():
    known = _shipped.manifest("mobilenet_v2", "animals")
    path = _shipped._FOLDER / known["file"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == known["sha256"]
    assert path.stat().st_size < 3.3 * 2**20
    assert 0.8 < known["figures"]["accuracy"] <= 1
    for name in ("licence", "recipe", "seed"):
        assert name in known
    assert _shipped.names("mobilenet_v2") == ["animals"]
    assert _shipped.names("mobilenet") == []


@pytest.mark.parametrize(
    "arguments", [{"classes": 3}, {"class_names": ["a", "b"]}, {"top_map": "block_12_add"}]
)
def test_arguments_that_the_weights_do_not_fit_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        zoo.mobilenet_v2_interpretable(weights="animals", **arguments)


def test_other_networks_have_no_such_weights():
    for name in ("mobilenet_v2", "squeezenet_interpretable"):
        with pytest.raises(ValueError, match="weights"):
            zoo.create_model(name, weights="animals", input_shape=(224, 224, 3))


def test_a_damaged_file_is_not_loaded(tmp_path, monkeypatch, animals):
    known = _shipped.manifest("mobilenet_v2", "animals")
    (tmp_path / known["file"]).write_bytes(b"damaged")
    (tmp_path / "mobilenet_v2_animals.json").write_text(json.dumps(known))
    monkeypatch.setattr(_shipped, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match="sha256"):
        _shipped.load(animals, "mobilenet_v2", "animals")


def test_half_precision_keeps_structure_and_values(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    model.save_weights(tmp_path / "full.weights.h5")
    _shipped.in_half_precision(tmp_path / "full.weights.h5", tmp_path / "half.weights.h5")
    before = [w.copy() for w in model.get_weights()]
    model.set_weights([np.zeros_like(w) for w in before])
    model.load_weights(tmp_path / "half.weights.h5")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old.astype("float16").astype("float32"))


@pytest.mark.medium
def test_explain_needs_no_model(tmp_path, capsys):
    path = tmp_path / "photo.png"
    Image.fromarray(IMAGES[0].astype("uint8")).save(path)
    assert cli.main(["explain", str(path), "--method", "gradient"]) == 0
    printed = capsys.readouterr().out
    assert "24 animals" in printed
    assert "probability" in printed

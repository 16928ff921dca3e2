"""Names of parts: what is accepted, where they are kept, and who speaks in them."""

import json
import zipfile

import keras
import numpy as np
import pytest
from small_parts import dataset, network

import keras_icnn as icnn
from keras_icnn import cli
from keras_icnn.models._name_parts import given_names, part_keys

KEYS = ["cat/0", "cat/1", "dog/0", "dog/1"]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.keras"
    model = network()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(dataset().batches(4), verbose=0)
    model.save(path)
    return path


def test_names_are_added_changed_and_taken_away(tmp_path):
    model = network()
    assert list(part_keys(model)) == KEYS
    assert icnn.name_parts(model, {"cat/0": " head "}) == {"cat/0": "head"}
    assert icnn.name_parts(model, {"cat/1": "tail", "cat/0": "nose"})["cat/0"] == "nose"
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"cat/0": "", "dog/1": "Pfote"}), encoding="utf-8")
    assert icnn.name_parts(model, path) == model.part_names == {"cat/1": "tail", "dog/1": "Pfote"}


@pytest.mark.parametrize("key", ["cat/2", "tiger/0", "cat", 0])
def test_an_unknown_part_is_an_error_that_names_those_there_are(key):
    model = network()
    with pytest.raises(ValueError, match="The model's parts are cat/0, cat/1, dog/0, dog/1"):
        icnn.name_parts(model, {"cat/0": "head", key: "tail"})
    assert model.part_names == {}


@pytest.mark.parametrize("name", [3, None, "two\nlines", "x" * 101])
def test_names_are_short_lines(name):
    with pytest.raises(ValueError, match="one line of at most 100 characters"):
        icnn.name_parts(network(), {"cat/0": name})


def test_other_arguments_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="a dict, or the path"):
        icnn.name_parts(network(), ["head"])
    with pytest.raises(ValueError, match="has none"):
        icnn.name_parts(network(filter_loss="one_part"), {"cat/0": "head"})
    bad = tmp_path / "bad.json"
    for text in ("{", '["cat/0"]'):
        bad.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"bad\.json' must"):
            icnn.name_parts(network(), bad)
    with pytest.raises(FileNotFoundError):
        icnn.name_parts(network(), tmp_path / "missing.json")


def test_names_older_than_those_of_the_classes_are_found():
    model = network(class_names=None)
    icnn.name_parts(model, {"class 1/0": "head"})
    layer = model.get_layer("parts")
    assert given_names(model, layer) == {(1, 0): "head"}
    model.class_names = ["none", "cat", "dog"]
    assert given_names(model, layer) == {(1, 0): "head"}
    assert given_names(model, model.layers[1]) == {}


def test_explanations_speak_in_the_names():
    model = network()
    icnn.name_parts(model, {"cat/1": "whiskers"})
    explanation = icnn.explain(model, dataset().image(0), target="cat")
    labels = {part.key: part.label for part in explanation.parts}
    assert labels["cat/1"] == "whiskers" and labels["cat/0"] == "cat/0"
    assert "whiskers" in explanation.summary() and explanation.target_name == "cat"
    # The same of a view of the model.
    view = icnn.without_parts(model, ["whiskers"])
    assert icnn.explain(view, dataset().image(0)).prediction_name in model.class_names


@pytest.mark.medium
def test_the_command_lists_and_stores(saved, tmp_path, capsys):
    assert cli.main(["name", str(saved)]) == cli.DONE
    told = capsys.readouterr().out
    assert all(key in told for key in KEYS) and "0 of 4 parts have a name" in told
    names = tmp_path / "names.json"
    names.write_text('{"cat/0": "head"}', encoding="utf-8")
    before = keras.saving.load_model(saved)
    assert cli.main(["name", str(saved), str(names)]) == cli.DONE
    assert "1 of 4 parts have a name" in capsys.readouterr().out
    after = keras.saving.load_model(saved)
    assert after.part_names == {"cat/0": "head"} and before.part_names == {}
    for a, b in zip(before.get_weights(), after.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # What it needs to train on is there still, and what it was trained on.
    assert int(after.optimizer.iterations) == int(before.optimizer.iterations) > 0
    assert after.training_images.tolist() == before.training_images.tolist() != []
    assert zipfile.ZipFile(saved).testzip() is None


@pytest.mark.medium
def test_the_command_writes_another_file(saved, tmp_path):
    names, out = tmp_path / "names.json", tmp_path / "named.keras"
    names.write_text('{"dog/1": "ear"}', encoding="utf-8")
    before = saved.read_bytes()
    assert cli.main(["name", str(saved), str(names), "-o", str(out)]) == cli.DONE
    assert saved.read_bytes() == before
    assert keras.saving.load_model(out).part_names == {"dog/1": "ear"}


@pytest.mark.medium
def test_mistakes_leave_the_file_as_it_was(saved, tmp_path, capsys):
    before = saved.read_bytes()
    names = tmp_path / "names.json"
    names.write_text('{"pig/0": "ear"}', encoding="utf-8")
    for more, told in (
        ([str(names)], "The model's parts are cat/0"),
        ([str(tmp_path / "missing.json")], "missing.json"),
        ([str(names), "-o", "/no/such/folder/m.keras"], "/no/such/folder"),
        ([str(names), "-o", str(tmp_path / "m.h5")], ".keras file"),
        (["-o", str(tmp_path / "n.keras")], "needs a file of names"),
    ):
        assert cli.main(["name", str(saved), *more]) == cli.FAILED
        assert told in capsys.readouterr().err
    assert saved.read_bytes() == before


@pytest.mark.medium
@pytest.mark.tensorflow_only("networks are exported there")
def test_an_exported_network_tells_the_names(tmp_path):
    model = network()
    icnn.name_parts(model, {"cat/0": "head"})
    model.export(tmp_path / "v1.2", verbose=False)
    artifact = icnn.export.Artifact(tmp_path / "v1.2")
    answer = artifact(np.zeros((1, 16, 16, 3), "float32"))
    for f, (key, name) in enumerate(zip(artifact.part_keys, artifact.part_names, strict=True)):
        category = model.class_names[answer["target_categories"][0, f]]
        assert key == f"{category}/{answer['part'][0, f]}"
        assert name == ("head" if key == "cat/0" else key)


@pytest.mark.medium
@pytest.mark.tensorflow_only("networks are exported there")
def test_names_of_an_earlier_exported_network_do_not_stay(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = network()
    icnn.name_parts(model, {"cat/0": "head"})
    model.export(tmp_path / "m.tflite", "litert", verbose=False, endpoint="explain")
    artifact = icnn.export.Artifact(tmp_path / "m.tflite")
    assert "cat/0" in artifact.part_keys
    assert artifact.part_names == ["head" if k == "cat/0" else k for k in artifact.part_keys]
    plain = network(filter_loss="one_part")
    plain.export(tmp_path / "m.tflite", "litert", verbose=False, endpoint="explain")
    assert icnn.export.Artifact(tmp_path / "m.tflite").part_names is None

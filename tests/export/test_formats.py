"""Artifacts of every format, and the comparison that tells good ones from others."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from small_networks import network, pictures

import keras_icnn as icnn
from keras_icnn import cli
from keras_icnn.export import Artifact, ExportError, _verify, _write, verify
from keras_icnn.export._endpoints import Explain
from keras_icnn.export._reference import Reference

PATHS = {
    "tf_saved_model": "saved",
    "onnx": "m.onnx",
    "litert": "m.tflite",
    "openvino": "m.xml",
}
RUNTIMES = {
    "tf_saved_model": ["tensorflow"],
    "onnx": ["tf2onnx", "onnxruntime"],
    "litert": ["ai_edge_litert"],
    "openvino": ["openvino"],
}
exports = pytest.mark.tensorflow_only("networks are exported there")
# tf2onnx asks NumPy for a name it no longer has, when it is imported; not ours to answer for.
pytestmark = pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "saved"
    trained.export(path, verbose=False)
    return path


@pytest.mark.medium
@exports
@pytest.mark.parametrize("format", PATHS)
def test_every_format_answers_as_keras_does(format, trained, tmp_path):
    for module in RUNTIMES[format]:
        pytest.importorskip(module, reason="needs the extra 'export'")
    path = tmp_path / "new folder" / PATHS[format]
    trained.export(path, format=format, verbose=False, endpoint=None)
    result = verify(trained, path, images=pictures())
    assert result.endpoints == (("serve", "explain") if format == "tf_saved_model" else ("serve",))
    assert result.largest < 1e-5
    if format != "tf_saved_model":
        trained.export(path, format=format, verbose=False, endpoint="explain", top_filters=3)
        result = verify(trained, path, images=pictures())
        assert result.endpoints == ("explain",) and result.largest < 1e-5
        assert Artifact(path)(pictures())["top_filters"].shape == (8, 3)
    # Filter 2 never fires; on constant pictures the others fire equally in many places.
    assert result.images == 21 and result.maps == 21 * 6
    assert result.zero_maps >= 21 and result.tied_maps > 10
    assert "tied" not in result.summary() and f"{result.zero_maps} without" in result.summary()
    beside = {p.name for p in path.parent.iterdir()}
    more = {"openvino": ["m.bin", "m.parts.json"], "tf_saved_model": []}
    assert beside == {path.name, *more.get(format, ["m.parts.json"])}


@pytest.mark.medium
@exports
@pytest.mark.parametrize("format", PATHS)
def test_outputs_that_are_the_same_everywhere_stay_two(format, tmp_path):
    """A layer that knows neither categories nor parts answers -1 to both."""
    for module in RUNTIMES[format]:
        pytest.importorskip(module, reason="needs the extra 'export'")
    model, path = network(filter_loss="one_part"), tmp_path / PATHS[format]
    endpoint = None if format == "tf_saved_model" else "explain"
    model.export(path, format=format, verbose=False, endpoint=endpoint)
    assert verify(model, path).largest < 1e-5
    answer = Artifact(path)(pictures(), "explain")
    for name in ("target_categories", "part"):
        assert answer[name].shape == (8, 6) and (answer[name] == -1).all()


@pytest.mark.medium
@exports
def test_signatures_are_what_a_server_reads(saved):
    """What saved_model_cli prints: tag, method, names, types, an open batch."""
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.protobuf import saved_model_pb2

    parsed = saved_model_pb2.SavedModel()
    parsed.ParseFromString((saved / "saved_model.pb").read_bytes())
    (graph,) = parsed.meta_graphs
    assert list(graph.meta_info_def.tags) == ["serve"]
    signatures = graph.signature_def
    for name in ("serve", "explain", "serving_default"):
        assert signatures[name].method_name == "tensorflow/serving/predict"
        assert list(signatures[name].inputs) == ["images"]
        given = signatures[name].inputs["images"]
        assert given.dtype == types_pb2.DT_FLOAT
        assert [d.size for d in given.tensor_shape.dim] == [-1, 24, 24, 3]
    assert list(signatures["serve"].outputs) == ["output_0"]
    found = {
        key: (value.dtype, [d.size for d in value.tensor_shape.dim])
        for key, value in signatures["explain"].outputs.items()
    }
    real, whole = types_pb2.DT_FLOAT, types_pb2.DT_INT32
    assert found == {
        "predictions": (real, [-1, 3]),
        "peaks": (real, [-1, 6, 2]),
        "strengths": (real, [-1, 6]),
        "target_categories": (whole, [-1, 6]),
        "part": (whole, [-1, 6]),
        "top_filters": (whole, [-1, 6]),
        "top_effects": (real, [-1, 6]),
    }


@exports
def test_keras_reads_it_back(trained, saved):
    layer = keras.layers.TFSMLayer(str(saved), call_endpoint="serve")
    np.testing.assert_allclose(layer(pictures()), trained(pictures()), atol=1e-6)


@pytest.mark.medium
@exports
def test_preprocessing_and_bytes_inside(trained, tmp_path):
    signature = [keras.InputSpec(shape=(None, 24, 24, 3), dtype="uint8")]
    trained.export(
        tmp_path / "saved",
        verbose=False,
        input_signature=signature,
        preprocessing="mobilenet_v2",
    )
    result = verify(trained, tmp_path / "saved", preprocessing="mobilenet_v2")
    artifact = Artifact(tmp_path / "saved")
    assert artifact.input_dtype == "uint8" and result.largest < 1e-5
    pixels = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3)).astype("uint8")
    expected = trained(icnn.zoo.preprocess_input("mobilenet_v2", pixels))
    np.testing.assert_allclose(artifact(pixels, "serve")["predictions"], expected, atol=1e-5)
    with pytest.raises(ExportError, match="differs from the network"):
        verify(trained, tmp_path / "saved")


@pytest.mark.medium
@exports
def test_batches_of_one_size_are_compared_in_them(trained, tmp_path):
    signature = [keras.InputSpec(shape=(4, 24, 24, 3), dtype="float32")]
    trained.export(tmp_path / "saved", verbose=False, input_signature=signature)
    result = verify(trained, tmp_path / "saved")
    assert result.images == 13 and result.largest < 1e-5
    assert Artifact(tmp_path / "saved").input_shape[0] == 4


@exports
def test_pictures_of_any_size(tmp_path):
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 5, activation="relu")(inputs)
    x = keras.layers.MaxPooling2D(4)(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    icnn.export.export_model(model, tmp_path / "saved", verbose=False, endpoint="serve")
    assert verify(model, tmp_path / "saved").largest < 1e-5


@pytest.mark.medium
@exports
def test_what_was_there_comes_back_when_the_new_one_cannot_be_put_there(
    trained, tmp_path, monkeypatch
):
    path = tmp_path / "saved"
    path.mkdir()
    (path / "saved_model.pb").write_text("old")
    replace = _write.Path.replace

    def fails(self, target):
        if self.name == "saved" and self.parent != tmp_path:
            raise OSError("no")
        return replace(self, target)

    monkeypatch.setattr(_write.Path, "replace", fails)
    with pytest.raises(OSError, match="no"):
        trained.export(path, verbose=False)
    assert (path / "saved_model.pb").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]


@exports
def test_an_ordinary_network_can_be_written_too(tmp_path):
    inputs = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
    icnn.export.export_model(model, tmp_path / "saved", verbose=False)
    assert verify(model, tmp_path / "saved").endpoints == ("serve", "explain")


@exports
def test_another_network_is_not_taken_for_this_one(trained, saved):
    other = network()
    with pytest.raises(ExportError, match=r"'saved' \(tf_saved_model\) differs.*`serve`"):
        verify(other, saved)


class Wrong:
    """An artifact that answers as the network does, but for what `change` does to the answer."""

    format, endpoints, input_shape, input_dtype = "onnx", ("explain",), (None, 24, 24, 3), "float32"

    def __init__(self, model, change, units=None):
        self.reference, self.change, self.units = Explain(model), change, units

    def __call__(self, images, endpoint=None):
        answer = {k: np.array(v) for k, v in self.reference(images).items()}
        return self.change(answer)


def put(name, where, value):
    def change(answer):
        answer[name][where] = value
        return answer

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda answer: answer, None),
        (put("predictions", (0, 0), 0.123), "`predictions` of image 0 is off by"),
        (put("predictions", (0, 0), np.nan), "`predictions`.*off by nan"),
        (put("strengths", (3, 1), 99.0), "`strengths` of image 3"),
        # The map of filter 2 is empty: its peak is the first unit, and no other.
        (put("peaks", (0, 2), 15.0), "filter 2, at .15.0, 15.0. instead of .1.0, 1.0."),
        (put("peaks", (0, 0), 0.7), "not centers of units"),
        (put("peaks", (0, 0), np.nan), "not centers of units"),
        (put("target_categories", (0, 0), 7), "`target_categories` holds other numbers"),
        (put("part", (0, 5), 7), "`part` holds other numbers"),
        (put("top_filters", (0, 0), 6), "k different filters"),
        (put("top_filters", (0, slice(None)), 1), "k different filters"),
        (put("top_effects", (0, 0), 50.0), "`top_effects`"),
        (lambda answer: {k: v for k, v in answer.items() if k != "peaks"}, "no output `peaks`"),
        (lambda answer: {**answer, "peaks": answer["peaks"][:, :3]}, "has shape"),
    ],
)
def test_every_kind_of_difference_is_found(change, told, trained, monkeypatch):
    monkeypatch.setattr(_verify, "Artifact", lambda path, format: Wrong(trained, change))
    if told is None:
        assert verify(trained, "m.onnx").largest < 1e-6
        return
    with pytest.raises(ExportError, match=told):
        verify(trained, "m.onnx")


def test_a_near_tie_may_fall_either_way_and_its_consequences_are_compared(trained, monkeypatch):
    """On pictures of one color many units are equally strong, and rounding decides."""
    reference = Reference(trained)

    class OtherTie(Wrong):
        def __call__(self, images, endpoint=None):
            raw = reference.unmasked(images)
            raw = raw.reshape(len(raw), -1, raw.shape[-1])
            # The last of the equally strong units instead of the first.
            units = raw.shape[1] - 1 - raw[:, ::-1].argmax(axis=1)
            units = np.where(raw.max(axis=1) > 0, units, 0)
            answer = reference.answers_at(images, units)[0]
            field = np.stack([units % 12, units // 12], axis=-1) * 2 + 1
            return self.change({**answer, "peaks": field.astype("float32")})

    monkeypatch.setattr(_verify, "Artifact", lambda p, f: OtherTie(trained, lambda a: a))
    result = verify(trained, "m.onnx")
    assert result.near_ties > 5 and "near ties" in result.summary()
    assert result.largest < 1e-5
    # What it says follows from the other unit, and a network that says otherwise is found.
    was = reference.answers(_verify._probes(trained, Wrong, None))[0]
    told = lambda a: {**a, "predictions": was["predictions"][: len(a["predictions"])]}  # noqa: E731
    monkeypatch.setattr(_verify, "Artifact", lambda p, f: OtherTie(trained, told))
    with pytest.raises(ExportError, match="`predictions`"):
        verify(trained, "m.onnx", tolerance=1e-5)


@exports
def test_a_network_that_diverged_is_not_compared(tmp_path):
    model = network()
    model.export(tmp_path / "saved", verbose=False)
    kernel = model.layers[-1].kernel
    kernel.assign(np.full(kernel.shape, np.nan, "float32"))
    with pytest.raises(ValueError, match="network itself gives NaN"):
        verify(model, tmp_path / "saved")


@exports
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"format": "caffe"}, "`format` must be one of.*'caffe'"),
        ({"format": "onnx"}, "needs a path ending in '.onnx'"),
        ({"endpoint": "x"}, "`endpoint` must be"),
        ({"layer": "x"}, "`layer` must be"),
        ({"preprocessing": "lenet"}, "`preprocessing` must be.*'lenet'"),
        (
            {"input_signature": [keras.InputSpec(shape=(None, 3), dtype="float32")]},
            "`input_signature`",
        ),
    ],
)
def test_wrong_arguments(arguments, told, trained, tmp_path):
    with pytest.raises(ValueError, match=told):
        trained.export(tmp_path / "x", verbose=False, **arguments)
    assert list(tmp_path.iterdir()) == []


@exports
def test_a_folder_of_something_else_is_kept(trained, tmp_path):
    (tmp_path / "photo.jpg").write_text("mine")
    with pytest.raises(ValueError, match="is not a SavedModel"):
        trained.export(tmp_path, verbose=False)
    assert (tmp_path / "photo.jpg").read_text() == "mine"


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        Artifact(tmp_path / "none.onnx")
    (tmp_path / "m.zip").write_text("x")
    with pytest.raises(ValueError, match="`path` must be a folder"):
        Artifact(tmp_path / "m.zip")
    (tmp_path / "m.tflite").write_text("x")
    with pytest.raises(ValueError, match="not 'onnx'"):
        Artifact(tmp_path / "m.tflite", "onnx")
    pytest.importorskip("ai_edge_litert", reason="needs the extra 'export'")
    with pytest.raises(ValueError, match="cannot be loaded as 'litert'"):
        Artifact(tmp_path / "m.tflite")


@exports
def test_a_missing_extra_is_named(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r'pip install "keras-icnn\[export\]"'):
        trained.export(tmp_path / "m.onnx", format="onnx", verbose=False)


@pytest.fixture
def stored(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


@pytest.mark.medium
@exports
def test_command(stored, tmp_path, capsys):
    assert cli.main(["export", str(stored), "--top", "2"]) == cli.DONE
    out = capsys.readouterr().out
    assert "end points: serve, explain" in out and "explain.top_effects" in out
    assert Artifact(tmp_path / "m")(pictures())["top_filters"].shape == (8, 2)


@exports
def test_command_keeps_what_was_there_when_the_new_one_differs(
    stored, tmp_path, monkeypatch, capsys
):
    (tmp_path / "m" / "variables").mkdir(parents=True)
    (tmp_path / "m" / "saved_model.pb").write_text("old")
    monkeypatch.setattr(Artifact, "__call__", lambda self, x, endpoint=None: {"predictions": x})
    assert cli.main(["export", str(stored)]) == cli.FAILED
    captured = capsys.readouterr()
    assert "differs from the network" in captured.err and "Saved" not in captured.out
    assert (tmp_path / "m" / "saved_model.pb").read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"m", "m.keras"}


def test_command_told_wrongly(tmp_path, capsys):
    assert cli.main(["export", str(tmp_path / "no.keras")]) == cli.FAILED
    assert "no.keras" in capsys.readouterr().err
    with pytest.raises(SystemExit) as exit:
        cli.main(["export", "m.keras", "--format", "caffe"])
    assert exit.value.code == cli.WRONG_USE


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="needs another backend")
def test_other_backends_say_how_and_tensorflow_answers_as_they_do(stored, trained, tmp_path):
    with pytest.raises(ValueError, match="in a process with KERAS_BACKEND=tensorflow"):
        trained.export(tmp_path / "m", verbose=False)
    assert {p.name for p in tmp_path.iterdir()} == {"m.keras"}
    code = "import sys; from keras_icnn.cli import main; sys.exit(main(['export', 'm.keras']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert verify(trained, tmp_path / "m", images=pictures()).largest < 1e-5

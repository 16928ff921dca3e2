"""The layer outside of Keras: what its operations become in each exchange format."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_icnn as icnn

pytestmark = pytest.mark.tensorflow_only("networks are exported there")

SERVE = """
import sys
import numpy as np, tensorflow as tf
x = np.load(sys.argv[2])
module = tf.saved_model.load(sys.argv[1])
served = module.serve(x)
assert "keras_icnn" not in sys.modules
np.save(sys.argv[3], np.asarray(served))
"""


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    x = icnn.InterpretableConv(5, 3, padding="same", num_classes=3, normalization="batch")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    model = icnn.InterpretableModel(inputs, outputs)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(pictures(), np.arange(8) % 3, verbose=0)
    return model


def pictures():
    """Ordinary ones, one whose maps have ties, and one whose maps are all the same."""
    x = np.random.default_rng(0).normal(size=(8, 12, 12, 3)).astype("float32")
    x[6] = np.tile(x[6, :4, :4], (3, 3, 1))
    x[7] = 0
    return x


@pytest.mark.medium
def test_saved_model_serves_without_the_package(model, tmp_path):
    model.export(tmp_path / "saved", verbose=False)
    np.save(tmp_path / "x.npy", pictures())
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", SERVE, "saved", "x.npy", "y.npy"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    expected = model.predict(pictures(), verbose=0)
    assert np.load(tmp_path / "y.npy") == pytest.approx(expected, abs=1e-5)


@pytest.mark.medium
# tf2onnx asks NumPy for a name it no longer has.
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")
def test_onnx_finds_the_same_peaks(model, tmp_path):
    pytest.importorskip("tf2onnx", reason="needs the extra 'export'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'export'")
    model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    found = session.run(None, {session.get_inputs()[0].name: pictures()})[0]
    assert found == pytest.approx(model.predict(pictures(), verbose=0), abs=1e-4)


@pytest.mark.medium
def test_litert_finds_the_same_peaks(model, tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="needs the extra 'export'")
    model.export(tmp_path / "m.tflite", format="litert", verbose=False)
    interpreter = litert.Interpreter(str(tmp_path / "m.tflite"))
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, pictures().shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, pictures())
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert found == pytest.approx(model.predict(pictures(), verbose=0), abs=1e-4)

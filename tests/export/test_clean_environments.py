"""Artifacts where only their runtime is installed: no keras_icnn, no Keras, no TensorFlow.

TensorFlow depends on Keras, which is left out there too.
"""

import environments
import numpy as np
import pytest
from small_networks import pictures

from keras_icnn.export import Artifact, verify

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow_only("networks are exported there"),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

# What a user writes there, with nothing but the runtime and NumPy.
HEAD = """
import importlib.util, sys
import numpy as np
for name in {absent}:
    assert importlib.util.find_spec(name) is None, name
path, x = sys.argv[1], np.load("x.npy")
"""
TENSORFLOW = """
import tensorflow as tf
module = tf.saved_model.load(path)
answer = {k: v.numpy() for k, v in module.explain(x).items()}
np.testing.assert_allclose(module.serve(x).numpy(), answer["predictions"], atol=1e-6)
one = module.serve(x[:1]).numpy()
"""
ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
answer = dict(zip(names, session.run(None, {"images": x})))
one = session.run(["predictions"], {"images": x[:1]})[0]
"""
LITERT = """
from ai_edge_litert.interpreter import Interpreter
runner = Interpreter(path).get_signature_runner()
answer = {k: v.copy() for k, v in runner(images=x).items()}
one = runner(images=x[:1])["predictions"]
"""
OPENVINO = """
import openvino
settings = {"INFERENCE_PRECISION_HINT": "f32"}
compiled = openvino.Core().compile_model(path, "CPU", settings)
names = "predictions peaks strengths target_categories part top_filters top_effects".split()
found = compiled({"images": x})
answer = {name: found[compiled.output(name)].copy() for name in names}
one = compiled({"images": x[:1]})[compiled.output("predictions")]
"""
TAIL = """
np.testing.assert_allclose(one, answer["predictions"][:1], atol=1e-5)
np.savez("answer.npz", **answer)
"""
CASES = {
    "tf_saved_model": (
        "saved",
        TENSORFLOW,
        ["tensorflow>=2.21"],
        ["keras_icnn", "keras", "onnxruntime"],
    ),
    "onnx": ("m.onnx", ONNX, ["onnxruntime>=1.20"], ["keras_icnn", "keras", "tensorflow"]),
    "litert": ("m.tflite", LITERT, ["ai-edge-litert>=2"], ["keras_icnn", "keras", "tensorflow"]),
    "openvino": ("m.xml", OPENVINO, ["openvino>=2025.1"], ["keras_icnn", "keras", "tensorflow"]),
}


@pytest.mark.parametrize("format", CASES)
def test_runs_where_only_its_runtime_is_installed(format, trained, tmp_path):
    name, script, requirements, absent = CASES[format]
    if format == "onnx":
        pytest.importorskip("tf2onnx", reason="needs the extra 'export'")
    elif format == "openvino":
        pytest.importorskip("openvino", reason="needs the extra 'export'")
    work = tmp_path / "work"
    trained.export(work / name, format=format, verbose=False, endpoint=_endpoint(format))
    np.save(work / "x.npy", pictures())
    (work / "run.py").write_text(HEAD.format(absent=absent) + script + TAIL, encoding="utf-8")
    interpreter = environments.link(tmp_path, format, *requirements, without=["keras"])
    environments.run(interpreter, "run.py", name, folder=work)
    with np.load(work / "answer.npz") as stored:
        answer = dict(stored)
    # Here the artifact is compared with Keras, and there with what it said here.
    assert verify(trained, work / name, images=pictures()).largest < 1e-5
    here = Artifact(work / name)(pictures())
    assert set(answer) == set(here)
    for key, value in here.items():
        np.testing.assert_allclose(answer[key], value, rtol=1e-4, atol=1e-5, err_msg=key)


def _endpoint(format):
    return None if format == "tf_saved_model" else "explain"

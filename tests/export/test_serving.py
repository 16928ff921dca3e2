"""A real server and a real client: MLServer on the ONNX artifact, tritonclient, on loopback."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import environments
import numpy as np
import pytest
from small_networks import pictures

from keras_icnn.export import Artifact

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "serving"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow_only("networks are exported there"),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

ASK = """
import json, sys
import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

x = np.load("x.npy")
client = grpc.InferenceServerClient(sys.argv[1])
about = client.get_model_metadata("parts", as_json=True)
inputs = [(t["name"], t["datatype"], [int(n) for n in t["shape"]]) for t in about["inputs"]]
outputs = sorted(t["name"] for t in about["outputs"])

def ask(images, name="images", model="parts"):
    given = grpc.InferInput(name, list(images.shape), "FP32")
    given.set_data_from_numpy(images)
    return client.infer(model, [given]).as_numpy("predictions")

refused = []
for wrong in (dict(images=x[:, :5]), dict(images=x, name="x"), dict(images=x, model="none")):
    try:
        ask(**wrong)
    except InferenceServerException as error:
        refused.append(str(error))
rest = http.InferenceServerClient(sys.argv[2])
print(json.dumps({
    "inputs": inputs, "outputs": outputs, "refused": len(refused),
    "ready": rest.is_model_ready("parts"), "after": ask(x).tolist(),
}))
"""


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until_ready(process, port, log):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended:\n{log.read_text()[-3000:]}"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(
                    b"GET /v2/models/parts/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                )
                if b" 200 " in connection.recv(200):
                    return
        except OSError:
            pass
        time.sleep(0.5)
    pytest.fail(f"the server did not get ready:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def server(trained, tmp_path_factory):
    pytest.importorskip("tf2onnx", reason="needs the extra 'export'")
    root = tmp_path_factory.mktemp("serving")
    interpreter = environments.make(root, "mlserver", "-r", EXAMPLES / "requirements.txt")
    folder = root / "parts"
    trained.export(folder / "parts.onnx", format="onnx", endpoint="explain", verbose=False)
    for name in ("onnx_runtime.py", "model-settings.json"):
        (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    http, grpc, metrics = free_ports(3)
    settings = json.loads((EXAMPLES / "settings.json").read_text(encoding="utf-8"))
    settings |= {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    np.save(folder / "x.npy", pictures())
    np.savez(folder / "expected.npz", **Artifact(folder / "parts.onnx")(pictures()))
    log = root / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(interpreter.parent / "mlserver"), "start", "."],
            cwd=folder,
            env=environments.clean(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(process, http, log)
            yield interpreter, folder, f"127.0.0.1:{grpc}", f"127.0.0.1:{http}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_the_protocol(server, trained):
    interpreter, folder, grpc, http = server
    (folder / "ask.py").write_text(ASK, encoding="utf-8")
    told = json.loads(environments.run(interpreter, "ask.py", grpc, http, folder=folder))
    assert told["inputs"] == [["images", "FP32", [-1, 24, 24, 3]]]
    assert told["outputs"] == [
        "part",
        "peaks",
        "predictions",
        "strengths",
        "target_categories",
        "top_effects",
        "top_filters",
    ]
    # Wrong requests are refused, and the server goes on answering.
    assert told["refused"] == 3 and told["ready"]
    np.testing.assert_allclose(told["after"], trained(pictures()), atol=1e-5)


@pytest.mark.parametrize(("protocol", "requests"), [("grpc", 400), ("http", 100)])
def test_under_load_no_request_is_lost(server, protocol, requests):
    interpreter, folder, grpc, http = server
    out = environments.run(
        interpreter,
        EXAMPLES / "load_test.py",
        *("x.npy", "expected.npz", "--protocol", protocol),
        *("--url", grpc if protocol == "grpc" else http),
        *("--requests", requests, "--clients", 4, "--batch", 2),
        folder=folder,
    )
    report = json.loads(out.splitlines()[-1])
    print(report)
    assert (report["right"], report["wrong"], report["lost"]) == (requests, 0, 0)
    assert report["images_a_second"] > 0
    assert report["latency_ms"]["median"] <= report["latency_ms"]["p99"]

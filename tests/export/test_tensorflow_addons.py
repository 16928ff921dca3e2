"""The bridge to tensorflow-addons: its environment trains a head on an exported network."""

import json
from pathlib import Path

import environments
import numpy as np
import pytest
from small_networks import pictures

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tensorflow_addons"


@pytest.mark.slow
@pytest.mark.tensorflow_only("networks are exported there")
def test_a_head_is_trained_on_the_saved_model(trained, tmp_path):
    interpreter = environments.make(
        tmp_path,
        "tensorflow_addons",
        *("-r", EXAMPLE / "requirements.txt"),
        python=environments.python_3_11(),
    )
    work = tmp_path / "work"
    trained.export(work / "saved", verbose=False)
    # Two kinds that the filters' strengths tell apart: faint pictures and strong ones.
    images = pictures(64, seed=3)[:60]
    labels = np.arange(60) % 2
    images *= np.where(labels, 2.0, 0.3).reshape(-1, 1, 1, 1).astype("float32")
    np.savez(work / "data.npz", images=images, labels=labels)
    out = environments.run(
        interpreter, EXAMPLE / "train_head.py", "saved", "data.npz", "--epochs", 100, folder=work
    )
    told = json.loads(out.splitlines()[-1])
    assert told["tensorflow"] == "2.15.1" and told["tensorflow_addons"] == "0.23.0"
    assert told["loss"][1] < 0.5 * told["loss"][0]
    assert told["matthews"][1] > 0.8
    # They flow into the head, the network's own weights, and on to the images.
    assert set(told["gradients"]) == {"head", "network", "images"}
    assert all(np.isfinite(size) and size > 1e-6 for size in told["gradients"].values()), told


def test_it_is_no_extra():
    """Its metadata pins no TensorFlow: beside Keras 3 it would install, and fail on import."""
    import tomllib

    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    assert not [
        requirement for wanted in lists for requirement in wanted if "addons" in requirement
    ]

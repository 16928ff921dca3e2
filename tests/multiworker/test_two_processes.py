"""Two real processes train as one device does, also after one of them was killed.

They run the examples' own scripts, over the loopback interface.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples" / "distributed"
EPOCHS = 5
# Long enough for a busy machine; an idle one needs a tenth.
TIMEOUT = 600
# 52 pictures: the last batch is not complete. Two interpretable layers, of different rules.
SIZES = {"--pictures": 52, "--size": 32, "--batch": 16, "--epochs": EPOCHS, "--filters": 8}
OPTIONS = [str(word) for pair in SIZES.items() for word in pair]
OPTIONS += ["--rules", "default", "official"]
ENGINES = ("jax", "tensorflow")


def environment(engine):
    known = {"XLA_FLAGS", "TF_CONFIG"}
    kept = {k: v for k, v in os.environ.items() if k not in known}
    return kept | {
        "KERAS_BACKEND": engine,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }


def launch(engine, out, restarts=0):
    script = [sys.executable, EXAMPLES / f"train_{engine}.py", "--out", out, *OPTIONS]
    start = [sys.executable, EXAMPLES / "launch.py", "--processes", "2", "--restarts", restarts]
    return subprocess.Popen(
        list(map(str, [*start, "--", *script])),
        env=environment(engine),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def result(out):
    """The variables and the logs that a run ended with."""
    with np.load(out / "backup.npz") as archive:
        about = json.loads(str(archive["about"]))
        assert about["epochs"] == EPOCHS
        return [archive[f"v{k}"] for k in range(about["variables"])], about["logs"]


def assert_same(one, other, tolerance):
    for k, (a, b) in enumerate(zip(one[0], other[0], strict=True)):
        a, b = a.astype("float64"), b.astype("float64")
        # Not yet known values of the state are infinite, on both sides.
        finite = np.isfinite(a)
        assert np.array_equal(finite, np.isfinite(b))
        error = np.abs(a - b)[finite].max(initial=0.0)
        assert error <= tolerance * max(1.0, np.abs(a[finite]).max(initial=0.0)), (k, a.shape)
    for mine, theirs in zip(one[1], other[1], strict=True):
        assert mine.keys() == theirs.keys() >= {"loss", "filter_loss"}
        for name in mine:
            assert theirs[name] == pytest.approx(mine[name], rel=1e-4, abs=1e-6), name


@pytest.fixture(scope="module", params=ENGINES)
def trained(request, tmp_path_factory):
    """An engine, and what one device and two processes ended with."""
    engine = request.param
    folder = tmp_path_factory.mktemp(engine)
    one = subprocess.run(
        [sys.executable, HERE / "one_device.py", "--out", folder / "one", *OPTIONS],
        env=environment(engine),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert one.returncode == 0, one.stderr[-3000:]
    process = launch(engine, folder / "two")
    printed = process.communicate(timeout=TIMEOUT)[0]
    assert process.returncode == 0, printed[-3000:]
    assert (folder / "two" / "model.keras").exists()
    return engine, result(folder / "one"), result(folder / "two")


@pytest.mark.slow
def test_two_processes_train_as_one_device(trained):
    _, one, two = trained
    assert_same(one, two, 1e-5)


@pytest.mark.slow
def test_a_killed_process_changes_nothing(trained, tmp_path):
    engine, _, undisturbed = trained
    process = launch(engine, tmp_path, restarts=1)
    pids, printed = {}, []
    while len(pids) < 2:
        line = process.stdout.readline()
        assert line, "".join(printed)
        printed.append(line)
        if " has pid " in line:
            pids[int(line.split()[2])] = int(line.split()[-1])
    until = time.monotonic() + TIMEOUT
    while not (tmp_path / "backup.npz").exists():
        assert time.monotonic() < until and process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    os.kill(pids[1], signal.SIGKILL)
    printed.append(process.communicate(timeout=TIMEOUT)[0])
    printed = "".join(printed)
    assert process.returncode == 0, printed[-3000:]
    assert "launch: all begin again, 1 of 1" in printed
    # The second start went on from what the first one saved.
    assert printed.count(f"Epoch 1/{EPOCHS}") == 1
    assert printed.count(f"Epoch {EPOCHS}/{EPOCHS}") == 1
    assert_same(undisturbed, result(tmp_path), 1e-6)

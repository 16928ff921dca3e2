"""Full disks, Ctrl-C, and processes that are killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import pytest

FOLDER = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="goes by Linux's signals, limits and /proc"
)
ENVIRONMENT = {
    **os.environ,
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": os.pathsep.join([str(FOLDER.parents[1]), *sys.path]),
}


@pytest.mark.medium
def test_a_full_disk_is_told_and_the_file_before_is_kept(tmp_path):
    result = subprocess.run(
        [sys.executable, FOLDER / "full_disk.py", tmp_path, "50000"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(found) == 6
    for case in found:
        assert case["told"].startswith("OSError: "), case
        assert str(tmp_path) in case["told"] and "Free some space" in case["told"], case
        assert case["same"], case
        assert case["left"] == [], case


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fit", "train"])
def test_killed_training_ends_as_one_that_was_left_alone(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    result = kills.experiment(kind, 2, tmp_path / kind, random.Random(1), fork=False)
    assert result["kills"] == 2
    assert result["same"] == result["runs"] >= 1


@pytest.mark.slow
def test_an_interrupted_run_stops_cleanly_and_goes_on(tmp_path):
    kills.pictures(tmp_path)
    out = tmp_path / "out"
    # Shells have what they start in the background ignore Ctrl-C; so would its children.
    main = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from keras_icnn.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", main, "train", "kills.toml", "--out", "out"]
    first = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    # In the middle of the first network: its first epoch is saved.
    while not list(out.glob("backups/[!.]*.npz")) and first.poll() is None:
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=300)
    assert first.returncode == 130, told[-2000:]
    last = told.decode().strip().splitlines()[-1]
    assert last.startswith("keras-icnn: stopped. Run the same command again to resume")
    assert not list(out.rglob("*.tmp*"))
    kills.check_files(out)
    second = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=600
    )
    assert second.returncode == 0, second.stderr[-2000:]
    again = [*command[:-1], "undisturbed"]
    subprocess.run(
        again, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=600, check=True
    )
    assert kills.same(kills.outcome(out), kills.outcome(tmp_path / "undisturbed"))

"""The launcher of the examples: it tells processes who they are, and starts all of them again."""

import json
import subprocess
import sys
from pathlib import Path

LAUNCH = Path(__file__).resolve().parents[2] / "examples" / "distributed" / "launch.py"


def launch(tmp_path, script, *options):
    command = [sys.executable, LAUNCH, *options, "--", sys.executable, "-c", script, tmp_path]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)


WHO = """
import json, os, pathlib, sys
task = json.loads(os.environ["TF_CONFIG"])
assert task["task"]["index"] == int(os.environ["KERAS_DISTRIBUTION_PROCESS_ID"])
addresses = os.environ["KERAS_DISTRIBUTION_JOB_ADDRESSES"].split(",")
assert task["cluster"] == {"worker": addresses}
assert len(addresses) == int(os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"])
index = task["task"]["index"]
(pathlib.Path(sys.argv[1]) / str(index)).write_text(json.dumps(addresses))
"""


def test_processes_know_each_other(tmp_path):
    done = launch(tmp_path, WHO, "--processes", 2)
    assert done.returncode == 0, done.stderr
    found = [json.loads((tmp_path / str(k)).read_text()) for k in range(2)]
    assert found[0] == found[1]
    assert len(set(found[0])) == 2


def test_one_process_of_several_machines(tmp_path):
    addresses = ["10.0.0.1:2222", "10.0.0.2:2222"]
    done = launch(tmp_path, WHO, "--addresses", ",".join(addresses), "--index", 1)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "1").read_text()) == addresses
    assert not (tmp_path / "0").exists()


# The first start of process 1 kills itself; process 0 waits for it, and would do so for good.
ONE_DIES = """
import os, pathlib, signal, sys, time
folder, index = pathlib.Path(sys.argv[1]), os.environ["KERAS_DISTRIBUTION_PROCESS_ID"]
starts = len(list(folder.glob(index + "_*")))
(folder / f"{index}_{starts}").touch()
if index == "1" and starts < 1:
    while not (folder / "0_0").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
if index == "0" and starts < 1:
    time.sleep(1000)
"""


def test_all_begin_again_when_one_dies(tmp_path):
    done = launch(tmp_path, ONE_DIES, "--processes", 2, "--restarts", 2)
    assert done.returncode == 0, done.stderr
    assert "process 1 ended with code -9" in done.stdout
    assert "all begin again, 1 of 2" in done.stdout and "2 of 2" not in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0_0", "0_1", "1_0", "1_1"]


def test_it_gives_up_and_says_why(tmp_path):
    done = launch(tmp_path, "raise SystemExit(7)", "--processes", 1, "--restarts", 1)
    assert done.returncode == 7
    assert done.stdout.count("process 0 ended with code 7") == 2
    done = launch(tmp_path, "import os; os.kill(os.getpid(), 9)", "--processes", 1, "--restarts", 0)
    assert done.returncode == 137


def test_mistakes_are_named(tmp_path):
    done = launch(tmp_path, "", "--processes", 0)
    assert done.returncode == 2 and "--processes must be at least 1. Received: 0" in done.stderr
    done = launch(tmp_path, "", "--addresses", "a:1,b:1")
    assert done.returncode == 2 and "--index must be in 0 .. 1. Received: None" in done.stderr

"""What readers do with hostile and damaged files, each in a process of its own that may break."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def run(script, *arguments, where):
    result = subprocess.run(
        [sys.executable, FOLDER / script, *arguments],
        capture_output=True,
        text=True,
        cwd=where,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=600,
    )
    # A signal here is a reader that took the process along.
    assert result.returncode == 0, f"{result.returncode}: {result.stderr[-3000:]}"
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.medium
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits its memory by Linux's /proc"
)
def test_hostile_files_are_refused(tmp_path):
    import hostile

    found = run("hostile.py", where=tmp_path)
    assert [case["name"] for case in found] == list(hostile.CASES)
    for case in found:
        kind, _, message = case["told"].partition(": ")
        if "members that lead out" in case["name"]:
            assert kind == "opened", case  # they are passed over
        else:
            assert kind in ("ValueError", "RecipeError", "OSError"), case
            assert "PATH" in message or "FOLDER" in message, case
            # One can read it: it does not quote a whole file.
            assert len(message) < 4_000, case["name"]
        # Nothing came into being.
        assert case["new"] == [], case
        assert case["grown"] < 700, case
    assert not list(tmp_path.iterdir())


@pytest.mark.medium
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits its memory by Linux's /proc"
)
def test_damaged_files_open_or_are_refused(tmp_path):
    import fuzz

    found = run("fuzz.py", "25", where=tmp_path)
    assert [kind["kind"] for kind in found] == list(fuzz.KINDS)
    for kind in found:
        assert not kind["unclear"], kind
        assert kind["opened"] + kind["refused"] == 25, kind
    # Damage is found where a format can tell.
    refused = {kind["kind"]: kind["refused"] for kind in found}
    assert all(refused[name] > 10 for name in ("PNG", ".npz weights", ".keras", "backup"))

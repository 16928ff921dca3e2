"""Environments that tests make for themselves: what is installed there and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What pip says, warnings included, where there is no index or no room. Where the index answers that
# it has no such version, the requirement is wrong.
_UNREACHABLE = (
    "after connection broken by",
    "Max retries exceeded",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Read timed out",
    "No space left on device",
)


def clean():
    """This process's environment variables without those that point Python elsewhere."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "KERAS_BACKEND")
    return {**{k: v for k, v in os.environ.items() if k not in dropped}, "PYTHONNOUSERSITE": "1"}


def make(folder, name, *requirements, python=sys.executable):
    """Makes a virtual environment; skips the test where there is no index to install from.

    The folder named by the variable KERAS_ICNN_ENVIRONMENTS, where it is set, keeps them from one
    run to the next.

    Args:
        folder: where; it must not hold one of that name.
        name: of the environment.
        requirements: arguments of `pip install`.
        python: interpreter to make it with.

    Returns:
        Path of its interpreter.
    """
    kept = os.environ.get("KERAS_ICNN_ENVIRONMENTS")
    folder = Path(kept or folder) / name
    interpreter = folder / "bin" / "python"
    if kept and (folder / "complete").exists():
        return interpreter
    subprocess.run([python, "-m", "venv", str(folder)], check=True, env=clean(), timeout=300)
    done = subprocess.run(
        [str(interpreter), "-m", "pip", "install", "-q", *map(str, requirements)],
        capture_output=True,
        text=True,
        env=clean(),
        timeout=1500,
    )
    if done.returncode:
        reason = why_unreachable(done.stderr)
        if reason:
            pytest.skip(f"pip cannot install {' '.join(map(str, requirements))}: {reason}")
        pytest.fail(f"pip install failed:\n{done.stderr[-2000:]}")
    (folder / "complete").touch()
    return interpreter


def why_unreachable(text):
    """The words of pip's by which its index could not be reached, or None."""
    return next((words for words in _UNREACHABLE if words in text), None)


def python_3_11():
    """A Python 3.11, or a skipped test."""
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    found = shutil.which("python3.11")
    if found is None:
        pytest.skip("needs an interpreter python3.11")
    return found


def run(interpreter, *arguments, folder, timeout=600):
    """Runs a script there; its standard output. Fails the test when the script does."""
    done = subprocess.run(
        [str(interpreter), *map(str, arguments)],
        cwd=folder,
        env=clean(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done.stdout

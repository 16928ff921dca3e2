"""Environments that tests make for themselves: what is installed there and nothing else."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import uv
from packaging.requirements import Requirement

# What uv says where there is no index or no room. Where the index answers that it has no such
# version, the requirement is wrong.
_UNREACHABLE = (
    "Failed to fetch",
    "Request failed after",
    "error sending request",
    "No space left on device",
)


def clean():
    """This process's environment variables without those that point Python elsewhere."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "KERAS_BACKEND")
    return {**{k: v for k, v in os.environ.items() if k not in dropped}, "PYTHONNOUSERSITE": "1"}


def make(folder, name, *requirements, python=sys.executable):
    """Makes a virtual environment; skips the test where there is no index to install from.

    Args:
        folder: where; it must not hold one of that name.
        name: of the environment.
        requirements: arguments of `uv pip install`.
        python: interpreter to make it with.

    Returns:
        Path of its interpreter.
    """
    interpreter = _empty(folder, name, python)
    done = _uv("pip", "install", "--python", interpreter, *requirements)
    if done.returncode:
        reason = why_unreachable(done.stderr)
        if reason:
            pytest.skip(f"uv cannot install {' '.join(map(str, requirements))}: {reason}")
        pytest.fail(f"uv pip install failed:\n{done.stderr[-2000:]}")
    return interpreter


def link(folder, name, *requirements, without=()):
    """Makes a virtual environment out of what is installed here, which takes no time.

    It holds links to the distributions that the requirements name and to those that these depend
    on, by their metadata.

    Args:
        folder: where; it must not hold one of that name.
        name: of the environment.
        requirements: as in a project's metadata. What is installed here must meet them.
        without: names of distributions to leave out although others depend on them.

    Returns:
        Path of its interpreter.
    """
    interpreter = _empty(folder, name, sys.executable)
    base = str(interpreter.parents[1])
    site = Path(sysconfig.get_path("purelib", "venv", {"base": base}))
    for distribution in needed(requirements, without):
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            # Several distributions may share a folder, such as `google`.
            if not (site / top).exists():
                (site / top).symlink_to(Path(distribution.locate_file(top)).resolve())
    return interpreter


def needed(requirements, without=()):
    """The installed distributions that meet requirements, and those that these depend on.

    Raises:
        importlib.metadata.PackageNotFoundError: If one is not installed.
        ValueError: If one is installed in another version.
    """
    pending, done, found = [(Requirement(line), "") for line in requirements], set(), {}
    while pending:
        requirement, extra = pending.pop()
        unwanted = requirement.marker and not requirement.marker.evaluate({"extra": extra})
        if unwanted or str(requirement) in done or requirement.name in without:
            continue
        done.add(str(requirement))
        distribution = importlib.metadata.distribution(requirement.name)
        if not requirement.specifier.contains(distribution.version, prereleases=True):
            raise ValueError(f"{requirement} is wanted, {distribution.version} is installed")
        found[distribution.name] = distribution
        for line in distribution.requires or ():
            pending += [(Requirement(line), inner) for inner in ("", *requirement.extras)]
    return list(found.values())


def why_unreachable(text):
    """The words of uv's by which its index could not be reached, or None."""
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
    done = _process([interpreter, *arguments], folder, timeout)
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def build_wheel(interpreter, source, folder):
    """Builds a wheel with what is installed there; its path."""
    options = ("--wheel", "--no-build-isolation", "--python", interpreter, "--out-dir", folder)
    done = _uv("build", *options, source)
    assert done.returncode == 0, done.stderr[-3000:]
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


def install_wheel(interpreter, wheel):
    """Installs a wheel there, without what it depends on."""
    done = _uv("pip", "install", "--offline", "--no-deps", "--python", interpreter, wheel)
    assert done.returncode == 0, done.stderr[-3000:]


def _empty(folder, name, python):
    folder = Path(folder) / name
    done = _uv("venv", "--no-project", "--python", python, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "bin" / "python"


def _uv(*arguments):
    return _process([uv.find_uv_bin(), "-q", *arguments], folder=None, timeout=1500)


def _process(command, folder, timeout):
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=clean(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )

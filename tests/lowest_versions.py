"""Runs the core tests with the lowest versions that pyproject.toml declares.

    python tests/lowest_versions.py [--backend tensorflow|jax|torch] [--paths tests/layers ...]

It makes an environment of its own with uv, installs each direct requirement of the package, of the
extras that the core tests need and of the backend in its lowest version, and runs pytest there.
Everything else, the test tools included, is what the resolver finds. It needs an index of packages.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version
from write_constraints import ROOT, project_table

# What the core is: layers, models and the zoo's networks.
CORE = ("tests/layers", "tests/models", "tests/zoo")
# Extras that the core tests read files with.
EXTRAS = ("mat", "matconvnet", "plot")
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "packaging")


def lowest(requirement):
    """`name==version` with the lowest version that a requirement admits.

    Raises:
        ValueError: Where the requirement states no lowest version.
    """
    floors = [s.version for s in requirement.specifier if s.operator in (">=", "==")]
    if not floors:
        raise ValueError(f"'{requirement}' in pyproject.toml states no lowest version; add >=")
    return f"{requirement.name}=={max(floors, key=Version)}"


def pins(backend):
    """The lowest versions of all that the core needs on a backend."""
    project = project_table()
    extras = project["optional-dependencies"]
    chosen = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    if backend != "tensorflow":
        chosen += extras[backend]
    return [lowest(Requirement(line)) for line in chosen]


def python():
    """The lowest Python that the package declares, `3.11`."""
    return lowest(Requirement(f"python{project_table()['requires-python']}")).partition("==")[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax", "torch"))
    parser.add_argument("--paths", nargs="+", default=CORE, help="tests to run")
    given = parser.parse_args()
    wanted = pins(given.backend)
    print("lowest versions:", *wanted, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        interpreter = Path(folder) / "bin" / "python"
        for command in (
            ["venv", "-q", "--no-project", "--python", python(), folder],
            ["pip", "install", "-q", "--python", interpreter, *wanted, *TOOLS],
        ):
            subprocess.run([sys.executable, "-m", "uv", *map(str, command)], check=True)
        # Warnings of old releases about what was new later are not the package's.
        options = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "-W", "default"]
        options += ["-n", "2", "--dist", "loadfile"]
        return subprocess.run(
            [interpreter, "-m", "pytest", *options, *given.paths],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": given.backend, "PYTHONPATH": str(ROOT)},
        ).returncode


if __name__ == "__main__":
    sys.exit(main())

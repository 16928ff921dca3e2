"""Prints the installed version of everything the package and its extras depend on."""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# The versions every test was last run with: pip install -e '.[test]' -c constraints.txt
# Written by: python tests/write_constraints.py > constraints.txt
"""


def project_table():
    """The table `[project]` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct():
    """The requirements of pyproject.toml: the package's own, and those of its extras."""
    project = project_table()
    own = [Requirement(line) for line in project["dependencies"]]
    extras = project["optional-dependencies"].values()
    return own, [Requirement(line) for extra in extras for line in extra]


def installed():
    """Name to version of all that they need, as far as it is installed."""
    own, extra = direct()
    pending, done, found = own + extra, set(), {}
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        key = (name, *sorted(requirement.extras))
        if name == "keras-icnn" or key in done:
            continue
        done.add(key)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # Without the mark of a local build, such as +cpu.
        found[name] = distribution.version.partition("+")[0]
        for line in distribution.requires or ():
            inner = Requirement(line)
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
            ):
                pending.append(inner)
    return found


if __name__ == "__main__":
    print(HEADER, end="")
    for name, version in sorted(installed().items()):
        print(f"{name}=={version}")

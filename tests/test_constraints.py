"""The file of tested versions agrees with what the package asks for."""

import lowest_versions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from write_constraints import ROOT, direct, installed, project_table


def all_direct():
    """What pyproject.toml asks for, without the package itself."""
    own, extra = direct()
    return [r for r in own + extra if canonicalize_name(r.name) != "keras-icnn"]


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and line[0] != "#"]
    assert all(str(pin.specifier).startswith("==") for pin in found)
    return {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in found}


def test_tested_versions_are_those_that_are_asked_for():
    known = pins()
    for requirement in all_direct():
        version = known[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_every_package_of_the_test_environment_is_there():
    """Those that pyproject.toml names, and those that these need, as far as they are installed."""
    known = set(pins())
    named = {canonicalize_name(requirement.name) for requirement in all_direct()}
    fix = "python tests/write_constraints.py > constraints.txt"
    assert named - known == set(), fix
    assert set(installed()) - known == set(), fix


def test_every_requirement_has_a_lowest_version():
    """Which the core tests run with: `python tests/lowest_versions.py`."""
    for backend in ("tensorflow", "jax", "torch"):
        assert len(lowest_versions.pins(backend)) >= len(project_table()["dependencies"])
    assert lowest_versions.lowest(Requirement("a>=1.9,>=1.10,<2")) == "a==1.10"
    assert project_table()["requires-python"].startswith(f">={lowest_versions.python()},")

"""The file of tested versions agrees with what the package asks for."""

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from write_constraints import ROOT, direct


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and line[0] != "#"]
    assert all(str(pin.specifier).startswith("==") for pin in found)
    return {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in found}


def test_tested_versions_are_those_that_are_asked_for():
    own, extra = direct()
    known = pins()
    assert len(known) > 40
    assert {canonicalize_name(r.name) for r in own} <= set(known)
    for requirement in own + extra:
        version = known.get(canonicalize_name(requirement.name))
        assert version is None or requirement.specifier.contains(version), requirement

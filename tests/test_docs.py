"""The documentation site names what the package offers. `tests/run_all.py` builds it."""

import importlib
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("module", ["callbacks", "visualize"])
def test_every_public_name_is_in_the_reference(module):
    page = (PAGES / "reference" / f"{module}.md").read_text(encoding="utf-8")
    names = importlib.import_module(f"keras_icnn.{module}").__all__
    shown = set(re.findall(rf"keras_icnn\.{module}\.(\w+)", page))
    assert set(names) <= shown


def test_every_verb_is_in_the_guide():
    from keras_icnn.cli._main import VERBS

    guide = (PAGES / "use" / "command_line.md").read_text(encoding="utf-8")
    names = [verb.__name__.rpartition(".")[2] for verb in VERBS]
    assert [name for name in names if f"| `{name}" not in guide] == []

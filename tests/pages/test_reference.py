"""The reference has every public name, and the guide every verb."""

import importlib
import re

import pytest
from write_pages import ROOT

import keras_icnn

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
# Public modules; the root itself is "".
ROOMS = sorted(
    path.parent.name
    for path in (ROOT / "keras_icnn").glob("*/__init__.py")
    if "__all__" in path.read_text(encoding="utf-8")
)


def documented():
    """Full names that the pages show: entries of the generator, and lines of tables."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    names = set()
    for entry in re.findall(r"^::: \S+(?:\n    options: .*)?", text, re.MULTILINE):
        heading = re.search(r"heading: ([\w.]+)", entry)
        names.add(heading[1] if heading else entry.split()[1])
    in_tables = re.findall(r"^\| `icnn\.([\w.]+)`", text, re.MULTILINE)
    return names | {f"keras_icnn.{name}" for name in in_tables}


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_in_the_reference(room):
    shown, module = documented(), importlib.import_module(f"keras_icnn.{room}")
    at_root = {name for name in keras_icnn.__all__ if name in module.__all__}
    missing = [
        name
        for name in module.__all__
        if f"keras_icnn.{room}.{name}" not in shown
        # A name that the root has, too, is shown as users write it.
        and not (name in at_root and f"keras_icnn.{name}" in shown)
    ]
    assert missing == [], f"add them to a page in docs/reference: ::: keras_icnn.{room}.NAME"


def test_the_root_has_nothing_else():
    shown, rooms = documented(), set(ROOMS)
    others = [name for name in keras_icnn.__all__ if name not in rooms]
    assert [name for name in others if f"keras_icnn.{name}" not in shown] == []


def test_the_reference_names_nothing_that_is_gone():
    gone = []
    for name in documented():
        room, _, last = name.removeprefix("keras_icnn.").rpartition(".")
        module = importlib.import_module(f"keras_icnn.{room}" if room else "keras_icnn")
        if last not in module.__all__:
            gone.append(name)
    assert gone == []


def test_every_verb_is_in_the_guide():
    from keras_icnn.cli._main import VERBS

    guide = (ROOT / "docs" / "use" / "command_line.md").read_text(encoding="utf-8")
    names = [verb.__name__.rpartition(".")[2] for verb in VERBS]
    assert [name for name in names if f"| `{name}" not in guide] == []

"""No public name is forgotten in `public_surface.py`, which the type checker reads."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

import keras_icnn

SURFACE = Path(__file__).with_name("public_surface.py")
MARKER = Path(keras_icnn.__file__).with_name("py.typed")


def used(room):
    """The names that are looked up in a room, `room.name`."""
    tree = ast.parse(SURFACE.read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == room
    }


ROOMS = [name for name in keras_icnn.__all__ if isinstance(getattr(keras_icnn, name), ModuleType)]


def test_rooms_are_found():
    assert {"layers", "metrics", "visualize", "zoo"} < set(ROOMS)


@pytest.mark.parametrize("room", ["icnn", *ROOMS])
def test_every_public_name_is_used(room):
    module = keras_icnn if room == "icnn" else getattr(keras_icnn, room)
    assert set(getattr(module, "__all__", ())) - used(room) == set()


def test_the_package_says_that_it_has_types():
    """Type checkers read the annotations of an installed package only where it has this file."""
    assert MARKER.is_file()

"""No public name is forgotten in `public_surface.py`, which the type checker reads, or untyped."""

import ast
import inspect
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


SPECIAL = ("__init__", "__call__", "__len__", "__getitem__", "__iter__", "__enter__", "__repr__")


def own_functions(name, value):
    """Pairs of name and function: a function, or a class's public methods and properties."""
    if not inspect.isclass(value):
        yield name, inspect.unwrap(value)
        return
    for key, member in vars(value).items():
        if key in SPECIAL or not key.startswith("_"):
            for attribute in ("__func__", "fget", "func"):
                member = getattr(member, attribute, member)
            yield f"{name}.{key}", inspect.unwrap(member)


def untyped(function):
    """Arguments without a type, and "return" where the result has none."""
    signature = inspect.signature(function)
    names = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in ("self", "cls")
    ]
    return names + ["return"] * (signature.return_annotation is signature.empty)


@pytest.mark.parametrize("room", ["icnn", *ROOMS])
def test_every_public_function_states_its_types(room):
    module = keras_icnn if room == "icnn" else getattr(keras_icnn, room)
    found = {
        name: untyped(function)
        for public in module.__all__
        for name, function in own_functions(public, getattr(module, public))
        if inspect.isfunction(function)
        and function.__code__.co_filename.startswith(str(MARKER.parent))
    }
    assert found
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_the_package_says_that_it_has_types():
    """Type checkers read the annotations of an installed package only where it has this file."""
    assert MARKER.is_file()

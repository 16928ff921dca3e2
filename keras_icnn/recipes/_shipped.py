"""The recipes that come with the package: found by name, listed, copied."""

from __future__ import annotations

import difflib
import os
import shutil
import tomllib
from pathlib import Path

from keras_icnn.recipes._format import RecipeError
from keras_icnn.recipes._paper_tables import recipes_folder


def shipped_recipes() -> dict[str, Path]:
    """The shipped recipes: a dict of their names to their files."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.toml"))}


def title_of(path: str | os.PathLike[str]) -> str:
    """The title of a recipe, its name where it has none."""
    content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    return str(content.get("title", Path(path).stem))


def recipe_file(recipe: str | os.PathLike[str]) -> Path:
    """The file of a recipe: a path as it is, or that of a shipped one by its name.

    Raises:
        RecipeError: For a name that no shipped recipe has.
    """
    path, text = Path(recipe), os.fspath(recipe)
    if path.suffix == ".toml" or path.exists() or Path(text).name != text:
        return path
    return _shipped(text)


def copy_recipe(name: str, to: str | os.PathLike[str] | None = None) -> Path:
    """Copies a shipped recipe, to change it.

    Args:
        name: Its name.
        to: File or folder to copy it to; None: a file of its name here.

    Returns:
        The file that was written.

    Raises:
        RecipeError: For another name.
        FileExistsError: When there is such a file; it is left as it is.
    """
    source = _shipped(name)
    target = Path(source.name if to is None else to)
    if target.is_dir():
        target = target / source.name
    if target.exists():
        raise FileExistsError(f"There is a file '{target}' already. Choose another name for it.")
    shutil.copyfile(source, target)
    return target


def _shipped(name):
    known = shipped_recipes()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise RecipeError(
        f"There is no folder, file or shipped recipe '{name}'. {hint}`keras-icnn recipes` lists "
        "the shipped ones."
    )

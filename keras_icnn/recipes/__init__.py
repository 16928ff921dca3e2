"""Recipes: TOML files that say which networks are trained on which data and measured how."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_icnn.recipes._format import Recipe, RecipeError
    from keras_icnn.recipes._read_recipe import read_recipe
    from keras_icnn.recipes._reproduce import reproduce
    from keras_icnn.recipes._run import Job, run_recipe, run_recipes
    from keras_icnn.recipes._summaries import compare, summarize
    from keras_icnn.recipes._train_folder import FolderRun, train_folder

__all__ = [
    "FolderRun",
    "Job",
    "Recipe",
    "RecipeError",
    "compare",
    "read_recipe",
    "reproduce",
    "run_recipe",
    "run_recipes",
    "summarize",
    "train_folder",
]

_MODULES = {
    "FolderRun": "_train_folder",
    "Job": "_run",
    "Recipe": "_format",
    "RecipeError": "_format",
    "compare": "_summaries",
    "read_recipe": "_read_recipe",
    "reproduce": "_reproduce",
    "run_recipe": "_run",
    "run_recipes": "_run",
    "summarize": "_summaries",
    "train_folder": "_train_folder",
}


if not TYPE_CHECKING:

    def __getattr__(name):
        # The names of the paper's tables, which the command line's `--help` shows, need no Keras.
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

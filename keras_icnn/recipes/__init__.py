"""Recipes: TOML files that say which networks are trained on which data and measured how."""

from keras_icnn.recipes._format import Recipe, RecipeError
from keras_icnn.recipes._read_recipe import read_recipe
from keras_icnn.recipes._reproduce import reproduce
from keras_icnn.recipes._run import Job, run_recipe, run_recipes
from keras_icnn.recipes._summaries import compare, summarize

__all__ = [
    "Job",
    "Recipe",
    "RecipeError",
    "compare",
    "read_recipe",
    "reproduce",
    "run_recipe",
    "run_recipes",
    "summarize",
]

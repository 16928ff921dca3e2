"""`keras-icnn train`."""

import os
from pathlib import Path

from keras_icnn.cli._options import RESUME_ADVICE, add_recipe_runs

SUMMARY = "train and measure the networks of a recipe"
WHEN_STOPPED = RESUME_ADVICE


def add_arguments(parser):
    parser.add_argument("recipe", metavar="RECIPE", help="a .toml file, as under zoo/recipes/")
    parser.add_argument(
        "--out", metavar="DIR", help="folder for the results; runs/NAME of the recipe if not given"
    )
    parser.add_argument(
        "--variant", action="append", metavar="NAME", help="only this variant; may be repeated"
    )
    add_recipe_runs(
        parser,
        data="folder that holds the recipe's data and weights",
        seeds="only this seed of the recipe's; may be repeated",
        category="only this category; may be repeated",
    )


def run(args):
    from keras_icnn.recipes import compare, read_recipe, run_recipe, summarize

    recipe = read_recipe(args.recipe)
    args.out = args.out or os.path.join("runs", recipe.name)
    rows = run_recipe(
        recipe,
        args.data,
        args.out,
        seeds=args.seed,
        variants=args.variant,
        categories=args.category,
    )
    out = Path(args.out)
    print(f"\n{summarize(rows)}\n\n{compare(rows)}\n")
    print(f"All figures:        {out / 'results.csv'}")
    print(f"Filter by filter:   {out / 'filters'}")
    print(f"Trained networks:   {out / 'models'}")

"""`keras-icnn train`."""

import os
from pathlib import Path

from keras_icnn.cli._options import RESUME_ADVICE, add_recipe_runs, number

SUMMARY = "train and measure networks on your own class folders, or those of a recipe"
WHEN_STOPPED = RESUME_ADVICE

# Options of a folder of images; None where they were not given, since a recipe says these itself.
_FOLDER_ONLY = (
    "network",
    "weights",
    "epochs",
    "batch_size",
    "image_size",
    "validation_split",
    "fine_tune",
    "learning_rate",
    "no_flip",
    "compare",
)


def add_arguments(parser):
    parser.add_argument(
        "what",
        metavar="FOLDER|RECIPE",
        help="a folder of class folders; or a recipe: a .toml file, or the name of a shipped one "
        "(keras-icnn recipes lists them)",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="folder for the results; runs/NAME if not given"
    )
    recipe = parser.add_argument_group("of a recipe")
    recipe.add_argument(
        "--variant", action="append", metavar="NAME", help="only this variant; may be repeated"
    )
    add_recipe_runs(
        parser,
        data="folder that holds a recipe's data and weights",
        seeds="of a recipe: only this seed; may be repeated. Of a folder: of split, new layers and "
        "order; 0 if not given",
        category="of a recipe: only this category; may be repeated",
    )
    _add_folder_options(parser.add_argument_group("of a folder"))


def _add_folder_options(group):
    options = {
        "--network": ("NAME", str, "network of the zoo; mobilenet_v2 if not given"),
        "--weights": ("WEIGHTS", str, "imagenet (if not given), none, or a weights file"),
        "--epochs": ("N", number, "10 if not given"),
        "--batch-size": ("N", number, "32 if not given"),
        "--image-size": ("PIXELS", number, "side that images are resized to; the network's own"),
        "--validation-split": ("SHARE", float, "share of each class to hold out; 0.2"),
        "--learning-rate": ("RATE", float, "at the start; 0.001 for new layers alone, else 0.0001"),
    }
    for name, (metavar, kind, text) in options.items():
        group.add_argument(name, metavar=metavar, type=kind, help=text)
    group.add_argument(
        "--fine-tune",
        choices=("top", "last_block", "all"),
        help="which layers of the pretrained network are trained; top if not given",
    )
    group.add_argument(
        "--no-flip", action="store_true", default=None, help="do not mirror images at random"
    )
    group.add_argument(
        "--compare", action="store_true", default=None, help="train the ordinary twin, too"
    )


def run(args):
    if os.path.isdir(args.what):
        _run_folder(args)
    else:
        _run_recipe(args)


def _run_folder(args):
    from keras_icnn.recipes import train_folder

    if args.variant or args.category:
        raise ValueError("--variant and --category are for recipes: leave them out with a folder.")
    if args.seed and len(args.seed) > 1:
        raise ValueError(f"A folder is trained with one --seed. Received: {args.seed}")
    args.out = args.out or os.path.join("runs", Path(args.what).resolve().name)
    given = {k: getattr(args, k) for k in _FOLDER_ONLY if getattr(args, k) is not None}
    if given.get("weights") == "none":
        given["weights"] = None
    if given.pop("no_flip", False):
        given["flip"] = False
    if args.seed:
        given["seed"] = args.seed[0]
    done = train_folder(args.what, args.out, **given)
    print("\nWritten:")
    for path in done.paths:
        print(f"  {path}")
    print(
        f"\nWhy does it decide so?  keras-icnn explain {done.paths[0]} IMAGE --data {args.what} "
        "-o why.png"
    )


def _run_recipe(args):
    from keras_icnn.recipes import compare, read_recipe, run_recipe, summarize

    recipe = read_recipe(args.what)
    foreign = [k for k in _FOLDER_ONLY if getattr(args, k) is not None]
    if foreign:
        options = ", ".join("--" + k.replace("_", "-") for k in foreign)
        raise ValueError(
            f"{options}: for folders of images. A recipe says this itself; copy and change it: "
            "keras-icnn recipes --copy NAME."
        )
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

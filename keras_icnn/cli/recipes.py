"""`keras-icnn recipes`."""

SUMMARY = "list the recipes that come with the package, or copy one"
NEEDS_KERAS = False


def add_arguments(parser):
    parser.add_argument(
        "--copy",
        nargs="+",
        metavar=("NAME", "DEST"),
        help="copy a recipe, to change it; to a file NAME.toml here if no DEST is given",
    )


def run(args):
    from keras_icnn.recipes._shipped import copy_recipe, shipped_recipes, title_of

    if args.copy:
        if len(args.copy) > 2:
            raise ValueError(f"--copy takes a NAME and a DEST. Received: {' '.join(args.copy)}")
        target = copy_recipe(*args.copy)
        print(f"Copied: {target}. Change it, then: keras-icnn train {target} --data DIR")
        return
    found = shipped_recipes()
    width = max(map(len, found)) + 2
    for name, path in found.items():
        print(f"{name:<{width}}{title_of(path)}")
    print("\nRun one: keras-icnn train NAME --data DIR. Copy one: keras-icnn recipes --copy NAME.")

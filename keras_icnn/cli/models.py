"""`keras-icnn models`."""

from keras_icnn.cli._outcome import FAILED, complain

SUMMARY = "list the networks of the zoo"


def add_arguments(parser):
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="with *, ? and [...]"
    )


def run(args):
    from keras_icnn.zoo import list_models
    from keras_icnn.zoo._manifest import MANIFEST

    names = list_models(args.pattern)
    if not names:
        complain(
            f"no network is called '{args.pattern}'. `keras-icnn models` lists all; a pattern may "
            "hold *, as in '*vgg*'."
        )
        return FAILED
    print(f"{'name':<32}{'parameters':>14}{'without head':>14}  network")
    for name in names:
        print(_line(name, MANIFEST))
    print("\nparameters: with the head for 1000 classes. Build one with keras_icnn.zoo.NAME(...).")
    return None


def _line(name, manifest):
    if name in manifest:
        card = manifest[name]
        counts = f"{card.parameters:>14,}{card.parameters_without_top:>14,}"
        return f"{name:<32}{counts}  {card.title}"
    card = manifest.get(name.removesuffix("_interpretable"))
    title = f"{card.title}, interpretable, with a new 3x3 layer" if card else ""
    return f"{name:<32}{'':>28}  {title}".rstrip()

"""`keras-icnn models`."""

import fnmatch
import importlib.util
from pathlib import Path

import keras_icnn
from keras_icnn.cli._outcome import FAILED, complain

SUMMARY = "list the networks of the zoo"
NEEDS_KERAS = False


def add_arguments(parser):
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="with *, ? and [...]"
    )


def run(args):
    found = {}
    for network, card in _manifest().items():
        names = [network, f"{network}_interpretable"]
        if fnmatch.filter(names, args.pattern):
            found[network] = card
    if not found:
        complain(
            f"no network is called '{args.pattern}'. `keras-icnn models` lists all; a pattern may "
            "hold *, as in '*vgg*'."
        )
        return FAILED
    print(f"{'name':<20}{'interpretable':<34}{'parameters':>12}{'no head':>13}  network")
    for network, card in found.items():
        counts = f"{card.parameters:>12,}{card.parameters_without_top:>13,}"
        print(f"{network:<20}{network + '_interpretable':<34}{counts}  {card.title}")
    print(
        "\nparameters: of the ordinary network, with the head for 1000 classes and without. The "
        "interpretable\none has a new 3x3 layer besides. Build one with keras_icnn.zoo.NAME(...)."
    )
    return None


def _manifest():
    """What is known of each network: the table of the zoo, read without the zoo, which needs Keras.

    Keras and its backend take seconds to import.
    """
    path = Path(keras_icnn.__file__).parent / "zoo" / "_manifest.py"
    spec = importlib.util.spec_from_file_location("_manifest_alone", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MANIFEST

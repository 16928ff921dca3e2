"""Options that verbs share."""

import argparse

from keras_icnn.datasets import reader_names

READERS = reader_names(needs_path=True)
SPLITS = ("test", "validation", "train", "all")

RESUME_ADVICE = (
    "Run the same command again to resume: the runs that were finished, and the epochs of a "
    "network that is trained whole, are kept in '{out}'."
)


def seed(text):
    """Type of an option: a whole number of at least 0."""
    return _at_least(0, text)


def number(text):
    """Type of an option: a whole number of at least 1."""
    return _at_least(1, text)


def _at_least(least, text):
    value = int(text)
    if value < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, not {text}")
    return value


def add_model(parser):
    """Adds the saved model that a verb takes."""
    parser.add_argument("model", metavar="MODEL", help="a .keras file")


def add_recipe_runs(parser, *, data, seeds, category):
    """Adds the options of verbs that run recipes, with what each means there."""
    parser.add_argument("--data", default=".", metavar="DIR", help=data)
    parser.add_argument("--seed", type=seed, action="append", metavar="N", help=seeds)
    parser.add_argument("--category", action="append", metavar="NAME", help=category)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where a run into the same --out was stopped; always so, with or without it",
    )


def add_measured_data(parser, *, split, layer):
    """Adds the options of verbs that measure a model's layer on a data set."""
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument(
        "--reader", choices=READERS, help="its format; told by the files in it if not given"
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        help=f"{split}: test (or validation where there is none) if not given, of a folder of "
        "class folders those that the model was not trained on; all includes those trained on, as "
        "the authors' code does",
    )
    parser.add_argument(
        "--category",
        action="append",
        metavar="NAME",
        help="a class of the model, in the order of its outputs, background left out; repeated",
    )
    parser.add_argument("--layer", metavar="NAME", help=layer)
    parser.add_argument(
        "--radius",
        type=float,
        metavar="PIXELS",
        help="of the round receptive fields; measured by occlusion if not given (slow)",
    )
    add_preprocess(parser, "for models that do not do so themselves")


def add_from_logits(parser, of="the model's output"):
    """Adds the option that says what an output is, where the network does not tell."""
    parser.add_argument(
        "--from-logits",
        action=argparse.BooleanOptionalAction,
        help=f"{of} is a logit, or (--no-from-logits) a probability; what the network tells if not "
        "given, which is asked for where it may be either",
    )


def add_preprocess(parser, whom):
    """Adds the option that names the preprocessing of a network of the zoo."""
    parser.add_argument(
        "--preprocess",
        metavar="NETWORK",
        help=f"prepare images as this network of the zoo wants them, {whom}",
    )

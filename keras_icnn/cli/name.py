"""`keras-icnn name`."""

from keras_icnn.cli._options import add_model
from keras_icnn.cli._saved_model import load_model

SUMMARY = "give names to the parts of a saved model, or list them"


def add_arguments(parser):
    add_model(parser)
    parser.add_argument(
        "names",
        nargs="?",
        metavar="NAMES",
        help='JSON file such as {"tiger/0": "head"}, as the report saves it; the parts and their '
        "names are listed if not given",
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="model to write; else MODEL itself")


def run(args):
    from keras_icnn._figure import check_path
    from keras_icnn.models._name_parts import name_parts, part_keys
    from keras_icnn.models._saved_part_names import write_part_names

    out = args.out or args.model
    if not out.endswith(".keras"):
        raise ValueError(f"`--out` must be a .keras file. Received: '{out}'")
    check_path(out)
    model = load_model(args.model)
    keys = part_keys(model)
    if args.names:
        name_parts(model, args.names)
        write_part_names(args.model, model.part_names, out)
    elif args.out:
        raise ValueError("`--out` needs a file of names to store: keras-icnn name MODEL NAMES")
    names = getattr(model, "part_names", {})
    width = max(map(len, keys))
    for key in keys:
        print(f"{key:<{width}}  {names.get(key, '-')}")
    named = sum(key in names for key in keys)
    print(
        f"\n{named} of {len(keys)} parts have a name."
        + (f" Stored in {out}." if args.names else "")
    )

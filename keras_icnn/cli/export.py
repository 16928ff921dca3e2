"""`keras-icnn export`."""

from pathlib import Path

from keras_icnn.cli._options import add_from_logits, add_model, number
from keras_icnn.cli._saved_model import load_model, preprocessing_of

SUMMARY = "write a trained network for other runtimes, and compare it there"


def add_arguments(parser):
    add_model(parser)
    parser.add_argument(
        "--format",
        choices=["tf_saved_model", "onnx", "litert", "openvino"],
        default="tf_saved_model",
        help="as in keras.Model.export",
    )
    parser.add_argument(
        "--out", metavar="PATH", help="what to write; MODEL with the format's ending if not given"
    )
    parser.add_argument(
        "--endpoint",
        choices=["serve", "explain"],
        help="predictions, or what the filters did besides; both in a SavedModel if not given, "
        "else serve",
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="whose filters `explain` speaks of; the topmost if not given",
    )
    add_from_logits(parser, "for `explain`: the model's output")
    parser.add_argument(
        "--preprocess",
        metavar="NETWORK",
        help="prepare pixels as this network of the zoo takes them, inside what is written",
    )
    parser.add_argument(
        "--bytes", action="store_true", help="take pixels as bytes (uint8) instead of floats"
    )
    parser.add_argument(
        "--top", type=number, default=8, metavar="N", help="how many filters `explain` names"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="SHARE",
        help="how far apart the two may be, as a share of each output's scale; what the network's "
        "precision allows if not given, 1e-4 for float32",
    )


def run(args):
    import keras

    from keras_icnn.export import FORMATS, export_model, verify

    model = load_model(args.model)
    # Only to refuse a model that has it inside; the export takes the name.
    preprocessing_of(args.preprocess, model)
    out = Path(args.out or Path(args.model).with_suffix(FORMATS[args.format]))
    signature = None
    if args.bytes:
        signature = [keras.InputSpec(shape=(None, *model.inputs[0].shape[1:]), dtype="uint8")]
    found = []

    def check(written):
        found.append(
            verify(
                model,
                written,
                tolerance=args.tolerance,
                layer=args.layer,
                preprocessing=args.preprocess,
                from_logits=args.from_logits,
            )
        )

    export_model(
        model,
        out,
        args.format,
        input_signature=signature,
        endpoint=args.endpoint,
        layer=args.layer,
        preprocessing=args.preprocess,
        top_filters=args.top,
        from_logits=args.from_logits,
        check=check,
    )
    print(found[0].summary())

"""`keras-icnn explain`."""

from keras_icnn.cli._model_data import chosen_images, read_splits, skipped_lines, was_trained_on
from keras_icnn.cli._options import SPLITS, add_from_logits, add_preprocess, number
from keras_icnn.cli._saved_model import load_model, preprocessing_of, shipped_model
from keras_icnn.datasets import detect

SUMMARY = "tell which filters decided the class of an image"


def add_arguments(parser):
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="a .keras file; if not given, the network of 24 animals that comes with the package",
    )
    parser.add_argument("image", metavar="IMAGE", help="an image; resized to the model's input")
    parser.add_argument(
        "--target", metavar="CLASS", help="class to explain, number or name; else the predicted one"
    )
    parser.add_argument(
        "--against", metavar="CLASS", help="explain why not this class, number or name"
    )
    parser.add_argument(
        "--method", choices=("ablation", "gradient"), default="ablation", help="exact, or fast"
    )
    parser.add_argument("--layer", metavar="NAME", help="layer; else the topmost interpretable one")
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="images that show which filters fire alike: a folder of class folders, or of one of "
        "the data sets (its validation split)",
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        help="which of these images; of class folders those that the model was not trained on if "
        "not given",
    )
    parser.add_argument(
        "--classes",
        metavar="A,B,...",
        help="names of the model's classes; for a model with one output the background's first",
    )
    add_preprocess(parser, "for a model that does not do so itself")
    add_from_logits(parser)
    parser.add_argument("--top", type=number, default=10, metavar="N", help="parts to list")
    parser.add_argument("-o", "--out", metavar="FILE", help="image to write (.png, .pdf, .svg)")


def run(args):
    from keras_icnn._figure import check_path
    from keras_icnn.datasets._as_part_dataset import as_image
    from keras_icnn.explanations import Explainer

    check_path(args.out)
    model = shipped_model() if args.model is None else load_model(args.model)
    size = _input_size(model, args.model)
    image = as_image(args.image, model, "explain")
    names = args.classes.split(",") if args.classes else None
    explainer = Explainer(
        model,
        args.method,
        layer=args.layer,
        reference=_reference_images(model, args, size, names) if args.data else None,
        class_names=names,
        preprocess=preprocessing_of(args.preprocess, model),
        from_logits=args.from_logits,
    )
    explanation = explainer(image, _class(args.target), _class(args.against))
    if was_trained_on(model, args.image):
        print("The model was trained on this image.")
    print(explanation.summary(args.top))
    if args.out:
        explanation.plot(path=args.out)
        print(f"\nPicture: {args.out}")


def _input_size(model, path):
    """(height, width) of a model's input."""
    size = tuple(model.inputs[0].shape[1:3])
    if None in size:
        raise ValueError(
            f"'{path}' takes images of any size, so none is known to resize to; build the model "
            "with a fixed `input_shape`."
        )
    return size


def _class(text):
    """A class as given on the command line: a number where it is one, else a name."""
    return int(text) if text is not None and text.isdecimal() else text


def _reference_images(model, args, size, class_names):
    """Images of a data set for explanations: held-out ones, or what `--split` says.

    Args:
        model: the model.
        args: `data`, folder of a data set, and `split`.
        size: (height, width) of the model's input.
        class_names: where they are among the data's, only those classes, in that order.

    Returns:
        A `PartDataset`. Its classes need not be the model's.
    """
    reader = detect(args.data)
    splits = read_splits(args.data, size, reader)
    found, told = dict(splits.items()), []
    if reader == "folder":
        dataset, chosen = chosen_images(model, found["test"], args.split, args.data)
        told = [*skipped_lines(splits), chosen]
    else:
        dataset = found.get(args.split or ("validation" if "validation" in found else "test"))
    if dataset is None or dataset.image_size != size:
        given = "no such split" if dataset is None else "{} x {}".format(*dataset.image_size)
        raise ValueError(
            f"The images of '{args.data}' are {given}, the model takes {size[0]} x {size[1]}. Use "
            "a folder of class folders."
        )
    for line in told:
        print(line, flush=True)
    if class_names and set(class_names) <= set(dataset.class_names):
        dataset = dataset.select(classes=class_names)
    return dataset

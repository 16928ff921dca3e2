"""`keras-icnn explain`."""

from keras_icnn.cli._model_data import read_splits
from keras_icnn.cli._options import add_model, add_preprocess, number
from keras_icnn.cli._saved_model import load_model, preprocessing_of

SUMMARY = "tell which filters decided the class of an image"


def add_arguments(parser):
    add_model(parser)
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
        "--classes",
        metavar="A,B,...",
        help="names of the model's classes; for a model with one output the background's first",
    )
    add_preprocess(parser, "for a model that does not do so itself")
    parser.add_argument("--top", type=number, default=10, metavar="N", help="parts to list")
    parser.add_argument("-o", "--out", metavar="FILE", help="image to write (.png, .pdf, .svg)")


def run(args):
    from keras_icnn._figure import check_path
    from keras_icnn.datasets._image_files import read_image
    from keras_icnn.explanations import Explainer

    check_path(args.out)
    model = load_model(args.model)
    size = _input_size(model, args.model)
    image = read_image(args.image, size)
    names = args.classes.split(",") if args.classes else None
    explainer = Explainer(
        model,
        args.method,
        layer=args.layer,
        reference=_reference_images(args.data, size, names) if args.data else None,
        class_names=names,
        preprocess=preprocessing_of(args.preprocess),
    )
    explanation = explainer(image, _class(args.target), _class(args.against))
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


def _reference_images(data, size, class_names):
    """Images of a data set for explanations: the validation split, or all class folders.

    Args:
        data: folder of a data set.
        size: (height, width) of the model's input.
        class_names: where they are among the data's, only those classes, in that order.

    Returns:
        A `PartDataset`. Its classes need not be the model's.
    """
    found = dict(read_splits(data, size).items())
    dataset = found.get("validation", found.get("test"))
    if dataset is None or dataset.image_size != size:
        given = "no held-out ones" if dataset is None else "{} x {}".format(*dataset.image_size)
        raise ValueError(
            f"The images of '{data}' are {given}, the model takes {size[0]} x {size[1]}. Use a "
            "folder of class folders."
        )
    if class_names and set(class_names) <= set(dataset.class_names):
        dataset = dataset.select(classes=class_names)
    return dataset

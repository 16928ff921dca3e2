"""The command line: `keras-icnn VERB`.

Every verb is a thin function around the package, and imports what it needs when it runs: Keras and
its backend take seconds to import, and `--help` needs neither.
"""

import argparse
import errno
import functools
import importlib
import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path

from keras_icnn._files.whole_file import NO_ROOM

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

# What tells the user of a mistake or of a missing file; anything else is a defect of the package.
_EXPECTED = (ValueError, OSError, ImportError, FloatingPointError)
_RESUME = (
    "Run the same command again to resume: the runs that were finished, and the epochs of a "
    "network that is trained whole, are kept in '{out}'."
)


def main(argv=None):
    """Runs one verb.

    Args:
        argv: list of arguments; None: the process's own.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong use (a recipe that cannot be run included), 130
        interrupted. argparse itself leaves by `SystemExit`, with the same codes.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.verb is None:
        parser.print_help(sys.stderr)
        return WRONG_USE
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        # Progress bars leave the cursor in their line.
        print(file=sys.stderr)
        _complain("stopped. " + args.when_stopped.format(out=getattr(args, "out", "")))
        return INTERRUPTED
    except BrokenPipeError:
        # Somebody downstream, such as `head`, has seen enough. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        else:
            _complain(_told(error))
        return WRONG_USE if type(error).__name__ == "RecipeError" else FAILED


def _told(error):
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        advice = "" if error.errno in NO_ROOM else " Check the path."
        return f"'{error.filename}': {error.strerror}.{advice}"
    if isinstance(error, _EXPECTED):
        return text or type(error).__name__
    return (
        f"unexpected {type(error).__name__}: {text} (a defect of keras-icnn, or too little memory; "
        "run again with --debug and report the traceback)"
    )


def _complain(text):
    print(f"keras-icnn: {text}", file=sys.stderr)


# --- the parser ---------------------------------------------------------------------------------


def _parser():
    from keras_icnn import __version__

    parser = argparse.ArgumentParser(
        prog="keras-icnn",
        description="Interpretable convolutional neural networks: train, measure, look inside.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"keras-icnn {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.set_defaults(run=None, when_stopped="")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")

    def verb(name, run, summary, when_stopped="Run the same command again.", **options):
        sub = verbs.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
            **options,
        )
        # Accepted on both sides of the verb; suppressed, or it would undo the one before.
        sub.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks"
        )
        sub.set_defaults(run=run, when_stopped=when_stopped)
        return sub

    demo = verb("demo", _demo, "train an ordinary and an interpretable network on generated data")
    demo.add_argument("--out", default="demo", metavar="DIR", help="folder for tables and pictures")
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="of data and networks")
    demo.add_argument(
        "--quick",
        action="store_true",
        help="a few seconds of training, to see that everything works; the figures mean nothing",
    )

    models = verb("models", _models, "list the networks of the zoo")
    models.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="with *, ? and [...]"
    )

    train = verb("train", _train, "train and measure the networks of a recipe", _RESUME)
    train.add_argument("recipe", metavar="RECIPE", help="a .toml file, as under zoo/recipes/")
    train.add_argument(
        "--out", metavar="DIR", help="folder for the results; runs/NAME of the recipe if not given"
    )
    train.add_argument(
        "--variant", action="append", metavar="NAME", help="only this variant; may be repeated"
    )
    _recipe_runs(
        train,
        data="folder that holds the recipe's data and weights",
        seed="only this seed of the recipe's; may be repeated",
        category="only this category; may be repeated",
    )

    from keras_icnn.recipes._paper_tables import DATA_SETS, RULES, TABLES

    reproduce = verb(
        "reproduce", _reproduce, "run a table of the paper and print it beside the paper's", _RESUME
    )
    reproduce.add_argument("table", metavar="TABLE", choices=TABLES, help="table1 to table7")
    reproduce.add_argument(
        "--out",
        default="runs/tables",
        metavar="DIR",
        help="folder for the results; tables share runs, so one for all",
    )
    reproduce.add_argument(
        "--network",
        action="append",
        metavar="NAME",
        help="only this network, such as vgg_m or squeezenet; the paper's if not given; repeated",
    )
    reproduce.add_argument(
        "--data-set",
        action="append",
        choices=DATA_SETS,
        help="only the columns on this data set; may be repeated",
    )
    reproduce.add_argument(
        "--rule",
        action="append",
        choices=RULES,
        help="train interpretable networks with this rule, too; may be repeated",
    )
    reproduce.add_argument(
        "--recipe",
        action="append",
        metavar="FILE",
        help="a recipe of your own in place of the shipped ones; may be repeated",
    )
    reproduce.add_argument(
        "--split",
        choices=("held-out", "all"),
        default="held-out",
        help="images to measure on; all includes those trained on, as the authors' code does",
    )
    reproduce.add_argument(
        "--print", action="store_true", help="print what has been measured, train nothing"
    )
    _recipe_runs(
        reproduce,
        data="folder that holds the data sets and weights",
        seed="this seed in place of the recipes'; may be repeated",
        category="only this category of the single-category tasks; may be repeated",
    )

    explain = verb("explain", _explain, "tell which filters decided the class of an image")
    explain.add_argument("model", metavar="MODEL", help="a .keras file")
    explain.add_argument("image", metavar="IMAGE", help="a picture; resized to the model's input")
    explain.add_argument(
        "--target", metavar="CLASS", help="class to explain, number or name; else the predicted one"
    )
    explain.add_argument(
        "--against", metavar="CLASS", help="explain why not this class, number or name"
    )
    explain.add_argument(
        "--method", choices=("ablation", "gradient"), default="ablation", help="exact, or fast"
    )
    explain.add_argument(
        "--layer", metavar="NAME", help="layer; else the topmost interpretable one"
    )
    explain.add_argument(
        "--data",
        metavar="DIR",
        help="pictures that show which filters fire alike: a folder of class folders, or of one of "
        "the data sets (its validation split)",
    )
    explain.add_argument(
        "--classes",
        metavar="A,B,...",
        help="names of the model's classes; for a model with one output the background's first",
    )
    _preprocess_option(explain, "pictures", "a model that does not do so itself")
    explain.add_argument("--top", type=_count, default=10, metavar="N", help="parts to list")
    explain.add_argument("-o", "--out", metavar="FILE", help="picture to write (.png, .pdf, .svg)")

    evaluate = verb("evaluate", _evaluate, "measure the filters and the accuracy of a saved model")
    evaluate.add_argument("model", metavar="MODEL", help="a .keras file")
    _measured_data(evaluate, "images to measure on", "the layer to measure")
    evaluate.add_argument(
        "--batch-size", type=_count, default=32, metavar="N", help="images at once"
    )
    evaluate.add_argument(
        "--negatives", metavar="DIR", help="background images, for readers that take a folder"
    )
    evaluate.add_argument(
        "--truth", metavar="DIR", help="part annotations of Animal-Part as published"
    )
    evaluate.add_argument(
        "--keypoints", action="store_true", help="add keypoint regression, fitted on train"
    )
    evaluate.add_argument(
        "--parts",
        type=_count,
        metavar="K",
        help="add how well K groups of filters, grouped on train, tell the landmarks apart",
    )
    evaluate.add_argument("--out", metavar="DIR", help="folder for filters.csv and summary.csv")

    report = verb("report", _report, "write a page that shows what a network's filters mean")
    report.add_argument("model", metavar="MODEL", help="a .keras file")
    _measured_data(report, "pictures to use", "layer; else the topmost interpretable one")
    report.add_argument("-o", "--out", default="report.html", metavar="FILE", help="page to write")
    report.add_argument(
        "--compare", metavar="MODEL", help="a second network, such as the ordinary twin"
    )
    report.add_argument("--compare-layer", metavar="NAME", help="layer of the second network")
    report.add_argument(
        "--pictures", type=_count, default=1000, metavar="N", help="pictures on the page at most"
    )
    report.add_argument("--title", metavar="TEXT", help="of the page")

    export = verb(
        "export", _export, "write a trained network for other runtimes, and compare it there"
    )
    export.add_argument("model", metavar="MODEL", help="a .keras file")
    export.add_argument(
        "--format",
        choices=["tf_saved_model", "onnx", "litert", "openvino"],
        default="tf_saved_model",
        help="as in keras.Model.export",
    )
    export.add_argument(
        "--out", metavar="PATH", help="what to write; MODEL with the format's ending if not given"
    )
    export.add_argument(
        "--endpoint",
        choices=["serve", "explain"],
        help="predictions, or what the filters did besides; both in a SavedModel if not given, "
        "else serve",
    )
    export.add_argument(
        "--layer",
        metavar="NAME",
        help="whose filters `explain` speaks of; the topmost if not given",
    )
    export.add_argument(
        "--preprocess",
        metavar="NETWORK",
        help="prepare pixels as this network of the zoo takes them, inside what is written",
    )
    export.add_argument(
        "--bytes", action="store_true", help="take pixels as bytes (uint8) instead of floats"
    )
    export.add_argument(
        "--top", type=_count, default=8, metavar="N", help="how many filters `explain` names"
    )
    export.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        metavar="SHARE",
        help="how far apart the two may be, as a share of each output's scale",
    )

    bench = verb("bench", _bench, "time the interpretable layer beside a plain convolution")
    from keras_icnn.bench._run import add_arguments

    add_arguments(bench)
    return parser


def _recipe_runs(sub, data, seed, category):
    """The options of verbs that run recipes, with what each means there."""
    sub.add_argument("--data", default=".", metavar="DIR", help=data)
    sub.add_argument("--seed", type=_seed, action="append", metavar="N", help=seed)
    sub.add_argument("--category", action="append", metavar="NAME", help=category)
    sub.add_argument(
        "--resume",
        action="store_true",
        help="go on where a run into the same --out was stopped; always so, with or without it",
    )


def _measured_data(sub, split, layer):
    """The options of verbs that measure a model's layer on a data set."""
    from keras_icnn.cli._evaluate_model import READERS, SPLITS

    sub.add_argument("--data", required=True, metavar="DIR", help="folder of the data set")
    sub.add_argument(
        "--reader", choices=READERS, help="its format; told by the files in it if not given"
    )
    sub.add_argument(
        "--split",
        choices=SPLITS,
        help=f"{split}: test (or validation where there is none) if not given; all includes those "
        "trained on, as the authors' code does",
    )
    sub.add_argument(
        "--category",
        action="append",
        metavar="NAME",
        help="a class of the model, in the order of its outputs, background left out; repeated",
    )
    sub.add_argument("--layer", metavar="NAME", help=layer)
    sub.add_argument(
        "--radius",
        type=float,
        metavar="PIXELS",
        help="of the round receptive fields; measured by occlusion if not given (slow)",
    )
    _preprocess_option(sub, "images", "models that do not do so themselves")


def _preprocess_option(sub, what, whom):
    sub.add_argument(
        "--preprocess",
        metavar="NETWORK",
        help=f"prepare {what} as this network of the zoo wants them, for {whom}",
    )


def _seed(text):
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text}")
    return seed


def _count(text):
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text}")
    return count


# argparse names the type in its message.
_seed.__name__ = "seed"
_count.__name__ = "number"


# --- the verbs ----------------------------------------------------------------------------------


def _demo(args):
    _import_keras()
    from keras_icnn.demo import run_demo

    run_demo(args.out, seed=args.seed, quick=args.quick)
    return DONE


def _models(args):
    _import_keras()
    from keras_icnn.zoo import list_models
    from keras_icnn.zoo._manifest import MANIFEST

    names = list_models(args.pattern)
    if not names:
        _complain(
            f"no network is called '{args.pattern}'. `keras-icnn models` lists all; a pattern may "
            "hold *, as in '*vgg*'."
        )
        return FAILED
    print(f"{'name':<32}{'parameters':>14}{'without head':>14}  network")
    for name in names:
        print(_model_line(name, MANIFEST))
    print("\nparameters: with the head for 1000 classes. Build one with keras_icnn.zoo.NAME(...).")
    return DONE


def _model_line(name, manifest):
    if name in manifest:
        card = manifest[name]
        counts = f"{card.parameters:>14,}{card.parameters_without_top:>14,}"
        return f"{name:<32}{counts}  {card.title}"
    card = manifest.get(name.removesuffix("_interpretable"))
    title = f"{card.title}, interpretable, with a new 3x3 layer" if card else ""
    return f"{name:<32}{'':>28}  {title}".rstrip()


def _train(args):
    _import_keras()
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
    return DONE


def _reproduce(args):
    _import_keras()
    from keras_icnn.recipes._reproduce import reproduce

    result = reproduce(
        args.table,
        args.data,
        args.out,
        networks=args.network,
        data_sets=args.data_set,
        categories=args.category,
        seeds=args.seed,
        rules=args.rule or (),
        recipes=args.recipe or (),
        all_images=args.split == "all",
        train=not args.print,
    )
    print(f"\n{result.text}\n")
    print(f"This table:         {result.files[0]}, {result.files[1]}")
    print(f"All figures:        {Path(args.out) / 'results.csv'}")
    return DONE


def _explain(args):
    _import_keras()
    from keras_icnn._figure import check_path
    from keras_icnn.cli._evaluate_model import reference_pictures
    from keras_icnn.datasets._files import read_image
    from keras_icnn.explanations import Explainer

    check_path(args.out)
    model = _load_model(args.model)
    size = _input_size(model, args.model)
    image = read_image(args.image, size)
    names = _names(args.classes)
    explainer = Explainer(
        model,
        args.method,
        layer=args.layer,
        reference=reference_pictures(args.data, size, names) if args.data else None,
        class_names=names,
        preprocess=_preprocess(args.preprocess),
    )
    explanation = explainer(image, _class(args.target), _class(args.against))
    print(explanation.summary(args.top))
    if args.out:
        explanation.plot(path=args.out)
        print(f"\nPicture: {args.out}")
    return DONE


def _report(args):
    _import_keras()
    from keras_icnn import visualize
    from keras_icnn.cli._evaluate_model import held_out_data

    model = _load_model(args.model)
    path = visualize.report(
        model,
        held_out_data(
            model, args.data, reader=args.reader, split=args.split, categories=args.category
        ),
        args.out,
        _load_model(args.compare) if args.compare else None,
        layer=args.layer,
        compare_layer=args.compare_layer,
        n=args.pictures,
        title=args.title,
        radius=args.radius,
        preprocess=_preprocess(args.preprocess),
        verbose=int(sys.stderr.isatty()),
    )
    print(f"Page: {path} ({path.stat().st_size / 1e6:.1f} MB). Open it in a browser.")
    return DONE


def _input_size(model, path):
    """(height, width) of a model's input."""
    size = tuple(model.inputs[0].shape[1:3])
    if None in size:
        raise ValueError(
            f"'{path}' takes images of any size, so none is known to resize to; build the model "
            "with a fixed `input_shape`."
        )
    return size


def _names(text):
    return text.split(",") if text else None


def _preprocess(network):
    """The preprocessing of a network of the zoo, or None."""
    if not network:
        return None
    from keras_icnn import zoo

    return functools.partial(zoo.preprocess_input, network)


def _class(text):
    """A class as given on the command line: a number where it is one, else a name."""
    return int(text) if text is not None and text.isdecimal() else text


def _load_model(path):
    """A saved model, the package's own classes in it included."""
    import keras

    import keras_icnn
    from keras_icnn._files.limits import check_file

    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, "there is no such model", path)
    # Importing them registers them.
    for name in keras_icnn.__all__:
        getattr(keras_icnn, name)
    try:
        check_file(path)
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # A damaged file fails in as many ways as it can be damaged.
        raise ValueError(
            f"'{path}' cannot be read as a model: it must be a .keras file of networks made of "
            "layers of Keras and of this package, and complete. Received: "
            f"{type(error).__name__}: {error}"
        ) from error


def _evaluate(args):
    _import_keras()
    from keras_icnn.cli._evaluate_model import evaluate_model

    report, keypoints, parts = evaluate_model(
        _load_model(args.model),
        args.data,
        name=Path(args.model).stem,
        preprocess=_preprocess(args.preprocess),
        reader=args.reader,
        split=args.split,
        categories=args.category,
        layer=args.layer,
        radius=args.radius,
        batch_size=args.batch_size,
        negatives=args.negatives,
        truth=args.truth,
        keypoints=args.keypoints,
        parts=args.parts,
        out=args.out,
        verbose=int(sys.stderr.isatty()),
    )
    print(report.summary())
    if keypoints is not None:
        print(f"\nKeypoint regression\n{keypoints.summary(report.landmarks)}")
    if parts is not None:
        print(f"\nParts at landmarks\n{parts.summary(report.landmarks)}")
    if args.out:
        print(f"\nFilter by filter:   {Path(args.out) / 'filters.csv'}")
        print(f"This table:         {Path(args.out) / 'summary.csv'}")
    return DONE


def _export(args):
    _import_keras()
    import keras

    from keras_icnn.export import FORMATS, export_model, verify

    model = _load_model(args.model)
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
        check=check,
    )
    print(found[0].summary())
    return DONE


def _bench(args):
    _import_keras()
    from keras_icnn.bench import _run as bench

    return bench.run(args)


def _import_keras():
    """Imports Keras and its backend without the lines that TensorFlow logs while it loads.

    They are written before any log level applies, to the file descriptor: it is turned aside
    during the import. Who sets TF_CPP_MIN_LOG_LEVEL sees all that it admits.
    """
    if "keras" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        importlib.import_module("keras")
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # Its Python side: advice on functions that are compiled once for each network here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            importlib.import_module("keras")
        except BaseException:
            # What was said may be the reason.
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)

"""`keras-icnn evaluate`."""

import sys
from pathlib import Path

from keras_icnn.cli._model_data import ModelData, tell_images
from keras_icnn.cli._options import add_from_logits, add_measured_data, add_model, number
from keras_icnn.cli._saved_model import load_model, preprocessing_of

SUMMARY = "measure the filters and the accuracy of a saved model"


def add_arguments(parser):
    add_model(parser)
    add_measured_data(parser, split="images to measure on", layer="the layer to measure")
    parser.add_argument("--batch-size", type=number, default=32, metavar="N", help="images at once")
    add_from_logits(parser)
    parser.add_argument(
        "--negatives", metavar="DIR", help="background images, for readers that take a folder"
    )
    parser.add_argument(
        "--truth", metavar="DIR", help="part annotations of Animal-Part as published"
    )
    parser.add_argument(
        "--landmarks",
        action="append",
        metavar="NAME",
        help="a landmark of CUB-200-2011 to measure against, repeated, or all of its 15: all",
    )
    parser.add_argument(
        "--keypoints", action="store_true", help="add keypoint regression, fitted on train"
    )
    parser.add_argument(
        "--parts",
        type=number,
        metavar="K",
        help="add how well K groups of filters, grouped on train, tell the landmarks apart",
    )
    parser.add_argument(
        "--faithfulness",
        type=number,
        metavar="N",
        help="add how faithful explanations of N images are, beside saliency maps",
    )
    parser.add_argument("--out", metavar="DIR", help="folder for filters.csv and summary.csv")


def run(args):
    from keras_icnn import metrics
    from keras_icnn.models._training_images import trained_on

    model = load_model(args.model)
    data = ModelData(
        model,
        args.data,
        reader=args.reader,
        categories=args.category,
        negatives=args.negatives,
        truth=args.truth,
        landmarks=args.landmarks,
    )
    measured = data.split(args.split)
    tell_images(data)
    _require_landmarks(measured, args.keypoints, args.parts)
    # Read before anything is measured, so that what is wrong with it is told at once.
    train = data.split("train") if args.keypoints or args.parts else None
    options = {
        "batch_size": args.batch_size,
        "preprocess": preprocessing_of(args.preprocess, model),
        "verbose": int(sys.stderr.isatty()),
    }
    name = Path(args.model).stem
    # Where the model knows what it was trained on, `evaluate` says it.
    if args.split == "all" and trained_on(model, measured) is None:
        name += " (all images, training ones included)"
    report = metrics.evaluate(
        model,
        measured,
        args.layer,
        radius=args.radius,
        name=name,
        from_logits=args.from_logits,
        **options,
    )
    texts = [report.summary()]
    if args.keypoints:
        found = metrics.evaluate_keypoints(model, train, measured, args.layer, **options)
        texts.append(f"Keypoint regression\n{found.summary(report.landmarks)}")
    if args.parts:
        found = metrics.evaluate_part_agreement(
            model, train, measured, args.layer, parts=args.parts, **options
        )
        texts.append(f"Parts at landmarks\n{found.summary(report.landmarks)}")
    faithful = None
    if args.faithfulness:
        faithful = _faithful(model, data, measured, args, options)
        texts.append(f"Faithfulness of explanations\n{faithful.summary()}")
    if args.out:
        texts.append(_written(report, Path(args.out), faithful))
    print("\n\n".join(texts))


def _faithful(model, data, measured, args, options):
    """The `FaithfulnessReport`; parts are named after the landmarks of validation images."""
    from keras_icnn import explanations

    try:
        reference = data.split("validation")
    except ValueError:
        reference = None
    return explanations.evaluate_faithfulness(
        model,
        measured,
        args.layer,
        reference=reference,
        radius=args.radius,
        images=args.faithfulness,
        from_logits=args.from_logits,
        **options,
    )


def _require_landmarks(dataset, keypoints, parts):
    if keypoints and not dataset.landmark_names:
        raise ValueError("Keypoint regression needs a data set with landmarks; this one has none.")
    if parts and len(dataset.landmark_names) < 3:
        raise ValueError(
            "NMI and ARI of parts need a data set with at least 3 landmarks; this one has "
            f"{len(dataset.landmark_names)}."
        )


def _written(report, out, faithful):
    """Writes the tables; returns the lines that name them."""
    out.mkdir(parents=True, exist_ok=True)
    report.to_csv(out / "filters.csv")
    report.to_csv(out / "summary.csv", table="summary")
    lines = [
        f"Filter by filter:   {out / 'filters.csv'}",
        f"This table:         {out / 'summary.csv'}",
    ]
    if faithful is not None:
        faithful.to_csv(out / "faithfulness.csv")
        lines.append(f"Explanations:       {out / 'faithfulness.csv'}")
    return "\n".join(lines)

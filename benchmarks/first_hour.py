"""The first hour, measured: three classes, 60 training images each, the networks of `train_folder`.

    python benchmarks/first_hour.py --data DATA --weights FILE --network mobilenet_v2 --seed 0 1

Draws 60 images a class for training and 100 others a class from Animal-Part, trains the
interpretable network and its ordinary twin as `keras-icnn train FOLDER --compare` does, and prints
accuracy, and how well the best-followed part of each class is followed: the median R2 of its
filters (for the ordinary twin, of all filters). The part and its landmark are chosen on every
second held-out image and measured on the others, and the other way round. Rows go to a CSV file.
"""

import argparse
import csv
import shutil
import time
from pathlib import Path

import numpy as np

import keras_icnn as icnn

# Categories on which no choice was made, in the order of the recipes: the first six.
SETS = (("antelope", "bear", "cattle"), ("koala", "monkey", "squirrel"))
TRAINING, OTHERS = 60, 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--weights", required=True, help="weights file of the network; or none")
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--fine-tune", default="top")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--image-size", type=int, help="pixels; the network's own if not given")
    parser.add_argument("--sets", type=int, default=len(SETS), help="sets of classes, 1 or 2")
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("runs/first_hour"))
    args = parser.parse_args()
    data = icnn.datasets.animal_part(args.data / "animal_part")
    for seed in args.seed:
        for classes in SETS[: args.sets]:
            name = f"{args.network}-{args.fine_tune}-{classes[0]}-{seed}"
            training, others = drawn(data, classes, seed)
            for part, images in (("photos", training), ("others", others)):
                as_folder(images, args.out / name / part)
            begin = time.perf_counter()
            run = icnn.recipes.train_folder(
                args.out / name / "photos",
                args.out / name / "run",
                validation_data=args.out / name / "others",
                network=args.network,
                weights=None if args.weights == "none" else args.weights,
                image_size=args.image_size,
                epochs=args.epochs,
                fine_tune=args.fine_tune,
                seed=seed,
                compare=True,
                verbose=False,
            )
            seconds = time.perf_counter() - begin
            for kind, model in (("interpretable", run.model), ("ordinary", run.ordinary)):
                row = {
                    "network": args.network,
                    "fine_tune": args.fine_tune,
                    "classes": " ".join(classes),
                    "seed": seed,
                    "kind": kind,
                    **figures(model, others, args.out / name / "others"),
                    "seconds_of_both": round(seconds),
                }
                print(row, flush=True)
                add(args.out / "first_hour.csv", row)


def drawn(data, classes, seed):
    """Training images and others, drawn with a seed: two data sets with landmarks."""
    everything = data.train.concatenate(data.validation)
    rng = np.random.default_rng(seed)

    def some(dataset, count):
        dataset = dataset.select(list(classes))
        rows = [
            row
            for label in range(len(classes))
            for row in rng.permutation(np.flatnonzero(dataset.labels == label))[:count]
        ]
        return dataset.subset(rows)

    return some(everything, TRAINING), some(data.test, OTHERS)


def as_folder(dataset, folder):
    """Copies the files of a data set into class folders, as a user has them."""
    for file, label in zip(dataset.files, dataset.labels, strict=True):
        target = folder / dataset.class_names[label] / Path(file).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def figures(model, dataset, folder):
    """Accuracy, R2 and share of filters alive; no R2 where the network takes images of other size.

    Landmarks are places in the files' pixels.
    """
    if model.input_shape[1:3] != dataset.image_size:
        values = icnn.metrics.evaluate(model, folder).values
        return row_of(values, len(dataset), np.nan)
    report = icnn.metrics.evaluate(model, dataset, parts=False)
    halves = [dataset[::2], dataset[1::2]]
    tables = [icnn.metrics.evaluate(model, half, parts=False).filters for half in halves]
    found = [
        followed(chosen, measured, category, dataset.landmark_names)
        for category in dataset.class_names
        for chosen, measured in (tables, tables[::-1])
    ]
    return row_of(report.values, len(dataset), float(np.nanmean(found)))


def row_of(values, images, r2):
    return {
        "images": images,
        "accuracy": round(values["accuracy"], 4),
        "best_part_r2": round(r2, 3),
        "alive": round(values["alive"], 3),
    }


def followed(chosen, measured, category, landmarks):
    """Median R2 of the filters of a category's best part, which is chosen on other images."""
    parts = chosen["part_number"] if "part_number" in chosen else [0] * len(chosen["category"])
    mine = [i for i, name in enumerate(chosen["category"]) if name == category]

    def median(table, part, landmark):
        values = [table[f"r2_{landmark}"][i] for i in mine if parts[i] == part]
        values = np.array([np.nan if v in ("", None) else v for v in values], "float64")
        return np.nanmedian(values) if np.isfinite(values).any() else -np.inf

    pairs = [
        (part, landmark) for part in sorted({parts[i] for i in mine}) for landmark in landmarks
    ]
    if not pairs:
        return np.nan
    return median(measured, *max(pairs, key=lambda pair: median(chosen, *pair)))


def add(path, row):
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()

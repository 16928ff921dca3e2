"""Puts a network that a recipe trained into the package, in half precision.

    python zoo/ship_weights.py --run runs/animals --data DATA

Reads the interpretable network and `results.csv` of the run, names the parts after the landmark
that their filters follow on the images they were trained on, and writes
`keras_icnn/zoo/pretrained/`. Then it loads what was written by the zoo's own builder, and prints
how many predictions differ.
"""

import argparse
import csv
import hashlib
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_icnn as icnn
from keras_icnn.zoo import _shipped

NETWORK, NAME = "mobilenet_v2", "animals"
LICENCE = (
    "Keras's MobileNetV2 weights (Apache-2.0), the new layers trained on images of ImageNet "
    "(Animal-Part), which are for research use."
)
FIGURES = ("accuracy", "best_part", "location_instability", "alive", "images")
# A part is named after a landmark where its filters follow it at least so well.
NAMED_FROM = 0.4


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of the recipe's run")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--recipe", default="animals", help="name of the recipe")
    args = parser.parse_args()
    data = icnn.datasets.animal_part(args.data / "animal_part")
    names = [name for name in data.class_names if name != "negative"]
    model = keras.saving.load_model(next((args.run / "models").glob("*-interpretable-*.keras")))
    model.class_names = names
    seen = data.train.concatenate(data.validation).select(names)
    model.remember(seen)
    annotated = annotated_images(seen)
    with open(args.run / "results.csv", newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if is_result(row))
    parts = part_names(model, annotated)
    write(model, parts, row, args.recipe)
    again = icnn.zoo.create_model(f"{NETWORK}_interpretable", weights=NAME)
    compare(model, again, data.test.select(names)[::5])


def arguments_of(recipe):
    """The builder's arguments of the recipe's interpretable network."""
    read = icnn.recipes.read_recipe(Path(__file__).parent / "recipes" / f"{recipe}.toml")
    return next(v.arguments for v in read.variants if v.name == "interpretable")


def is_result(row):
    return row["variant"] == "interpretable" and not row.get("detector")


def annotated_images(dataset):
    return dataset.subset(np.flatnonzero(np.isfinite(dataset.landmarks).all(axis=-1).any(axis=-1)))


def part_names(model, dataset):
    """Names of parts by their keys, each after the landmark that its filters follow."""
    filters = icnn.metrics.evaluate(model, dataset, parts=False).filters
    found = {}
    for category in dataset.class_names:
        best = {}
        for part in sorted(set(filters["part_number"])):
            mine = [
                i
                for i, name in enumerate(filters["part_category"])
                if name == category and filters["part_number"][i] == part
            ]
            for landmark in dataset.landmark_names:
                r2 = np.array([filters[f"r2_{landmark}"][i] for i in mine], "float64")
                if len(r2) and np.nanmedian(r2) >= NAMED_FROM:
                    best.setdefault(landmark, []).append((float(np.nanmedian(r2)), part))
        for landmark, scores in best.items():
            for rank, (_, part) in enumerate(sorted(scores, reverse=True)):
                name = landmark.replace("_", " ")
                found.setdefault(f"{category}/{part}", name if not rank else f"{name} {rank + 1}")
    return found


def write(model, parts, row, recipe):
    folder = Path(_shipped.__file__).parent / "pretrained"
    folder.mkdir(exist_ok=True)
    file = f"{NETWORK}_{NAME}.weights.h5"
    with tempfile.TemporaryDirectory() as scratch:
        model.save_weights(Path(scratch) / file)
        _shipped.in_half_precision(Path(scratch) / file, folder / file)
    known = {
        "network": NETWORK,
        "weights": NAME,
        "file": file,
        "sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest(),
        "licence": LICENCE,
        "recipe": recipe,
        "seed": int(row["seed"]),
        "figures": {name: float(row[name]) for name in FIGURES if row.get(name)},
        "arguments": {**arguments_of(recipe), "input_shape": list(model.input_shape[1:])},
        "class_names": model.class_names,
        "part_names": parts,
    }
    text = json.dumps(known, indent=2) + "\n"
    (folder / f"{NETWORK}_{NAME}.json").write_text(text, encoding="utf-8")
    print(f"{file}: {(folder / file).stat().st_size / 2**20:.2f} MiB, {len(parts)} named parts")


def compare(model, again, dataset):
    """Prints how the shipped network's decisions differ from the trained one's."""
    batches = dataset.batches(64)
    old, new = (m.predict(batches, verbose=0).argmax(axis=1) for m in (model, again))
    for name, decided in (("trained", old), ("shipped", new)):
        print(f"{name}: accuracy {np.mean(decided == dataset.labels):.4f}")
    print(f"decisions that differ: {np.sum(old != new)} of {len(old)}")


if __name__ == "__main__":
    main()

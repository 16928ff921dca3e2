"""CRAFT's concepts (Xplique) on the networks and images of benchmarks/faithfulness.py.

    pip install --no-deps xplique==2.0.2 tensorflow-probability tf_keras   # see below
    pip install deprecated decorator dm-tree einops narwhals scikit-learn scikit-image
    pip install opencv-python-headless
    python benchmarks/faithfulness_craft.py --data DATA --out runs/faithfulness --category bear

Xplique 2.0.2 asks for tensorflow>=2.18,<=2.20; this package's own tests run with 2.21. Past these
pins, with its other needs installed by hand, it runs on Keras 3.15. TensorFlow only.
Adds rows of the method "craft" to `curves.csv`.
"""

import argparse
from pathlib import Path

import faithfulness as benchmark
import keras
import numpy as np
from xplique.concepts import CraftTf

from keras_icnn import datasets, explanations
from keras_icnn.explanations._saliency import at_pixels
from keras_icnn.metrics import measured_layer, receptive_field
from keras_icnn.models._split_model import SplitModel

_CONCEPTS, _PATCH = 8, 64


def craft_map(model, images):
    """Function of (image, class) that gives CRAFT's map, fitted on images of the class.

    The map is the sum of the concepts' maps, each times its importance (total Sobol index).
    """
    layer = measured_layer(model)
    split = SplitModel(model, layer)
    below, head = split._below, split._head
    craft = CraftTf(
        input_to_latent_model=below,
        latent_to_logit_model=head,
        number_of_concepts=_CONCEPTS,
        patch_size=_PATCH,
        batch_size=16,
    )
    images = np.asarray(images, "float32")
    craft.fit(images, class_id=0)
    craft.estimate_importance()
    importance = np.asarray(craft.sensitivity.importances)
    field = receptive_field(model, layer, input_size=images.shape[1:3])

    def found(image, target):
        concepts = np.asarray(craft.transform(np.asarray(image, "float32")[None]))[0]
        return at_pixels(concepts @ importance, field)

    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--category", action="append", required=True)
    parser.add_argument("--images", type=int, default=10)
    args = parser.parse_args()
    out = Path(args.out)
    table = benchmark.Table(out / "curves.csv")
    splits = datasets.read("animal_part", Path(args.data) / "animal_part")
    for category in args.category:
        test, _ = benchmark.halves(splits.test.select(["negative", category]))
        fitted = splits.train.select([category]).take(20)
        for variant in ("ordinary_extra", "interpretable"):
            run = {"category": category, "variant": variant}
            if table.has(method="craft", **run):
                continue
            keras.utils.set_random_seed(0)
            model = benchmark.network(out, run)
            images = np.stack([fitted.image(i) for i in range(len(fitted))])
            report = explanations.evaluate_faithfulness(
                model,
                test.subset(benchmark.annotated(test)[: args.images]),
                methods=[],
                extra={"craft": craft_map(model, images)},
                radius=30.0,
                images=args.images,
                upper_bound=0,
                sensitivity=0,
                batch_size=14,
            )
            rows = [row for row in report.rows if row["method"] == "craft"]
            named = [{**run, **row, "file": benchmark.name_of(row["file"])} for row in rows]
            table.add(named)
            print(category, variant, report.means()["craft"], flush=True)


if __name__ == "__main__":
    main()

"""Whether a network of several classes decides by the filters of the class that it names.

    python benchmarks/own_filters.py --data DATA MODEL.keras [MODEL.keras ...]

For networks of Animal-Part's categories (`keras-icnn train animals`), on the test split: the share
of the predicted class's filters in what speaks for it, image by image (pooled activation times
weight, where it is positive); and how strongly filters are activated on images of their category,
relative to other images. With C classes a share of 1 / C is chance.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

import keras_icnn as icnn


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", help="networks whose head is pooling and one layer")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    args = parser.parse_args()
    data = icnn.datasets.animal_part(args.data / "animal_part")
    names = [name for name in data.class_names if name != "negative"]
    test = data.test.select(names)
    for path in args.models:
        share, ratio, accuracy = figures(keras.saving.load_model(path), test)
        print(f"{path}: own share {share:.3f}, own activation {ratio:.2f}, accuracy {accuracy:.4f}")


def figures(model, test):
    """(mean share of own filters, activation on own images over that on others, accuracy)."""
    layer = next(x for x in model.layers if isinstance(x, icnn.InterpretableConv))
    head = next(x for x in model.layers[::-1] if isinstance(x, keras.layers.Dense))
    category = layer.parts().category
    reads = keras.Model(model.inputs[0], head.input)
    pooled = reads.predict(test.batches(64), verbose=0)
    weights, bias = head.get_weights()
    predicted = (pooled @ weights + bias).argmax(axis=1)
    speaks = np.maximum(pooled * weights[:, predicted].T, 0)
    own = category == predicted[:, None]
    of_class = [pooled[test.labels == c] for c in range(weights.shape[1])]
    on_own = np.mean([maps[:, category == c].mean() for c, maps in enumerate(of_class)])
    on_others = np.mean([maps[:, category != c].mean() for c, maps in enumerate(of_class)])
    share = (speaks * own).sum(axis=1) / speaks.sum(axis=1)
    return share.mean(), on_own / on_others, np.mean(predicted == test.labels)


if __name__ == "__main__":
    main()

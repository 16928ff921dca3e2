"""Draws docs/images/filters.jpg and parts.jpg from the networks that `keras-icnn demo` made.

    keras-icnn demo --out demo
    python docs/images/draw_filters.py demo

Of the interpretable network: for each landmark the filter with the highest anatomy. Of the ordinary
one: the filter in the middle of all, by R2. The images are the first foxes of the test split.
"""

import csv
import sys
from pathlib import Path

import keras
import matplotlib
import numpy as np

import keras_icnn as icnn
from keras_icnn import demo

matplotlib.use("agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
COLUMNS = 8


def main(folder):
    images = demo.pictures(demo.Setting(), seed=0).test
    foxes = images.select(["fox"])
    shown = np.stack([foxes.image(i) for i in range(COLUMNS)])
    rows = []
    for name, layer in (("interpretable", demo.LAYER), ("ordinary", "top_relu")):
        model = keras.models.load_model(folder / f"{name}.keras")
        if name == "interpretable":
            figure = icnn.visualize.part_gallery(model, images, "fox")
            figure.savefig(HERE / "parts.jpg", dpi=92, pil_kwargs={"quality": 80})
        peaks, _ = icnn.explanations.Explainer(model, "gradient", layer=layer).peaks(shown)
        with open(folder / f"filters_{name}.csv", newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        chosen = best(table, foxes.landmark_names) if name == "interpretable" else middle(table)
        rows += [(f"{name}\n{label}", peaks[:, f]) for label, f in chosen]
    draw(shown, rows).savefig(HERE / "filters.jpg", dpi=75, pil_kwargs={"quality": 80})


def best(table, landmarks):
    """(label, filter) for each landmark: the filter that follows it best in the fox's own frame."""
    chosen = []
    for landmark in landmarks:
        mine = [f for f, row in enumerate(table) if row["anatomy_landmark"] == landmark]
        if mine:
            f = max(mine, key=lambda f: float(table[f]["anatomy"]))
            chosen.append((f"{landmark}, anatomy {float(table[f]['anatomy']):.2f}", f))
    return chosen


def middle(table):
    """(label, filter): the filter in the middle, by the R2 of the landmark it follows best."""
    order = sorted(range(len(table)), key=lambda f: float(table[f]["r2"] or "-inf"))
    f = order[len(order) // 2]
    return [(f"anatomy {float(table[f]['anatomy']):.2f}", f)]


def draw(images, rows):
    figure, axes = plt.subplots(
        len(rows), COLUMNS, figsize=(1.6 * COLUMNS + 0.6, 1.65 * len(rows)), squeeze=False
    )
    for line, (label, peaks) in zip(axes, rows, strict=True):
        line[0].set_ylabel(label, fontsize=10)
        for axis, image, (x, y) in zip(line, images, peaks, strict=True):
            axis.imshow(image)
            for width, color in ((4.5, "black"), (2.5, "#ff2e88")):
                ring = plt.Circle((x, y), 9, fill=False, color=color, linewidth=width)
                axis.add_patch(ring)
            axis.set_xticks([])
            axis.set_yticks([])
    figure.tight_layout(pad=0.4)
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]))

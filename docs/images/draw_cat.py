"""Draws docs/images/cat.jpg: where the filters of three parts fire on a cat.

The photograph is `data.chelsea` of scikit-image (CC0, Stefan van der Walt), saved as an image file.
The network:

    keras-icnn train zoo/recipes/table3_squeezenet.toml --data DATA --out runs/cat \\
        --category domestic_cat --variant interpretable

Then: python docs/images/draw_cat.py MODEL.keras chelsea.png docs/images/cat.jpg

Parts were named by eye, on held-out images of the data set.
"""

import sys

import keras
import matplotlib
import numpy as np
from PIL import Image, ImageFilter

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import keras_icnn as icnn

# Part, its name, its color, and where its label stands, in pixels of the photograph.
PARTS = (
    (1, "ear", "#e53935", (432, 20)),
    (4, "muzzle", "#1e88e5", (36, 250)),
    (5, "mouth", "#fb8c00", (300, 285)),
)
# The network was trained on crops of whole cats, so the head may not fill its input.
SIZE, WIDTH = 224, 200


def placed(photo):
    """The photograph inside a blurred border, and where it lies in it."""
    height = round(WIDTH * photo.height / photo.width)
    corner = ((SIZE - WIDTH) // 2, round(0.66 * (SIZE - height)))
    canvas = photo.resize((SIZE, SIZE)).filter(ImageFilter.GaussianBlur(14))
    canvas.paste(photo.resize((WIDTH, height), Image.Resampling.LANCZOS), corner)
    return canvas, np.array(corner), photo.width / WIDTH


def main(model, photo, out):
    network = keras.saving.load_model(model)
    photo = Image.open(photo).convert("RGB")
    canvas, corner, scale = placed(photo)
    layer = network.get_layer("interpretable_conv")
    maps = keras.ops.convert_to_numpy(
        keras.Model(network.inputs, layer.output)(np.asarray(canvas, "float32")[None])
    )[0]
    units = icnn.metrics.receptive_field(network, layer)
    figure, axes = plt.subplots(figsize=(6.4, 4.26))
    axes.imshow(photo)
    axes.set_axis_off()
    part_of = layer.parts().part
    for part, name, color, label in PARTS:
        places = []
        for f in np.flatnonzero(part_of == part):
            row, column = np.unravel_index(maps[..., f].argmax(), maps.shape[:2])
            places.append((units.centers[row, column] - corner) * scale)
        # Filters of a part may share a unit: rings are moved apart by up to 5 pixels.
        moved = np.array(places) + np.random.default_rng(0).uniform(-5, 5, (len(places), 2))
        axes.scatter(*moved.T, s=220, facecolors="none", edgecolors=color, linewidths=1.6)
        axes.annotate(
            f"{name}: {len(places)} filters",
            np.median(moved, axis=0),
            label,
            color="white",
            ha="left" if label[0] < 220 else "right",
            va="center",
            bbox={"boxstyle": "round", "facecolor": color, "edgecolor": "none"},
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 1.6},
        )
    figure.subplots_adjust(0, 0, 1, 1)
    figure.savefig(out, dpi=110, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main(*sys.argv[1:])

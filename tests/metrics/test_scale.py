"""Measuring at scale: memory and time do not grow with the images but for what is kept of them."""

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = '''
import resource, sys

import numpy as np
import keras

from keras_icnn import datasets, metrics

SIZE, UNITS, FILTERS = (56, 56), 14, 256


def generated(n):
    """Pictures with a bright square, made when they are asked for; every tenth is background."""
    places = np.random.default_rng(0).integers(8, 48, (n, 2))
    labels = (np.arange(n) % 10 > 0).astype(int)

    def image(i):
        picture = np.random.default_rng(i).integers(0, 60, (*SIZE, 3), "uint8")
        x, y = places[i]
        picture[y - 5 : y + 6, x - 5 : x + 6] = 255
        return picture

    def parts(i):
        mask = np.zeros((2, *SIZE), bool)
        x, y = places[i]
        mask[0, y - 5 : y + 6, x - 5 : x + 6] = True
        return mask

    landmarks = np.stack([places, 55 - places], axis=1).astype("float32")
    landmarks[labels == 0] = np.nan
    return datasets.PartDataset(
        image=image, parts=parts, labels=labels, landmarks=landmarks,
        files=[f"{i}.png" for i in range(n)], class_names=["negative", "beast"],
        image_size=SIZE, landmark_names=["head", "tail"], part_names=["head", "tail"],
    )


keras.utils.set_random_seed(0)
inputs = keras.Input((*SIZE, 3))
x = keras.layers.AveragePooling2D(4)(keras.layers.Rescaling(1 / 255)(inputs))
x = keras.layers.Conv2D(FILTERS, 3, padding="same", activation="relu", name="maps")(x)
model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(x)))


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


for n in (500, 500, int(sys.argv[1])):  # the first call compiles
    report = metrics.evaluate(model, generated(n), "maps", radius=8.0)
    keypoints = metrics.evaluate_keypoints(model, generated(n // 2), generated(n // 2), "maps")
    assert report.values["images"] == n and np.isfinite(keypoints.error)
    print(n, peak(), report.values["part_interpretability"], flush=True)
'''


@pytest.mark.slow
def test_memory_grows_by_what_is_kept_only():
    """5,000 images' maps would take 1 GB; kept of them are the highest half percent, and peaks."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, "5000"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    (_, few, _), (n, many, _) = (map(float, row.split()) for row in done.stdout.split("\n")[1:3])
    assert n == 5000 and many - few < 250

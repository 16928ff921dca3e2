"""Small networks and hostile data for the tests of the HTML report."""

import keras
import numpy as np
from keras import layers

import keras_icnn as icnn
from keras_icnn.datasets import PartDataset, creatures

# Names a data set may hold: they must be shown, not obeyed.
MARKUP = "<img src=x onerror=\"document.title='owned'\">"
SCRIPT = "</script><script>document.title='owned'</script><!--"
SIZE = (48, 64)


def network(interpretable=True, filters=30, size=SIZE, outputs=3, seed=1):
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((*size, 3))
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(6, 3, strides=8, padding="same", activation="relu")(x)
    if interpretable:
        x = icnn.InterpretableConv(filters, 3, padding="same", num_classes=outputs, name="parts")(x)
    else:
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name="maps")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(outputs, activation="softmax" if outputs > 1 else "sigmoid")(x)
    make = icnn.InterpretableModel if interpretable else keras.Model
    return make(inputs, outputs, name="interpretable" if interpretable else "ordinary")


def pictures(n=30, hostile=False):
    """Pictures of cats and hares and of neither, 48 x 64."""
    made = creatures(0, 0, n, SIZE, species=["cat", "hare"], seed=3).test.cache()
    names = ["background", MARKUP, "&amp;"] if hostile else made.class_names
    files = [
        f"/home/somebody/{SCRIPT}/{MARKUP}{i}.png" if hostile else f
        for i, f in enumerate(made.files)
    ]
    return PartDataset(
        image=made.image,
        labels=made.labels,
        files=files,
        class_names=names,
        image_size=SIZE,
        parts=made.part_masks,
        landmarks=made.landmarks,
        landmark_names=[SCRIPT, *made.landmark_names[1:]] if hostile else made.landmark_names,
        part_names=made.part_names,
    )


def grey_pictures(n=12):
    """Gray pictures with a white square somewhere in the middle; no annotations."""

    def image(i):
        picture = np.full((*SIZE, 3), 40, "uint8")
        y, x = 12 + 5 * (i % 4), 14 + 9 * (i % 3)
        picture[y : y + 11, x : x + 11] = 255
        return picture

    return PartDataset(
        image=image,
        labels=np.ones(n, int),
        files=[f"{i}.png" for i in range(n)],
        class_names=["background", "gray"],
        image_size=SIZE,
    )

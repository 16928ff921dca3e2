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


def beside_the_square(right):
    """A network whose filters fire some pixels to the right of a white square, and its images.

    Args:
        right: pixels, a multiple of 8.
    """
    inputs = keras.Input((*SIZE, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.AveragePooling2D(8)(x)
    # A convolution that looks to its left.
    rule = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=1)
    x = icnn.InterpretableConv(
        2, 7, padding="same", num_classes=2, background_class=0, filter_loss=rule, name="parts"
    )(x)
    outputs = layers.Dense(1)(layers.GlobalMaxPooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs, name="beside")
    kernel = np.zeros((7, 7, 3, 2), "float32")
    kernel[3, 3 - right // 8] = 1
    model.get_layer("parts").set_weights([kernel, *model.get_layer("parts").get_weights()[1:]])
    model.layers[-1].set_weights([np.ones((2, 1), "float32"), np.array([-1.0], "float32")])
    places = np.array([(8 * (i % 5) + 4, 8 * (i // 5) + 4) for i in range(25)])

    def image(i):
        picture = np.full((*SIZE, 3), 20, "uint8")
        x, y = places[i]
        picture[y - 4 : y + 4, x - 4 : x + 4] = 255
        return picture

    data = PartDataset(
        image=image,
        labels=np.ones(len(places), int),
        files=[f"{i}.png" for i in range(len(places))],
        class_names=["none", "square"],
        image_size=SIZE,
        landmarks=places[:, None].astype("float32") - 0.5,
        landmark_names=["square"],
    )
    return model, data

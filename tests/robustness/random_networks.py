"""Networks drawn at random, small enough to train, measure, explain and save in seconds."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers

import keras_icnn as icnn
from keras_icnn.datasets import PartDataset

IMAGES = 12


@dataclasses.dataclass(frozen=True)
class Network:
    """What a network is made of. Shown when a check fails, the smallest one that does."""

    size: tuple = (12, 12)
    preprocessing: tuple = ()
    depth: int = 0
    interpretable: tuple = ("conv",)
    nesting: str = "flat"
    same_names: bool = False
    pooling: str = "average"
    classes: int = 2
    ending: str = "activation"
    second_output: bool = False
    policy: str = "float32"
    rule: str | None = "default"
    mask: bool = True
    normalization: str | None = "batch"


PREPROCESSING = {
    "rescaling": lambda: layers.Rescaling(1 / 127.5, offset=-1),
    "normalization": lambda: layers.Normalization(mean=[100.0, 110.0, 120.0], variance=[900.0] * 3),
    "flip": lambda: layers.RandomFlip("horizontal", seed=0),
    "noise": lambda: layers.GaussianNoise(0.1, seed=0),
    "pad": lambda: layers.ZeroPadding2D(((1, 0), (2, 1))),
    "crop": lambda: layers.Cropping2D(((0, 1), (1, 0))),
}
POOLING = {
    "average": lambda x: layers.GlobalAveragePooling2D()(x),
    "maximum": lambda x: layers.GlobalMaxPooling2D()(x),
    "flatten": lambda x: layers.Flatten()(x),
    "convolution": lambda x: layers.GlobalAveragePooling2D()(
        layers.Conv2D(3, 3, padding="same", activation="relu", name="above")(x)
    ),
}
NESTING = ("flat", "head", "backbone", "deep", "both", "sequential")


def _squash(classes):
    return "sigmoid" if classes == 1 else "softmax"


ENDINGS = {
    "activation": lambda x, n: layers.Dense(n, activation=_squash(n))(x),
    "logits": lambda x, n: layers.Dense(n)(x),
    "layer": lambda x, n: layers.Activation(_squash(n))(layers.Dense(n)(x)),
    "float32": lambda x, n: layers.Activation("linear", dtype="float32")(
        layers.Dense(n, activation=_squash(n))(x)
    ),
    "identity": lambda x, n: layers.Identity()(layers.Dense(n, activation=_squash(n))(x)),
    "dropout": lambda x, n: layers.Dropout(0.2, seed=0)(layers.Dense(n, activation=_squash(n))(x)),
    "reshape": lambda x, n: layers.Reshape((n,))(
        layers.Reshape((1, n))(layers.Dense(n, activation=_squash(n))(x))
    ),
    "sequential": lambda x, n: keras.Sequential(
        [keras.Input(x.shape[1:]), layers.Dense(n, activation=_squash(n))], name="classifier"
    )(x),
    "operation": lambda x, n: getattr(keras.ops, _squash(n))(layers.Dense(n)(x)),
    "each": lambda x, n: layers.Dense(n, activation="sigmoid")(x),
    "temperature": lambda x, n: layers.Activation(_squash(n))(layers.Dense(n)(x) * 0.5),
    "mean of two": lambda x, n: layers.Average()(
        [layers.Dense(n, activation=_squash(n))(x), layers.Dense(n, activation=_squash(n))(x)]
    ),
}


@st.composite
def networks(draw):
    """Any `Network`."""
    kinds = st.sampled_from(("conv", "filters"))
    return Network(
        size=(draw(st.integers(12, 16)), draw(st.integers(12, 16))),
        preprocessing=tuple(draw(st.lists(st.sampled_from(list(PREPROCESSING)), max_size=2))),
        depth=draw(st.integers(0, 2)),
        interpretable=tuple(draw(st.lists(kinds, min_size=1, max_size=3))),
        nesting=draw(st.sampled_from(NESTING)),
        same_names=draw(st.booleans()),
        pooling=draw(st.sampled_from(list(POOLING))),
        classes=draw(st.integers(1, 5)),
        ending=draw(st.sampled_from(list(ENDINGS))),
        second_output=draw(st.sampled_from((False, False, False, True))),
        policy=draw(st.sampled_from(("float32", "float32", "mixed_float16", "mixed_bfloat16"))),
        rule=draw(st.sampled_from(("default", "paper", "official", None))),
        mask=draw(st.booleans()),
        normalization=draw(st.sampled_from(("batch", None))),
    )


@keras.saving.register_keras_serializable(package="tests")
class TwoOutputs(icnn.InterpretableModel):
    """The filters follow the labels of the first output."""

    def filter_labels(self, y):
        return y[0]


def build(network):
    """The `InterpretableModel` of a `Network`, compiled."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(network.policy)
    inputs = keras.Input((*network.size, 3))
    x = inputs
    for kind in network.preprocessing:
        x = PREPROCESSING[kind]()(x)
    if network.same_names and network.nesting in NESTING[2:]:
        x = layers.Conv2D(3, 1, name="same")(x)
    x = _nested(x, lambda t: _features(t, network), network)
    if network.nesting in ("head", "both"):
        inner = keras.Input(x.shape[1:])
        outputs = keras.Model(inner, _head(inner, network), name="head")(x)
    else:
        outputs = _head(x, network)
    make = TwoOutputs if network.second_output else icnn.InterpretableModel
    if network.second_output:
        outputs = [outputs, layers.Dense(2, name="second")(layers.GlobalMaxPooling2D()(x))]
    model = make(inputs, outputs, name="network")
    loss = "binary_crossentropy" if network.classes == 1 else "sparse_categorical_crossentropy"
    # Small steps: raw pixels in the second output's squared error would let the network diverge.
    optimizer = keras.optimizers.SGD(1e-6)
    losses = [loss, "mse"] if network.second_output else loss
    model.compile(optimizer, losses, run_eagerly=True)
    return model


def _head(x, network):
    return ENDINGS[network.ending](POOLING[network.pooling](x), network.classes)


def _features(x, network):
    for number in range(network.depth):
        name = "same" if network.same_names and number == 0 else f"plain{number}"
        x = layers.Conv2D(5, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    for number, kind in enumerate(network.interpretable):
        given = {
            "num_classes": max(network.classes, 2),
            "background_class": 0 if network.classes == 1 else None,
            "filter_loss": network.rule,
            "mask": network.mask,
            "normalization": network.normalization,
            "name": f"parts{number}",
        }
        if kind == "conv":
            x = icnn.InterpretableConv(6, 3, padding="same", **given)(x)
        else:
            x = icnn.InterpretableFilters(**given)(layers.Conv2D(6, 3, padding="same")(x))
    return x


def _nested(x, features, network):
    if network.nesting not in NESTING[2:]:
        return features(x)
    inner = keras.Input(x.shape[1:])
    model = icnn.InterpretableModel(inner, features(inner), name="backbone")
    if network.nesting == "deep":
        outer = keras.Input(x.shape[1:])
        model = keras.Model(outer, model(outer), name="outer")
    if network.nesting == "sequential":
        model = keras.Sequential([keras.Input(x.shape[1:]), model], name="stack")
    return model(x)


def dataset(network, images=IMAGES):
    """A `PartDataset` of noise that differs by class."""
    classes = max(network.classes, 2)
    rng = np.random.default_rng(0)
    labels = np.arange(images) % classes
    pixels = rng.integers(0, 150, (images, *network.size, 3)).astype("uint8")
    for image, label in zip(pixels, labels, strict=True):
        image[..., label % 3] += np.uint8(50 + 25 * (label // 3))
    return PartDataset(
        image=lambda i: pixels[i],
        labels=labels,
        files=[f"{i}.png" for i in range(images)],
        class_names=[f"class{k}" for k in range(classes)],
        image_size=network.size,
        landmarks=rng.uniform(2, 9, (images, 1, 2)),
        landmark_names=["head"],
    )

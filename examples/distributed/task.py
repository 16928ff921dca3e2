"""What the examples of this folder train: a small interpretable network on pictures."""

import argparse
from pathlib import Path

import keras

import keras_icnn as icnn


def arguments(description):
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder; all processes must see it")
    parser.add_argument("--data", help="folder of class folders; generated creatures without")
    parser.add_argument("--pictures", type=int, default=600, help="number of creatures")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures in pixels")
    parser.add_argument("--batch", type=int, default=32, help="of all processes together")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--filters", type=int, default=32)
    parser.add_argument(
        "--rules", nargs="+", default=["default"], help="filter loss of each interpretable layer"
    )
    return parser.parse_args()


def pictures(args):
    """The training set; every process makes the whole of it, and reads its share."""
    size = (args.size, args.size)
    if args.data:
        return icnn.datasets.folder(args.data, image_size=size).train
    return icnn.datasets.creatures(args.pictures, 0, 0, image_size=size).train


def network(args, classes):
    """The network, compiled. All processes start from the same weights.

    Make it where the devices are known: inside the strategy's scope (TensorFlow), or after
    `keras.distribution.set_distribution` (JAX).
    """
    keras.utils.set_random_seed(0)
    inputs = keras.Input((args.size, args.size, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(args.filters, 5, strides=4, padding="same", activation="relu")(x)
    for k, rule in enumerate(args.rules):
        x = icnn.InterpretableConv(
            args.filters,
            3,
            padding="same",
            num_classes=classes,
            filter_loss=rule,
            # Over the pictures of all devices: the layer sees to it.
            normalization="batch",
            name=f"parts_{k}",
        )(x)
    outputs = keras.layers.Dense(classes)(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model

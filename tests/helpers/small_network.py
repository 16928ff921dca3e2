"""A small interpretable network and the data it is trained on."""

import keras
import numpy as np

import keras_icnn as icnn


class Batches(keras.utils.PyDataset):
    """Batches whose order depends on nothing but the index; `spoil` may change one."""

    def __init__(self, n=5, size=8, classes=3, spoil=None):
        super().__init__()
        rng = np.random.default_rng(0)
        self.x = rng.random((n, size, 10, 10, 3)).astype("float32")
        self.y = rng.integers(0, classes, (n, size)).astype("int32")
        self.spoil = spoil or (lambda k, x, y: (x, y))

    def __len__(self):
        return len(self.x)

    def __getitem__(self, k):
        return self.spoil(k, self.x[k].copy(), self.y[k].copy())


def network(
    classes=3, dropout=0.3, rule="default", optimizer="adam", interpretable=True, eager=True
):
    inputs = keras.Input((10, 10, 3))
    x = keras.layers.Conv2D(4, 3, name="below")(inputs)
    x = keras.layers.Dropout(dropout, seed=1)(x)
    if interpretable:
        x = icnn.InterpretableConv(
            6, 3, num_classes=classes, normalization="batch", filter_loss=rule, name="parts"
        )(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(classes, name="head")(x)
    make = icnn.InterpretableModel if interpretable else keras.Model
    model = make(inputs, outputs, name="network")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Compiling takes longer than the few steps of these tests.
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=eager)
    return model

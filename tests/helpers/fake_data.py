"""A tiny data set with the interface of `PartDataset`: a bright square (the head) on noise."""

from types import SimpleNamespace

import keras
import numpy as np

SIZE = (32, 40)


class _Batches(keras.utils.PyDataset):
    def __init__(self, dataset, batch_size):
        super().__init__()
        self.dataset, self.batch_size = dataset, batch_size

    def __len__(self):
        return -(-len(self.dataset) // self.batch_size)

    def __getitem__(self, index):
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.dataset.images[chosen].astype("float32"), self.dataset.labels[chosen]


class FakeDataset:
    def __init__(self, n=48, classes=("negative", "beast"), parts=True, seed=0):
        rng = np.random.default_rng(seed)
        self.class_names = list(classes)
        self.landmark_names = ["head", "legs"]
        self.part_names = ["head"] if parts else []
        self.image_size = SIZE
        self.labels = rng.permutation(np.arange(n) % len(classes))
        self.images = rng.integers(0, 60, (n, *SIZE, 3)).astype("uint8")
        self.landmarks = np.full((n, 2, 2), np.nan, "float32")
        self.masks = np.zeros((n, len(self.part_names), *SIZE), bool)
        for i, label in enumerate(self.labels):
            if self.class_names[label] == "negative":
                continue
            x, y = rng.integers(6, SIZE[1] - 6), rng.integers(6, SIZE[0] - 6)
            self.images[i, y - 4 : y + 5, x - 4 : x + 5, min(label - 1, 2)] = 255
            self.landmarks[i] = [[x, y], rng.uniform(0, 30, 2)]
            if parts:
                self.masks[i, 0, y - 4 : y + 5, x - 4 : x + 5] = True

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return SimpleNamespace(
            image=self.images[i],
            label=int(self.labels[i]),
            landmarks=self.landmarks[i],
            parts=self.masks[i],
            file=f"{i}.png",
        )

    def image(self, i):
        return self.images[i]

    def part_masks(self, i):
        return self.masks[i]

    def batches(self, batch_size):
        return _Batches(self, batch_size)


def network(outputs=1, activation="sigmoid", filters=4):
    """Filters 0 to 2 find bright squares of a color, filter 3 is dead; then a linear head."""
    image = keras.Input((*SIZE, 3), name="image")
    x = keras.layers.AveragePooling2D(5, 2, padding="same")(image)
    x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name="maps")(x)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    x = keras.layers.Dense(outputs, activation=activation, name="head")(x)
    model = keras.Model(image, x, name="net")
    kernel = np.zeros((3, 3, 3, filters), "float32")
    for f in range(3):
        kernel[:, :, f, f] = 1 / 9
    bias = np.zeros(filters, "float32")
    bias[:3] = -60
    bias[3:] = -1
    model.get_layer("maps").set_weights([kernel, bias])
    weights = np.zeros((filters, outputs), "float32")
    if outputs == 1:
        weights[0] = 1.0
        model.get_layer("head").set_weights([weights, np.array([-20.0], "float32")])
    else:
        weights[:3, 1:] = np.eye(3)[:, : outputs - 1]
        model.get_layer("head").set_weights([weights, np.full(outputs, 20, "float32")])
    return model

"""Trains a head on an exported network with tensorflow-addons (TensorFlow 2.15, Keras 2).

    python train_head.py SAVED_MODEL data.npz

`data.npz` holds `images` as the network takes them and integer `labels`. Prints one line of JSON.
"""

import argparse
import json

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa


class Filters(tf.keras.layers.Layer):
    """An exported network as a layer: the strength of each filter's peak, `[batch, filters]`."""

    def __init__(self, path, **kwargs):
        super().__init__(**kwargs)
        self.network = tf.saved_model.load(path)

    def call(self, images):
        return self.network.explain(images)["strengths"]


def gradients(model, images, labels):
    """Sizes of the loss's gradients: of the head, of the network's weights, of the images."""
    images = tf.convert_to_tensor(images)
    inside = list(model.layers[0].network.trainable_variables)
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_mean(model.loss(labels, model(images, training=True)))
    head = model.layers[-1].trainable_variables  # there since the first call
    found = tape.gradient(loss, {"head": head, "network": inside, "images": images})
    sizes = {}
    for name, values in found.items():
        values = [value for value in tf.nest.flatten(values) if value is not None]
        sizes[name] = float(tf.linalg.global_norm(values)) if values else 0.0
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("saved_model")
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    tf.keras.utils.set_random_seed(0)
    with np.load(args.data) as data:
        images, labels = data["images"], data["labels"]
    classes = int(labels.max()) + 1
    one_hot = np.eye(classes, dtype="float32")[labels]

    model = tf.keras.Sequential([Filters(args.saved_model), tf.keras.layers.Dense(classes)])
    model.compile(
        tfa.optimizers.LAMB(0.1),
        tf.keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[tfa.metrics.MatthewsCorrelationCoefficient(classes, name="matthews")],
    )
    # Before training, which may end with a loss of exactly 0 and then has no gradients.
    sizes = gradients(model, images, one_hot)
    history = model.fit(images, one_hot, epochs=args.epochs, batch_size=16, verbose=0).history
    print(
        json.dumps(
            {
                "tensorflow": tf.__version__,
                "tensorflow_addons": tfa.__version__,
                "loss": [history["loss"][0], history["loss"][-1]],
                "matthews": [history["matthews"][0], history["matthews"][-1]],
                "gradients": sizes,
            }
        )
    )


if __name__ == "__main__":
    main()

"""Training: what `[training]` of a recipe means in Keras, on images or on cached features."""

import math
from pathlib import Path

import keras
import numpy as np

from keras_icnn.models import adapt_parts
from keras_icnn.recipes._format import mistakes_of
from keras_icnn.recipes._losses import summed_logistic
from keras_icnn.recipes._optimizers import LayerwiseAdamW, LayerwiseSGD
from keras_icnn.recipes._supervised_detector import side_by_side, train_detector


def train_network(built, recipe, variant, dataset, *, features, seed, backup, verbose):
    """Trains the network of a variant.

    Args:
        built: `Built`.
        recipe: `Recipe`.
        variant: One of its `Variant`s.
        dataset: `PartDataset` to train on.
        features: `Features`, for a network with frozen layers.
        seed: Of the order of images.
        backup: File that training is taken up from, and that is left when it ends; networks on
            cached features have none.
        verbose: Whether to show progress.

    Returns:
        Dict of lists, a figure an epoch.

    Raises:
        RecipeError: For a training set that cannot be made.
    """
    training = recipe.training_of(variant)
    single = recipe.data.task == "single-category"
    with mistakes_of("[training]"):
        dataset = training_set(dataset, recipe, variant)
    compile_network(built.trained, recipe, variant, len(dataset))
    if built.frozen is not None:
        if hasattr(built.model, "remember"):
            # What is trained sees features; the whole network is what is kept.
            built.model.remember(dataset)
        inputs = features.of(built.frozen, dataset)
        targets = dataset.labels.astype("float32")
        if not single:
            targets = np.eye(len(dataset.class_names), dtype="float32")[dataset.labels]
        _adapt(built.trained, inputs, targets, training, seed)
        return _fit_features(built.trained, inputs, targets, training)
    batches = dataset.batches(
        training.batch_size,
        shuffle=True,
        seed=seed,
        flip=training.flip,
        labels="int" if single else "onehot",
    )
    if not Path(backup).exists():
        _adapt(built.trained, dataset.batches(training.batch_size), None, training, seed)
    return _fit_images(built.trained, batches, training, backup, verbose)


def _adapt(model, inputs, targets, training, seed):
    """Starts new filters of interpretable layers from clusters of the training data."""
    if training.cluster_share:
        adapt_parts(model, inputs, targets, share=training.cluster_share, seed=seed)


def _fit_features(model, inputs, targets, training):
    from keras_icnn.callbacks import StopOnNaN

    history = model.fit(
        inputs,
        targets,
        batch_size=training.batch_size,
        epochs=training.epochs,
        verbose=0,
        callbacks=[StopOnNaN()],
    )
    return history.history


def _fit_images(model, batches, training, backup, verbose):
    from keras_icnn.callbacks import Backup, StopOnNaN

    history = model.fit(
        batches,
        epochs=training.epochs,
        shuffle=False,
        verbose=1 if verbose else 0,
        callbacks=[
            batches.follow_epochs(),
            StopOnNaN(batches),
            # Kept until the network is measured, too.
            Backup(backup, delete=False),
        ],
    )
    return history.history


def train_supervised(built, field, places, variant, dataset, *, features):
    """Trains detectors of landmarks on the frozen features, each where its landmark is annotated.

    Args:
        built: `Built`, with a frozen part.
        field: `ReceptiveField` of the features.
        places: Places of the landmarks among those of the data set. Of several, those that are
            annotated on fewer than two images are left out.
        variant: `Variant`.
        dataset: `PartDataset` to train on.
        features: `Features`.

    Returns:
        A Keras model, features to maps, one for each detector.

    Raises:
        ValueError: If no landmark is annotated on two images.
    """
    maps = features.of(built.frozen, dataset)
    known = np.isfinite(dataset.landmarks).all(axis=-1)
    enough = [k for k in places if known[:, k].sum() >= 2] or places[:1]
    return side_by_side(
        [
            train_detector(
                maps[known[:, k]],
                dataset.landmarks[known[:, k], k],
                field.centers,
                scale=variant.feature_scale,
            )
            for k in enough
        ]
    )


def training_set(train, recipe, variant):
    """The images of an epoch: `train`, with mirror images and repetitions as the recipe says."""
    training = recipe.training_of(variant)
    if training.positive_share:
        from keras_icnn.datasets import single_category

        return single_category(
            train, flips=training.mirrored, positive_share=training.positive_share
        )
    if training.mirrored:
        shown = np.arange(len(train))
        if recipe.data.task == "single-category":
            shown = np.flatnonzero(train.labels != 0)
        return train.concatenate(train.flipped().subset(shown))
    return train


def compile_network(model, recipe, variant, images):
    """Compiles a network for epochs of so many images."""
    training = recipe.training_of(variant)
    single = recipe.data.task == "single-category"
    if single or training.loss == "logistic":
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        metric = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
        if training.sum_outputs and not single:
            loss = summed_logistic
    else:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        metric = keras.metrics.CategoricalAccuracy(name="accuracy")
    rate = learning_rates(training, math.ceil(images / training.batch_size))
    model.compile(_optimizer(training, rate), loss=loss, metrics=[metric])


def learning_rates(training, steps):
    """The learning rate or its schedule, with so many steps an epoch."""
    rate = training.learning_rate
    if training.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(rate, training.epochs * steps)
    if training.schedule == "geometric":
        lowered = training.decay_epochs or training.epochs
        if lowered == 1:
            return rate
        rates = np.geomspace(rate, rate * training.final_rate, lowered).tolist()
        # A value holds up to and including its boundary's step, counted from 0.
        boundaries = [steps * epoch - 1 for epoch in range(1, lowered)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    return rate


def _optimizer(training, rate):
    if training.optimizer == "sgd":
        return LayerwiseSGD(
            learning_rate=rate,
            momentum=training.momentum,
            kernel_decay=training.weight_decay,
            multipliers=training.learning_rates,
        )
    return LayerwiseAdamW(
        learning_rate=rate,
        weight_decay=training.weight_decay,
        multipliers=training.learning_rates,
    )

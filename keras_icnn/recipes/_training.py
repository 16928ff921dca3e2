"""What `[training]` of a recipe means in Keras: training set, schedule, optimizer, loss."""

import math

import keras
import numpy as np

from keras_icnn.recipes._losses import summed_logistic
from keras_icnn.recipes._optimizers import LayerwiseAdamW, LayerwiseSGD


def training_set(train, recipe, variant):
    """The pictures of an epoch: `train`, with mirror images and repetitions as the recipe says."""
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
    """Compiles a network for epochs of so many images; returns the batch size."""
    training = recipe.training_of(variant)
    batch_size = training.batch_size
    single = recipe.data.task == "single-category"
    if single or training.loss == "logistic":
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        metric = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
        if training.sum_outputs and not single:
            loss = summed_logistic
    else:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        metric = keras.metrics.CategoricalAccuracy(name="accuracy")
    rate = learning_rates(training, math.ceil(images / batch_size))
    model.compile(_optimizer(training, rate), loss=loss, metrics=[metric])
    return batch_size


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

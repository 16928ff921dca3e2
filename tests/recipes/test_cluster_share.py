"""A recipe's `cluster_share`: new filters start from clusters before they are trained."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_icnn as icnn
from keras_icnn.recipes import _training
from keras_icnn.recipes._format import Training


def trained_kernel(share):
    """The new layer's kernel after an epoch at a rate of next to nothing."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 5))
    layer = icnn.InterpretableConv(
        8, 3, num_classes=2, background_class=0, normalization="batch", name="interpretable_conv"
    )
    x = keras.layers.GlobalAveragePooling2D()(layer(inputs))
    model = icnn.InterpretableModel(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(1e-9), keras.losses.BinaryCrossentropy(from_logits=True))
    x = np.random.default_rng(0).random((32, 6, 6, 5)).astype("float32")
    y = (np.arange(32) % 2).astype("float32")
    given = dataclasses.replace(Training(), epochs=1, cluster_share=share)
    _training._adapt(model, x, y, given, seed=0)
    _training._fit_features(model, x, y, given)
    return keras.ops.convert_to_numpy(layer.kernel)


@pytest.mark.medium
def test_filters_move_by_the_share():
    plain, little, much = (trained_kernel(share) for share in (0.0, 0.1, 0.5))
    assert np.abs(little - plain).max() > 1e-3
    assert np.linalg.norm(much - plain) > 2 * np.linalg.norm(little - plain)

"""Fixtures of the export tests."""

import keras
import numpy as np
import pytest
from small_networks import network, pictures


@pytest.fixture(scope="session")
def trained():
    """The pooled network after one step: filters have categories, statistics are not those of new
    ones; one filter never fires, so its maps are empty."""
    keras.utils.set_random_seed(0)
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(pictures(), np.arange(8) % 3, verbose=0)
    layer = model.get_layer("interpretable_conv")
    norm = layer.interpretable._normalization
    beta = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(norm.beta))
    beta[2] = -1e4  # below anything that pixels up to 255 give
    norm.beta.assign(beta)
    return model

"""Target categories beside other ways to find them."""

import numpy as np
import pytest
from keras import ops

from keras_icnn.layers import _targets

pytestmark = pytest.mark.core


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_balanced_targets_are_those_of_sinkhorn_s_iteration():
    # In logarithms and float64; some classes activate filters a thousand times more.
    rng = np.random.default_rng(0)
    for classes, filters, spread in ((4, 30, 0.3), (7, 100, 1.0), (60, 150, 2.0)):
        logs = rng.normal(size=(classes, filters)) + spread * rng.normal(size=(classes, 1))
        known = np.ones(classes)
        known[2] = 0
        found = numpy(
            _targets.target_categories(
                ops.convert_to_tensor(np.exp(logs).astype("float32")),
                ops.convert_to_tensor(known.astype("float32")),
                True,
            )
        )
        rest = np.delete(logs, 2, axis=0)
        rest = rest - rest.mean(axis=0)
        rest = rest - rest.mean(axis=1, keepdims=True)
        rest = rest / (0.05 * rest.std())
        price = np.zeros((classes - 1, 1))
        for _ in range(30):
            of_filter = np.logaddexp.reduce(rest + price, axis=0)
            of_class = np.logaddexp.reduce(rest - of_filter, axis=1, keepdims=True)
            price = np.log(filters / (classes - 1)) - of_class
        expected = np.delete(np.arange(classes), 2)[np.argmax(rest + price, axis=0)]
        assert np.mean(found != expected) <= 0.01

"""Filters in blocks train as all at once do."""

import numpy as np
import pytest
from core.backend import MODES, value_and_gradient
from keras import ops

import keras_icnn as icnn
from keras_icnn.layers import _blocks

pytestmark = pytest.mark.core


def test_blocks_cover_all_filters_in_order(monkeypatch):
    monkeypatch.setattr(_blocks, "_WORTHWHILE", 2)
    monkeypatch.setattr(_blocks, "_one_step_at_a_time", lambda: True)
    seen = []

    def function(a, b):
        seen.append(a.shape[-1])
        return a * 2.0, ops.sum(a * b, axis=0)

    a = np.arange(16, dtype="float32").reshape(2, 8)
    twice, product = _blocks.by_filters(
        function, 2, ops.convert_to_tensor(a), ops.ones((2, 8), "float32")
    )
    assert seen == [2, 2, 2, 2]
    assert ops.convert_to_numpy(twice).tolist() == (2 * a).tolist()
    assert ops.convert_to_numpy(product).tolist() == a.sum(axis=0).tolist()


@pytest.mark.parametrize("rule", ["default", "crowded", None])
def test_blocks_take_the_same_step(monkeypatch, rule):
    loss = icnn.FilterLoss(gradient="equal", weight="relative", crowding=1.0)
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (4, 5, 4, 8)).astype("float32")
    u = ops.convert_to_tensor(rng.normal(size=x.shape).astype("float32"))
    y = np.array([0, 1, 2, 1], "int32")
    results = []
    for worthwhile in (100, 2):
        monkeypatch.setattr(_blocks, "_WORTHWHILE", worthwhile)
        monkeypatch.setattr(_blocks, "_one_step_at_a_time", lambda: True)
        layer = icnn.InterpretableFilters(
            num_classes=3, filter_loss=loss if rule == "crowded" else rule
        )
        layer.build(x.shape)

        def task(t, layer=layer):
            with icnn.labels(y) as terms:
                return ops.sum(layer(t, training=True) * u) + terms.filter_loss()

        results.append(value_and_gradient(task, x, MODES[min(1, len(MODES) - 1)]))
    (value, gradient), (value_of_blocks, gradient_of_blocks) = results
    assert value_of_blocks == pytest.approx(value, rel=1e-5)
    assert gradient_of_blocks == pytest.approx(gradient, abs=1e-6)

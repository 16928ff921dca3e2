import threading

import numpy as np
import pytest
from backend_modes import BACKEND
from keras import ops

import keras_icnn as icnn
from keras_icnn.layers import _label_scope, _membership

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    "y",
    [
        [0, 2, 1],
        [[0], [2], [1]],
        [0.0, 2.0, 1.0],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[1, -1, -1], [-1, -1, 1], [-1, 1, -1]],
        [[0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [0.0, 0.7, 0.3]],
    ],
)
def test_integer_one_hot_signed_and_smoothed_labels_mean_the_same(y):
    found = ops.convert_to_numpy(_membership.membership(np.array(y), 3))
    assert found.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("y", [[0, 1, 1], [-1, 1, 1], [[0.0], [1.0], [1.0]], [[-1], [1], [1]]])
def test_single_category_labels(y):
    found = ops.convert_to_numpy(_membership.membership(np.array(y), 2))
    assert found.tolist() == [[1, 0], [0, 1], [0, 1]]


def test_multi_label():
    found = ops.convert_to_numpy(_membership.membership(np.array([[1, 1, 0], [0, 0, 0]]), 3))
    assert found.tolist() == [[1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("shape", [(4, 2), (4, 3, 1), ()])
def test_labels_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"num_classes=3.*Received: labels of shape"):
        _membership.membership(np.zeros(shape), 3)


def test_scopes_nest_and_close():
    assert _label_scope.current() is None
    with icnn.labels([1]) as outer:
        with icnn.labels([2]) as inner:
            assert _label_scope.current() is inner
        assert _label_scope.current() is outer
    assert _label_scope.current() is None


def test_scope_closes_on_errors():
    with pytest.raises(KeyError), icnn.labels([1]):
        raise KeyError
    assert _label_scope.current() is None


def test_scope_belongs_to_its_thread():
    # Replicas are threads that take turns in the middle of a step.
    seen = []
    with icnn.labels([1]):
        thread = threading.Thread(target=lambda: seen.append(_label_scope.current()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_empty_scope_adds_nothing():
    with icnn.labels([1]) as terms:
        pass
    assert float(ops.convert_to_numpy(terms.total())) == 0
    assert terms.filter_loss() is None


@pytest.mark.parametrize(
    ("y", "classes", "told"),
    [
        ([0, 2, 3, 3], 3, r"0 to 2. Received: 3 for sample 2 \(2 of 4"),
        ([[1], [-1]], 3, "Received: -1 for sample 1"),
        ([0.0, float("nan")], 3, "Received: nan for sample 1"),
        ([0, 1, 2], 2, "0 to 1. Received: 2"),
        ([0, 1, -2], 2, "0 to 1. Received: -2"),
    ],
)
def test_labels_that_are_none_are_refused_where_their_values_are_known(y, classes, told):
    with pytest.raises(ValueError, match=told):
        _membership.check(np.array(y), classes)
    with pytest.raises(ValueError, match=told):
        _membership.membership(np.array(y), classes)


def test_vectors_of_labels_must_be_finite():
    _membership.check(np.array([[1.0, -1.0, 5.0]]), 3)
    with pytest.raises(ValueError, match=r"finite. Received: \[0.0, nan, 1.0\]"):
        _membership.check(np.array([[0.0, np.nan, 1.0]]), 3)


@pytest.mark.tensorflow_only("its graphs can raise errors")
def test_graphs_refuse_them_too():
    import tensorflow as tf

    @tf.function
    def step(y):
        return _membership.membership(y, 3)

    assert step(tf.constant([0, 2])).shape == (2, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_classes=3 must be integers"):
        step(tf.constant([0, 3]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_classes=3 must be integers"):
        step(tf.constant([0.0, float("nan")]))


@pytest.mark.skipif(BACKEND == "torch", reason="nothing is compiled by XLA there")
def test_to_xla_they_are_of_no_class():
    if BACKEND == "jax":
        import jax

        jit = jax.jit
    else:
        import tensorflow as tf

        jit = tf.function(jit_compile=True)
    found = jit(lambda y: _membership.membership(y, 3))(ops.convert_to_tensor([0, 3, -1]))
    assert ops.convert_to_numpy(found).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]

import threading

import numpy as np
import pytest
from keras import ops

import keras_icnn as icnn
from keras_icnn import _labels, _scope

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
    found = ops.convert_to_numpy(_labels.membership(np.array(y), 3))
    assert found.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("y", [[0, 1, 1], [-1, 1, 1], [[0.0], [1.0], [1.0]], [[-1], [1], [1]]])
def test_single_category_labels(y):
    found = ops.convert_to_numpy(_labels.membership(np.array(y), 2))
    assert found.tolist() == [[1, 0], [0, 1], [0, 1]]


def test_multi_label():
    found = ops.convert_to_numpy(_labels.membership(np.array([[1, 1, 0], [0, 0, 0]]), 3))
    assert found.tolist() == [[1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("shape", [(4, 2), (4, 3, 1), ()])
def test_labels_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"num_classes=3.*Received: labels of shape"):
        _labels.membership(np.zeros(shape), 3)


def test_scopes_nest_and_close():
    assert _scope.current() is None
    with icnn.labels([1]) as outer:
        with icnn.labels([2]) as inner:
            assert _scope.current() is inner
        assert _scope.current() is outer
    assert _scope.current() is None


def test_scope_closes_on_errors():
    with pytest.raises(KeyError), icnn.labels([1]):
        raise KeyError
    assert _scope.current() is None


def test_scope_belongs_to_its_thread():
    # Replicas are threads that take turns in the middle of a step.
    seen = []
    with icnn.labels([1]):
        thread = threading.Thread(target=lambda: seen.append(_scope.current()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_empty_scope_adds_nothing():
    with icnn.labels([1]) as terms:
        pass
    assert float(ops.convert_to_numpy(terms.total())) == 0
    assert terms.filter_loss() is None

"""What is logged as `filter_loss` is the filter loss, and nothing else."""

import keras
import numpy as np
import pytest
from packaging.version import Version

import keras_icnn as icnn

pytestmark = [pytest.mark.core, pytest.mark.few_steps]

X = np.random.default_rng(0).random((8, 12, 12, 3)).astype("float32")
Y = np.arange(8) % 2
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class TwoTargets(icnn.InterpretableModel):
    def filter_labels(self, y):
        return next(iter(y.values())) if isinstance(y, dict) else y[0]


def network(*names):
    inputs = keras.Input((12, 12, 3))
    x = icnn.InterpretableConv(4, 3, num_classes=2, name="parts")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = [keras.layers.Dense(2, name=name)(x) for name in names]
    if len(names) == 1:
        return icnn.InterpretableModel(inputs, outputs[0], name="net")
    return TwoTargets(inputs, outputs, name="net")


def accuracy(name):
    return keras.metrics.SparseCategoricalAccuracy(name=name)


def filter_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


METRICS = {
    "list": {"metrics": [accuracy("filter_loss")]},
    "dict": {"metrics": {"head": accuracy("filter_loss")}},
    "lists": {"metrics": [["accuracy", accuracy("filter_loss")]]},
    "function": {"metrics": [filter_loss]},
    "weighted": {"weighted_metrics": [accuracy("filter_loss")]},
}


@pytest.mark.parametrize("metrics", METRICS)
def test_a_metric_of_that_name_is_refused(metrics):
    if metrics == "lists" and Version(keras.__version__) < Version("3.9"):
        pytest.skip("Keras 3.8 takes no list of lists for one output")
    model = network("head")
    model.compile("sgd", LOSS, **METRICS[metrics])
    message = "'net' logs its filter loss as `filter_loss`.*metric with the name `filter_loss`"
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.evaluate(X, Y, verbose=0)


@pytest.mark.parametrize("metrics", [None, {"filter": accuracy("loss")}])
def test_an_output_whose_loss_has_that_name_is_refused(metrics):
    model = network("filter", "other")
    model.compile("sgd", {"filter": LOSS, "other": LOSS}, metrics=metrics)
    with pytest.raises(ValueError, match=r"output 'filter', whose loss.*another `name`"):
        model.fit(X, {"filter": Y, "other": Y}, verbose=0)


def logs_of(model, y, **arguments):
    model.compile("sgd", **arguments)
    return model.fit(X, y, batch_size=8, verbose=0).history


def test_names_that_differ_are_logged_beside_it():
    """One output's name is not logged, of several outputs it comes first."""
    only = logs_of(network("filter_loss"), Y, loss=LOSS, metrics=[accuracy("filter_loss_too")])
    assert only.keys() == {"loss", "filter_loss", "filter_loss_too"}
    assert only["filter_loss"][0] < 0 <= only["filter_loss_too"][0]
    assert logs_of(network("filter"), Y, loss=LOSS).keys() == {"loss", "filter_loss"}
    losses = {"filter_loss": LOSS, "other": LOSS}
    several = logs_of(network(*losses), dict.fromkeys(losses, Y), loss=losses)
    assert several.keys() == {"loss", "filter_loss", "filter_loss_loss", "other_loss"}
    assert several["filter_loss"][0] < 0 < several["filter_loss_loss"][0]
    inner = [[accuracy("filter_loss")], []]
    of_output = logs_of(network("a", "b"), [Y, Y], loss=[LOSS, LOSS], metrics=inner)
    assert {"filter_loss", "a_filter_loss", "a_loss"} <= of_output.keys()
    assert of_output["filter_loss"][0] < 0 <= of_output["a_filter_loss"][0]

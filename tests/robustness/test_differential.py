"""Networks drawn at random: every entry point says the same of them as NumPy does of `predict`."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import random_networks as made
from hypothesis import HealthCheck, Phase, given, settings

import keras_icnn as icnn

pytestmark = pytest.mark.filterwarnings(
    # Rounding to half precision on the way.
    "ignore:overflow encountered",
)


def few(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


def check(network, export=None):
    """Trains a network and asks everything for what it makes of the images."""
    policy = keras.config.dtype_policy()
    try:
        model, data = made.build(network), made.dataset(network)
        images = np.stack([sample.image for sample in data]).astype("float32")
        _train(model, network, images, data.labels)
        predicted = _predictions(model, images)
        _check_evaluation(network, model, data, predicted)
        if not network.second_output:
            _check_explanations(network, model, data, predicted)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.keras"
            model.save(path)
            loaded = keras.models.load_model(path)
            np.testing.assert_array_equal(_predictions(loaded, images), predicted)
            _check_evaluation(network, loaded, data, predicted)
            if export is not None and not network.second_output:
                _check_export(model, Path(folder), export)
    finally:
        keras.config.set_dtype_policy(policy)


def _train(model, network, images, labels):
    y = labels.reshape(-1, 1) if network.classes == 1 else labels
    if network.second_output:
        y = [y, np.zeros((len(y), 2), "float32")]
    logs = model.fit(images, y, batch_size=6, epochs=1, verbose=0).history
    # A network of masks alone has no filter loss to log, but its statistics.
    assert network.rule is None or np.isfinite(logs["filter_loss"]).all()


def _predictions(model, images):
    found = (
        keras.ops.convert_to_numpy(model(images, training=False))
        if not isinstance(model.output, list)
        else keras.ops.convert_to_numpy(model(images, training=False)[0])
    )
    return found.astype("float32")


def _logits(network, predicted):
    """The logits by hand, as far as probabilities tell them."""
    p = predicted.astype("float64")
    if network.ending == "logits":
        return p
    if network.classes == 1 or network.ending == "each":
        return np.log(p) - np.log1p(-p)
    return np.log(p)


def _decided(network, predicted):
    """(class of each image, whether it is clear)."""
    if network.classes == 1:
        cut = 0.0 if network.ending == "logits" else 0.5
        margin = predicted[:, 0] - cut
        return (margin > 0).astype(int), np.abs(margin) > 0.02
    ordered = np.sort(predicted, axis=1)
    return predicted.argmax(axis=1), ordered[:, -1] - ordered[:, -2] > 0.02


def _check_evaluation(network, model, data, predicted):
    report = icnn.metrics.evaluate(model, data, parts=False, batch_size=6)
    assert report.layer.endswith(f"parts{len(network.interpretable) - 1}")
    guessed, clear = _decided(network, predicted)
    right = (guessed == data.labels).mean()
    assert abs(report.values["accuracy"] - right) <= (~clear).mean() + 1e-9
    by_path = icnn.metrics.evaluate(model, data, report.layer, parts=False, batch_size=6)
    assert by_path.values["accuracy"] == report.values["accuracy"]


def _check_explanations(network, model, data, predicted):
    guessed, clear = _decided(network, predicted)
    explainer = icnn.explanations.Explainer(model, "gradient", class_names=data.class_names)
    found = explainer.batch(np.stack([data.image(i) for i in range(4)]))
    exact = "16" not in network.policy
    for number, explanation in enumerate(found):
        assert explanation.prediction == guessed[number] or not clear[number]
        if not np.isfinite(predicted[number]).all() or not exact:
            continue
        expected = _logits(network, predicted[number])
        logits = explanation.logits
        if network.classes > 1 and network.ending not in ("logits", "each"):
            # A softmax does not tell what all logits have in common.
            expected, logits = expected - expected.mean(), logits - logits.mean()
        within = np.abs(expected) < 10
        np.testing.assert_allclose(logits[within], expected[within], rtol=2e-3, atol=2e-3)
        linear = network.pooling in ("average", "flatten")
        if linear and network.ending not in ("mean of two", "temperature"):
            scale = max(np.abs(explanation.effects).sum(), abs(explanation.logit), 1.0)
            assert abs(explanation.filter_remainder) < 1e-3 * scale


def _check_export(model, folder, kind):
    path = folder / f"network{icnn.export.FORMATS[kind]}"
    model.export(path, kind, verbose=False)
    icnn.export.verify(model, path)


@pytest.mark.medium
@few(6)
@given(made.networks())
def test_a_few_networks(network):
    check(network)


@pytest.mark.slow
@few(100)
@given(made.networks())
def test_a_hundred_networks(network):
    check(network)


@pytest.mark.slow
@pytest.mark.tensorflow_only("a SavedModel is TensorFlow's own format")
@few(8)
# Half precision rounds by more than `verify` takes by itself.
@given(made.networks().filter(lambda network: network.policy == "float32"))
def test_exported_networks(network):
    check(network, export="tf_saved_model")

"""Everything that asks whether an output is a logit can be told."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from small_parts import dataset

import keras_icnn as icnn
from keras_icnn import explanations, export, metrics, visualize

NAMES = ["none", "cat"]


@keras.saving.register_keras_serializable(package="test_from_logits")
class Bounded(layers.Layer):
    """Values from 0 to 1 that may be probabilities or logits: nothing in the graph tells."""

    def call(self, x):
        return ops.abs(ops.sin(x))

    def compute_output_shape(self, shape):
        return shape


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    rule = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2)
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = icnn.InterpretableConv(
        4, 3, strides=2, num_classes=2, background_class=0, filter_loss=rule, name="parts"
    )(x)
    x = layers.Dense(1)(layers.GlobalAveragePooling2D()(x))
    return icnn.InterpretableModel(inputs, Bounded()(x), name="net", class_names=NAMES)


@pytest.fixture(scope="module")
def data():
    whole = dataset(8)
    return whole.subset(np.flatnonzero(whole.labels < 2)).select(classes=NAMES)


def saliency(model, data, folder, **told):
    return explanations.SaliencyMaps(model, **told).grad_cam(data.image(0))


def exported(model, data, folder, **told):
    export.export_model(model, folder / "net", verbose=False, check=lambda path: None, **told)


def exported_and_verified(model, data, folder, **told):
    model.export(folder / "net", verbose=False, **told)
    return export.verify(model, folder / "net", **told)


ENTRIES = {
    "evaluate": lambda m, d, f, **told: metrics.evaluate(m, d, radius=3.0, **told),
    "evaluate_corruptions": lambda m, d, f, **told: metrics.evaluate_corruptions(
        m, d, kinds=["contrast"], strengths=[1], **told
    ),
    "explain": lambda m, d, f, **told: icnn.explain(m, d.image(0), **told),
    "Explainer": lambda m, d, f, **told: explanations.Explainer(m, **told)(d.image(0)),
    "SaliencyMaps": saliency,
    "category_effects": lambda m, d, f, **told: explanations.category_effects(m, d, **told),
    "accuracy_without_parts": lambda m, d, f, **told: explanations.accuracy_without_parts(
        m, d, ["cat/0"], **told
    ),
    "evaluate_faithfulness": lambda m, d, f, **told: explanations.evaluate_faithfulness(
        m, d, radius=3.0, images=1, steps=2, upper_bound=0, sensitivity=0, **told
    ),
    "report": lambda m, d, f, **told: visualize.report(m, d, f / "page.html", **told),
}
EXPORTS = {"export_model": exported, "export and verify": exported_and_verified}


def assert_needed_and_enough(entry, model, data, folder):
    with pytest.raises(ValueError, match="Pass `from_logits=True` or `from_logits=False`"):
        entry(model, data, folder)
    for from_logits in (True, False):
        entry(model, data, folder, from_logits=from_logits)


@pytest.mark.parametrize("entry", ENTRIES)
def test_being_told_is_needed_and_enough(entry, model, data, tmp_path):
    assert_needed_and_enough(ENTRIES[entry], model, data, tmp_path)


@pytest.mark.medium
@pytest.mark.tensorflow_only("networks are exported on TensorFlow")
@pytest.mark.parametrize("entry", EXPORTS)
def test_exports_are_told_too(entry, model, data, tmp_path):
    assert_needed_and_enough(EXPORTS[entry], model, data, tmp_path)


@pytest.mark.tensorflow_only("networks are exported on TensorFlow")
def test_what_is_told_reaches_the_figures(model, data, tmp_path):
    """Told a logit, the output itself is the score; told a probability, its logit is."""
    image = np.asarray(data.image(0), "float32")[None]
    p = float(ops.convert_to_numpy(model(image))[0, 0])
    logit = {True: p, False: np.log(p / (1 - p))}
    for told, expected in logit.items():
        maps = explanations.SaliencyMaps(model, from_logits=told)
        assert maps.logits(image)[0, 0] == pytest.approx(expected, abs=1e-4)
        row = metrics.evaluate_corruptions(model, data, kinds=[], from_logits=told)[0]
        predictions = model.predict_on_batch(np.stack([data.image(i) for i in range(len(data))]))
        cut = 0.0 if told else 0.5
        right = (np.ravel(predictions) > cut) == data.labels
        assert row["accuracy"] == pytest.approx(right.mean())


VERBS = {
    "evaluate": ["--radius", "3"],
    "report": ["--radius", "3", "--out", "page.html"],
    "export": ["--endpoint", "explain", "--out", "net"],
}


@pytest.mark.medium
@pytest.mark.tensorflow_only("networks are exported on TensorFlow")
def test_on_the_command_line(model, data, tmp_path, monkeypatch, capsys):
    from PIL import Image

    from keras_icnn import cli

    monkeypatch.chdir(tmp_path)
    model.save("net.keras")
    for i in range(len(data)):
        folder = tmp_path / "images" / NAMES[int(data.labels[i])]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(data.image(i))).save(folder / f"{i}.png")
        first = folder / f"{i}.png"
    commands = {"explain": ["explain", "net.keras", str(first)]}
    for verb, options in VERBS.items():
        images = [] if verb == "export" else ["--data", "images"]
        commands[verb] = [verb, "net.keras", *images, *options]
    for command in commands.values():
        assert cli.main(command) != cli.DONE
        assert "from_logits" in capsys.readouterr().err
        for told in ("--from-logits", "--no-from-logits"):
            assert cli.main([*command, told]) == cli.DONE, capsys.readouterr().err

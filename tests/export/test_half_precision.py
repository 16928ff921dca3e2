"""What is exported is loaded and compared before it counts as saved, in every format and policy."""

import keras
import numpy as np
import pytest
from keras import layers
from tiers import slow_except

import keras_icnn as icnn
from keras_icnn.export import FORMATS, Artifact, ExportError, verify
from keras_icnn.export._verify import tolerance_of

pytestmark = [
    pytest.mark.tensorflow_only("networks are exported on TensorFlow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def network(policy="float32", head=lambda x: layers.Dense(2, activation="softmax")(x)):
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((12, 12, 3))
    x = icnn.InterpretableConv(4, 3, num_classes=2, normalization="batch", name="parts")(
        layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    )
    return icnn.InterpretableModel(inputs, head(layers.GlobalAveragePooling2D()(x)), name="net")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "policy",
    # In float32: `test_formats.py`.
    slow_except(("mixed_float16",), ["float32", "mixed_float16", "mixed_bfloat16"]),
)
def test_saved_means_that_it_runs_and_agrees(tmp_path, format, policy):
    """Otherwise nothing is there, and the error says what to do."""
    if format != "tf_saved_model":
        pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}.get(format, format))
    model, path = network(policy), tmp_path / f"net{FORMATS[format]}"
    images = np.random.default_rng(0).uniform(0, 255, (3, 12, 12, 3)).astype("float32")
    try:
        model.export(path, format, verbose=False)
    except ExportError as error:
        assert policy != "float32"
        assert "set_dtype_policy('float32')" in str(error)
        assert list(tmp_path.iterdir()) == []
        return
    found = Artifact(path)(images, "serve")["predictions"]
    np.testing.assert_allclose(found, model.predict_on_batch(images), atol=2e-2)


def test_the_advice_works(tmp_path):
    half = network("mixed_float16")
    full = network("float32")
    full.set_weights(half.get_weights())
    full.export(tmp_path / "net", verbose=False)
    assert verify(full, tmp_path / "net").largest < 1e-4


# Relative to the values: as far apart as one rounding to the precision puts them.
ROUNDING = {"float32": 2e-5, "mixed_float16": 1e-3, "mixed_bfloat16": 8e-3}


def with_logits(policy):
    keras.utils.set_random_seed(0)
    return network(policy, lambda x: layers.Dense(2, name="dense")(x))


def scale(model, name, share):
    kernel = model.get_layer(name).kernel
    kernel.assign(kernel * (1 + share))


@pytest.mark.parametrize("policy", ROUNDING)
def test_rounding_of_the_network_s_precision_is_tolerated(tmp_path, policy):
    """A format computes in another order, which rounds otherwise."""
    model = with_logits(policy)
    model.export(tmp_path / "net", verbose=False)
    scale(model, "dense", ROUNDING[policy])
    found = verify(model, tmp_path / "net")
    eps = {"mixed_float16": np.finfo("float16").eps, "mixed_bfloat16": 2.0**-7}
    assert found.tolerance == (2 * eps[policy] if policy in eps else 1e-4)
    assert found.largest > ROUNDING[policy] / 4
    if policy in eps:
        with pytest.raises(ExportError, match="differs from the network"):
            verify(model, tmp_path / "net", tolerance=1e-4)


@pytest.mark.medium
@pytest.mark.parametrize("policy", ROUNDING)
@pytest.mark.parametrize("name", ["parts", "dense"])
def test_a_changed_weight_is_refused_in_every_precision(tmp_path, policy, name):
    model = with_logits(policy)
    model.export(tmp_path / "net", verbose=False)
    verify(model, tmp_path / "net")
    scale(model, name, 0.05)
    with pytest.raises(ExportError, match="differs from the network"):
        verify(model, tmp_path / "net")


def test_the_coarsest_precision_of_a_layer_decides():
    mixed = network(head=lambda x: layers.Dense(2, dtype="mixed_bfloat16")(x))
    assert tolerance_of(mixed) == 2.0**-6
    assert tolerance_of(network()) == 1e-4


def test_masks_can_be_left_out_in_half_precision():
    model = network("mixed_float16")
    images = np.random.default_rng(0).uniform(0, 255, (2, 12, 12, 3)).astype("float32")
    plain = icnn.models.without_masks(model)
    maps = icnn.metrics.MapReader(model, batch_size=2).maps(images, before=True)
    expected = np.asarray(plain.layers[2](plain.layers[1](images)), "float32")
    np.testing.assert_allclose(maps.before, expected, atol=1e-3)
    assert (maps.before >= maps.after - 1e-3).all()


@pytest.mark.medium
def test_a_file_that_differs_is_not_kept(tmp_path, monkeypatch):
    from keras_icnn.export import _write

    model, path = network(), tmp_path / "net"
    model.export(path, verbose=False)
    before = Artifact(path)(np.ones((1, 12, 12, 3), "float32"), "serve")["predictions"]
    other = network()
    other.set_weights([w + 1 for w in model.get_weights()])
    written = _write._write_saved_model

    def wrong(path, parts, *rest):
        written(path, {"serve": _write.Serve(other)}, *rest)

    monkeypatch.setattr(_write, "_write_saved_model", wrong)
    with pytest.raises(ExportError, match=r"not saved.*differs from the network"):
        model.export(path, verbose=False)
    after = Artifact(path)(np.ones((1, 12, 12, 3), "float32"), "serve")["predictions"]
    np.testing.assert_array_equal(before, after)


HEADS = {
    "identity": lambda x: layers.Identity()(layers.Dense(2, activation="softmax")(x)),
    "float32": lambda x: layers.Activation("linear", dtype="float32")(
        layers.Dense(1, activation="sigmoid")(x)
    ),
    "nested": lambda x: keras.Sequential(
        [keras.Input((4,)), layers.Dense(2, activation="softmax")], name="head"
    )(x),
    "mean": lambda x: layers.Average()(
        [layers.Dense(3, activation="softmax")(x), layers.Dense(3, activation="softmax")(x)]
    ),
}


@pytest.mark.parametrize("head", HEADS)
def test_effects_are_what_the_logit_loses(head):
    """The end point's effects are those of `explain`, for every way to end a network."""
    from keras_icnn.export._endpoints import Explain

    model = network(head=HEADS[head])
    image = np.random.default_rng(1).uniform(0, 255, (12, 12, 3)).astype("float32")
    found = Explain(model, top_filters=4)(image[None])
    explanation = icnn.explain(model, image, reference=False)
    order = np.asarray(found["top_filters"])[0]
    sign = -1.0 if model.output_shape[-1] == 1 and explanation.prediction == 0 else 1.0
    np.testing.assert_allclose(
        np.asarray(found["top_effects"])[0], sign * explanation.effects[order], atol=1e-4
    )

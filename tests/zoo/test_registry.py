"""Every registered network: shapes, parameters, a training step, saving, mixed precision."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
from tiers import slow_except

from keras_icnn import InterpretableConv, InterpretableFilters, InterpretableModel, zoo
from keras_icnn.zoo import _registry
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._signatures import InterpretableBuilder, OrdinaryBuilder

# The smallest inputs that leave a map of more than one unit.
SIZES = {
    "alexnet": 83,
    "alexnet_v2": 63,
    "vgg_m": 79,
    "vgg_s": 73,
    "squeezenet": 47,
    "vgg16": 32,
    "vgg19": 32,
}
FAST = {"alexnet", "alexnet_v2", "squeezenet"}
# One of each way of building: plain rows with normalization and groups, fire modules, Keras's own.
FAMILIES = ("alexnet", "squeezenet", "mobilenet_v2")


def networks(names):
    return [
        pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in sorted(names)
    ]


def build(name, variant="_interpretable", **arguments):
    size = SIZES.get(name, 64)
    shape = (size, size, 3)
    return zoo.create_model(
        f"{name}{variant}", **({"input_shape": shape, "classes": 3} | arguments)
    )


def batch(model, count=2):
    shape = (count, *model.input_shape[1:])
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    return images, np.arange(count) % 3


def test_every_network_has_both_variants():
    expected = {*MANIFEST, *(f"{name}_interpretable" for name in MANIFEST)}
    assert set(zoo.list_models()) == expected
    for name in expected:
        builder = getattr(zoo, name)
        assert builder.__name__ == name
        for section in ("Args:", "Returns:", "Raises:", "Reference:"):
            assert section in builder.__doc__


@pytest.mark.parametrize("name", sorted(MANIFEST))
@pytest.mark.parametrize(
    ("variant", "protocol"), [("", OrdinaryBuilder), ("_interpretable", InterpretableBuilder)]
)
def test_signature_is_what_type_checkers_see(name, variant, protocol):
    builder = getattr(zoo, f"{name}{variant}")
    _, *declared = inspect.signature(protocol.__call__).parameters.values()
    signature = inspect.signature(builder)
    assert list(signature.parameters.values()) == declared
    assert signature.return_annotation == inspect.signature(protocol.__call__).return_annotation


def test_document_states_the_networks_facts():
    for builder in (zoo.alexnet, zoo.alexnet_interpretable):
        for fact in ("AlexNet", "(227, 227, 3)", "60,965,224", "imagenet-caffe-alex"):
            assert fact in builder.__doc__


def test_wrong_argument_is_refused_as_by_any_function():
    with pytest.raises(TypeError, match=r"^vgg16\(\) .*unexpected keyword argument 'clases'"):
        zoo.vgg16(clases=3)  # codespell:ignore clases
    with pytest.raises(TypeError, match=r"^vgg16\(\) too many positional"):
        zoo.vgg16(*[None] * 9)


def test_model_has_the_builders_name_or_the_given_one():
    builder, shape = zoo.squeezenet_interpretable, (47, 47, 3)
    assert builder(input_shape=shape).name == "squeezenet_interpretable"
    assert builder(input_shape=shape, name="mine").name == "mine"


@pytest.mark.parametrize("name", networks(MANIFEST))
def test_parameters_without_head(name):
    model = zoo.create_model(name, include_top=False)
    assert model.count_params() == MANIFEST[name].parameters_without_top
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)


@pytest.mark.medium
@pytest.mark.parametrize("preprocessing", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_takes_one_tensor(name, preprocessing):
    """Not a list of one: Keras would warn whoever calls such a network with images."""
    model = build(name, include_preprocessing=preprocessing)
    assert keras.utils.is_keras_tensor(model.input)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_parameters_with_head(name):
    model = zoo.create_model(name)
    assert model.count_params() == MANIFEST[name].parameters
    assert model.output_shape == (None, 1000)


@pytest.mark.medium
@pytest.mark.parametrize("name", networks(MANIFEST))
def test_interpretable_network(name, tmp_path):
    model = build(name, include_preprocessing=True, new_filters=16)
    assert isinstance(model, InterpretableModel)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    interpretable = [
        layer
        for layer in model.layers
        if isinstance(layer, (InterpretableConv, InterpretableFilters))
    ]
    assert len(interpretable) == 2 and interpretable[1].name == "interpretable_conv"
    assert interpretable[1].filters == 16
    below, above = (layer.output.shape[1:3] for layer in interpretable)
    assert below == above and min(above) > 1
    model.compile(keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy", run_eagerly=True)
    images, labels = batch(model)
    before = np.array(interpretable[1].kernel)
    history = model.fit(images, labels, verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["filter_loss"]).all()
    assert np.abs(np.array(interpretable[1].kernel) - before).max() > 0
    assert set(interpretable[1].target_categories()) == {0, 1, 2}
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model(images, training=False)
    assert expected.shape == (2, 3)
    np.testing.assert_array_equal(loaded(images, training=False), expected)


@pytest.mark.medium
@pytest.mark.parametrize("name", networks(MANIFEST))
def test_ordinary_twin(name, tmp_path):
    model = build(name, "", extra_layer=True, new_filters=16, classes=1)
    assert type(model) is not InterpretableModel
    assert model.get_layer("extra_conv").filters == 16
    model.compile(keras.optimizers.SGD(1e-4), "binary_crossentropy", run_eagerly=True)
    images, labels = batch(model)
    assert np.isfinite(model.fit(images, labels, verbose=0).history["loss"]).all()
    model.save_weights(tmp_path / "model.weights.h5")
    other = build(name, "", extra_layer=True, new_filters=16, classes=1)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(images, training=False), model(images, training=False))


@pytest.mark.parametrize("name", networks(MANIFEST))
def test_without_head(name):
    model = build(name, include_top=False, pooling="avg", new_filters=4, classes=5)
    assert model.output_shape == (None, 4)
    assert model.get_layer("interpretable_conv").num_classes == 5
    if name in FAST:
        model = build(name, include_top=False, new_filters=4)
        assert len(model.output_shape) == 4 and model.output_shape[-1] == 4


@pytest.mark.parametrize(
    "case",
    slow_except(
        ("squeezenet-False",),
        [("squeezenet", True), *((name, False) for name in FAMILIES)],
        ids=lambda case: f"{case[0]}-{case[1]}",
    ),
)
def test_mixed_precision_and_jit(case):
    name, jit = case
    if jit and keras.backend.backend() == "torch":
        pytest.skip("torch compiles through another compiler, in minutes")
    keras.config.set_dtype_policy("mixed_float16" if not jit else "float32")
    try:
        model = build(name, new_filters=8)
        model.compile(
            keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy", jit_compile=jit
        )
        images, labels = batch(model)
        assert np.isfinite(model.fit(images / 255, labels, verbose=0).history["loss"]).all()
    finally:
        keras.config.set_dtype_policy("float32")
    for layer in model.layers:
        if isinstance(layer, (InterpretableConv, InterpretableFilters)):
            expected = "float32" if jit else "float16"
            assert layer.compute_dtype == expected, layer.name


@pytest.mark.medium
def test_a_saved_network_loads_where_only_the_package_is_imported(tmp_path):
    """Every layer class of the zoo is registered by `import keras_icnn`."""
    path = tmp_path / "model.keras"
    build("alexnet", include_top=False, include_preprocessing=True, new_filters=4).save(path)
    script = (
        "import sys, keras, keras_icnn; print(type(keras.saving.load_model(sys.argv[1])).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("InterpretableModel"), done.stderr[-2000:]


def test_list_models():
    assert zoo.list_models("vgg*") == sorted(
        f"vgg{kind}{variant}"
        for kind in ("16", "19", "_m", "_s")
        for variant in ("", "_interpretable")
    )
    assert zoo.list_models("nothing*") == []


def test_unknown_name_suggests():
    with pytest.raises(ValueError, match=r"Did you mean one of \['vgg16'"):
        zoo.create_model("vgg-16")


def test_register_model(monkeypatch):
    monkeypatch.setattr(_registry, "_BUILDERS", dict(_registry._BUILDERS))

    @zoo.register_model
    def tiny(units=1):
        inputs = keras.Input((2,))
        return keras.Model(inputs, keras.layers.Dense(units)(inputs))

    assert "tiny" in zoo.list_models()
    assert zoo.create_model("tiny", units=3).output_shape == (None, 3)
    with pytest.raises(ValueError, match="already registered"):
        zoo.register_model("tiny")(tiny)
    with pytest.raises(ValueError, match="identifier"):
        zoo.register_model("not a name")(tiny)

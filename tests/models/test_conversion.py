"""`make_interpretable`: same function without masks, flat graphs, kept weights, clear errors."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers

from keras_icnn import InterpretableConv, InterpretableFilters, InterpretableModel
from keras_icnn.models import make_interpretable, without_masks
from keras_icnn.models._signed_filters import SignedInterpretableFilters

pytestmark = pytest.mark.few_steps
SHAPE = (16, 16, 3)


def small_cnn(classes=4, activation="relu", shape=SHAPE):
    inputs = keras.Input(shape)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="low")(inputs)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(8, 3, padding="same", activation=activation, name="top")(x)
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", name="head")(x))


def images(shape=SHAPE, count=4):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")


def outputs(model, shape=SHAPE):
    return keras.ops.convert_to_numpy(model(images(shape), training=False))


def same_kernel(model, original, name):
    kernels = [m.get_layer(name).get_weights()[0] for m in (model, original)]
    np.testing.assert_array_equal(*kernels)


def kinds(model):
    return {
        layer.name: type(layer)
        for layer in model.layers
        if isinstance(layer, (InterpretableConv, InterpretableFilters))
    }


def residual():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, padding="same")(inputs)
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(layers.ReLU()(x)))
    x = layers.Add(name="sum")([x, y])
    return inputs, x


def with_addition():
    inputs, x = residual()
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def with_operation():
    inputs, x = residual()
    x = x + layers.Conv2D(8, 1)(x)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def with_gelu():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, activation="gelu", name="signed")(inputs)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def with_concatenation():
    inputs = keras.Input(SHAPE)
    parts = [layers.Conv2D(4, k, padding="same", activation="relu")(inputs) for k in (1, 3)]
    x = layers.Dropout(0.5)(layers.Concatenate(name="joined")(parts))
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))


def with_convolutional_head():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, activation="relu", name="top")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1, name="scores")(x))
    return keras.Model(inputs, layers.Softmax()(x))


def with_squeeze_and_excitation():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply(name="gated")([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)])
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return keras.Model(inputs, layers.Flatten()(layers.Conv2D(4, 1)(x)))


def nested_backbone():
    base = small_cnn()
    base = keras.Model(base.inputs[0], base.get_layer("top").output, name="base")
    base.trainable = False
    inputs = keras.Input(SHAPE)
    x = base(layers.Rescaling(0.5)(inputs), training=False)
    tail = keras.Sequential(
        [layers.GlobalAveragePooling2D(), layers.Dense(4, name="head")], name="tail"
    )
    return keras.Model(inputs, tail(x))


def sequential():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.Sequential([layers.Conv2D(8, 3, activation="relu", name="top")], name="inner"),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )


MODELS = {
    small_cnn: ("top", InterpretableConv),
    with_addition: ("sum_interpretable", SignedInterpretableFilters),
    with_operation: ("top_map_interpretable", SignedInterpretableFilters),
    with_gelu: ("signed_interpretable", SignedInterpretableFilters),
    with_concatenation: ("joined_interpretable", InterpretableFilters),
    with_convolutional_head: ("top", InterpretableConv),
    with_squeeze_and_excitation: ("gated_interpretable", InterpretableFilters),
    nested_backbone: ("top", InterpretableConv),
    sequential: ("top", InterpretableConv),
}


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_without_masks_it_is_the_original(build):
    original = build()
    expected, weights = outputs(original), original.get_weights()
    model = make_interpretable(original, num_classes=4, extra_layer=False)
    name, kind = MODELS[build]
    assert kinds(model) == {name: kind}
    assert isinstance(model, InterpretableModel)
    assert not any(isinstance(layer, (keras.Model, keras.Sequential)) for layer in model.layers)
    masked = outputs(model)
    np.testing.assert_allclose(outputs(without_masks(model)), expected, atol=1e-5)
    assert np.abs(masked - expected).max() > 1e-4
    for before, after in zip(weights, original.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    # Every layer was called once, so tools that ask for `layer.output` work.
    assert keras.Model(model.inputs, model.get_layer(name).output).output_shape[-1] == 8


@pytest.mark.medium
@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_trains_saves_and_loads(build, tmp_path):
    model = make_interpretable(build(), num_classes=4, new_filters=8)
    assert model.get_layer("interpretable_conv").filters == 8
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    history = model.fit(images(), np.eye(4), verbose=0).history
    assert np.isfinite(history["loss"]).all() and "filter_loss" in history
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(outputs(loaded), outputs(model), atol=1e-6)


def test_signed_map_without_mask_is_unchanged_in_training_too():
    layer = SignedInterpretableFilters(num_classes=2, filter_loss=None, mask=False)
    x = images((5, 5, 3))
    for training in (False, True):
        actual = keras.ops.convert_to_numpy(layer(x, training=training))
        np.testing.assert_allclose(actual, x, atol=1e-6)
    layer = SignedInterpretableFilters(num_classes=2, filter_loss=None)
    assert keras.ops.convert_to_numpy(layer(x)).min() >= 0


def test_new_layer_sits_between_the_top_map_and_its_pooling():
    model = make_interpretable(small_cnn(), num_classes=4)
    names = [layer.name for layer in model.layers]
    assert names[names.index("top") + 1 :][:2] == ["interpretable_conv", "pool"]
    assert model.get_layer("interpretable_conv").kernel.shape == (3, 3, 8, 8)
    assert model.name.endswith("_interpretable")


def test_head_is_kept_when_it_fits():
    original = small_cnn()
    model = make_interpretable(original, num_classes=4)
    np.testing.assert_array_equal(model.get_layer("head").kernel, original.get_layer("head").kernel)


def test_head_gets_the_classes_asked_for():
    model = make_interpretable(small_cnn(), num_classes=7)
    assert model.output_shape == (None, 7)
    assert model.get_layer("head").activation is keras.activations.softmax
    convolutional = make_interpretable(with_convolutional_head(), num_classes=7)
    assert convolutional.output_shape == (None, 7)


def test_head_is_fresh_when_the_new_layer_has_other_filters():
    original = small_cnn()
    model = make_interpretable(original, num_classes=4, new_filters=5)
    assert model.get_layer("head").kernel.shape == (4 * 4 * 5, 4)
    same_kernel(model, original, "low")


def test_single_category():
    model = make_interpretable(small_cnn(), num_classes=1)
    assert model.output_shape == (None, 1)
    assert model.get_layer("head").activation is keras.activations.sigmoid
    layer = model.get_layer("top")
    assert (layer.num_classes, layer.background_class) == (2, 0)
    binary = make_interpretable(small_cnn(1), num_classes=2, background_class=0)
    assert binary.output_shape == (None, 1)


def test_network_without_classifier_gets_one():
    cnn = small_cnn()
    cut = keras.Model(cnn.inputs[0], cnn.get_layer("pool").output)
    model = make_interpretable(cut, num_classes=3)
    assert [layer.name for layer in model.layers][-2:] == ["avg_pool", "predictions"]
    assert model.output_shape == (None, 3)


def test_named_layers():
    model = make_interpretable(small_cnn(), num_classes=4, layers=["low", "top"])
    assert set(kinds(model)) == {"low", "top", "interpretable_conv"}
    low = make_interpretable(small_cnn(), num_classes=4, layers="low")
    names = [layer.name for layer in low.layers]
    assert names.index("interpretable_conv") == names.index("low") + 1
    none = make_interpretable(small_cnn(), num_classes=4, layers=())
    assert set(kinds(none)) == {"interpretable_conv"}


def test_options_reach_the_layers():
    model = make_interpretable(
        small_cnn(),
        num_classes=4,
        background_class=1,
        filter_loss=None,
        mask=False,
        normalization=None,
        name="named",
    )
    assert model.name == "named"
    for name in ("top", "interpretable_conv"):
        layer = model.get_layer(name)
        assert layer.filter_loss is None and not layer.mask
        assert layer.background_class == 1 and layer.normalization is None


def test_layers_that_another_model_calls_too():
    cnn = small_cnn()
    inputs = keras.Input(SHAPE)
    x = inputs
    for layer in cnn.layers[1:]:
        x = layer(x)
    again = keras.Model(inputs, x)
    model = make_interpretable(again, num_classes=4, extra_layer=False, mask=False)
    np.testing.assert_allclose(outputs(model), outputs(cnn), atol=1e-5)


def test_lambda_layers_are_the_callers_own():
    inputs = keras.Input(SHAPE)
    x = layers.Lambda(lambda t: 2 * t)(inputs)
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(x))
    original = keras.Model(inputs, layers.Dense(4)(x))
    model = make_interpretable(original, num_classes=4, extra_layer=False, mask=False)
    np.testing.assert_allclose(outputs(model), outputs(original), atol=1e-5)


def test_compiled_and_frozen_models():
    original = nested_backbone()
    original.compile("adam", "mse")
    original.fit(images(), np.eye(4), verbose=0)
    model = make_interpretable(original, num_classes=4)
    assert not model.compiled
    frozen = {layer.name for layer in model.layers if not layer.trainable}
    assert {"low", "top"} <= frozen and "interpretable_conv" not in frozen


def channels_first():
    inputs = keras.Input((3, 16, 16))
    x = layers.Conv2D(4, 3, activation="relu", name="top", data_format="channels_first")(inputs)
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten(data_format="channels_first")(x)))


def subclassed():
    class Net(keras.Model):
        def call(self, x):
            return x

    return Net()


def dense_only():
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten()(inputs)))


def one_by_one():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 4, strides=4, activation="relu")(inputs)
    x = layers.Conv2D(8, 3, strides=4, padding="same", activation="relu", name="tiny")(x)
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))


def unknown_size():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="top")(inputs)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def shared():
    inputs = keras.Input(SHAPE)
    conv = layers.Conv2D(3, 3, padding="same", activation="relu")
    x = layers.GlobalAveragePooling2D()(conv(conv(inputs)))
    return keras.Model(inputs, layers.Dense(4)(x))


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (subclassed, {}, "subclassed model has no graph.*Received: Net"),
        (dense_only, {}, "`model` has no spatial feature map"),
        (one_by_one, {}, "'tiny' is 1 x 1.*larger `input_shape`"),
        (unknown_size, {}, r"'top' has no known size.*`input_shape`"),
        (channels_first, {}, "channels last.*'top' with data_format='channels_first'"),
        (shared, {}, "calls a layer more than once"),
        (lambda: keras.Sequential([layers.Conv2D(2, 3)]), {}, "not built"),
        (small_cnn, {"layers": "nowhere"}, "`layers`.*Received: 'nowhere'"),
        (small_cnn, {"layers": ["head"]}, "`layers`.*'head', whose output has shape"),
        (small_cnn, {"num_classes": 0}, "`num_classes`.*Received: num_classes=0"),
        (lambda: make_interpretable(small_cnn(), num_classes=4), {}, "already interpretable"),
    ],
)
def test_errors_say_what_is_wrong(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_interpretable(build(), **({"num_classes": 4} | arguments))


# One of each kind that the zoo, whose own tests convert its networks, has not: depthwise without
# residuals, squeeze-and-excitation with hard functions, separable, towers that are concatenated.
APPLICATIONS = {
    "MobileNet": "conv_pw_13_relu_interpretable",
    "MobileNetV3Small": None,
    "Xception": "block14_sepconv2_act_interpretable",
    "InceptionV3": "mixed10_interpretable",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_keras_applications(name, tmp_path):
    """Same outputs without masks; trains; exports."""
    # InceptionV3 brings 96 pixels to 1 x 1.
    shape = (128, 128, 3) if name == "InceptionV3" else (96, 96, 3)
    original = getattr(keras.applications, name)(weights=None, input_shape=shape, classes=4)
    # Random weights make softmax flat: compare what it is made from.
    features = keras.Model(original.inputs[0], original.layers[-1].input)
    expected = outputs(features, shape)
    plain = make_interpretable(original, num_classes=4, extra_layer=False, mask=False)
    actual = outputs(keras.Model(plain.inputs[0], plain.layers[-1].input), shape)
    np.testing.assert_allclose(actual, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    if APPLICATIONS[name]:
        assert list(kinds(plain)) == [APPLICATIONS[name]]
    model = make_interpretable(original, num_classes=4, new_filters=8)
    # Eagerly: tracing hundreds of layers takes longer than the step.
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy", run_eagerly=True)
    history = model.fit(images(shape, 2), np.arange(2), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
        loaded = tf.saved_model.load(str(tmp_path / "saved"))
        # As a graph, too: two units of a map may be as strong but for rounding.
        tf.config.run_functions_eagerly(False)
        model.run_eagerly = False
        expected = model.predict(images(shape), verbose=0)
        np.testing.assert_allclose(loaded.serve(images(shape)), expected, atol=1e-5)


def pooled(x):
    return layers.GlobalAveragePooling2D()(x)


HEADS = {
    "softmax of the classifier": lambda x: layers.Dense(5, activation="softmax")(pooled(x)),
    "activation": lambda x: layers.Activation("softmax", dtype="float32")(
        layers.Dense(5)(pooled(x))
    ),
    "softmax layer": lambda x: layers.Softmax()(layers.Dense(5)(pooled(x))),
    "operation": lambda x: keras.ops.softmax(layers.Dense(5)(pooled(x))),
    "convolution": lambda x: layers.Activation("softmax")(pooled(layers.Conv2D(5, 1)(x))),
}


@pytest.mark.parametrize("head", HEADS)
def test_one_unit_gets_a_sigmoid_whatever_form_the_softmax_has(head):
    inputs = keras.Input(SHAPE)
    top = layers.Conv2D(6, 3, activation="relu", name="top")(inputs)
    model = make_interpretable(keras.Model(inputs, HEADS[head](top)), num_classes=1)
    predicted = outputs(model)
    assert predicted.shape == (4, 1)
    assert ((predicted > 0) & (predicted < 1)).all()


def test_an_adapted_normalization_stays_adapted():
    x = images() * 40 + 7
    normalize = layers.Normalization()
    normalize.adapt(x)
    inputs = keras.Input(SHAPE)
    top = layers.Conv2D(6, 3, activation="relu", name="top")(normalize(inputs))
    cnn = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(top)))
    model = make_interpretable(cnn, num_classes=3, extra_layer=False, mask=False)
    found = keras.ops.convert_to_numpy(model(x))
    assert found == pytest.approx(keras.ops.convert_to_numpy(cnn(x)), abs=1e-5)
    assert np.abs(found).max() > 0.01


def test_classes_is_called_num_classes_here():
    with pytest.raises(TypeError, match=r"'classes'. It is called `num_classes` here"):
        make_interpretable(small_cnn(), classes=4)
    assert list(inspect.signature(make_interpretable).parameters)[:2] == ["model", "num_classes"]

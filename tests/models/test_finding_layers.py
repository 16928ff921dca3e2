"""Which layer is measured in nested, branching and ambiguous networks."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_icnn as icnn
from keras_icnn.metrics import MapReader, measured_layer, receptive_field
from keras_icnn.models._inlined import inlined

SIZE = (12, 14, 3)


def parts(name="ic", filters=5):
    return icnn.InterpretableConv(filters, 3, padding="same", num_classes=2, name=name)


def backbone(name="base", inner="ic", stem="conv"):
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name=stem)(inputs)
    return icnn.InterpretableModel(inputs, parts(inner)(x), name=name)


def head(x, classes=2):
    return layers.Dense(classes, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def nested(preprocess=lambda x: x, base=None):
    inputs = keras.Input(SIZE)
    return icnn.InterpretableModel(inputs, head((base or backbone())(preprocess(inputs))))


PREPROCESSING = [
    layers.Rescaling(1 / 255),
    layers.Normalization(mean=[1.0] * 3, variance=[2.0] * 3),
    layers.RandomFlip("horizontal"),
    layers.RandomRotation(0.1),
    layers.GaussianNoise(0.1),
    layers.BatchNormalization(),
    layers.Activation("relu"),
    layers.ZeroPadding2D(0),
    layers.UpSampling2D(1),
]


@pytest.mark.parametrize("layer", PREPROCESSING, ids=lambda layer: layer.name)
def test_preprocessing_is_never_measured(layer):
    """Neither before a nested network nor before an ordinary one."""
    assert measured_layer(nested(layer)).name == "ic"
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(4, 3, name="filters")(type(layer).from_config(layer.get_config())(inputs))
    assert measured_layer(keras.Model(inputs, head(x))).name == "filters"
    with pytest.raises(ValueError, match="must have a layer that gives maps"):
        measured_layer(keras.Model(inputs, head(layer(inputs))))


def test_every_entry_point_takes_the_nested_layer():
    model = nested(layers.Rescaling(1 / 255))
    images = np.random.default_rng(0).uniform(0, 255, (3, *SIZE)).astype("float32")
    reader = MapReader(model, batch_size=3)
    base = model.get_layer("base")
    expected = keras.ops.convert_to_numpy(base(images / 255))
    np.testing.assert_allclose(reader(images)[0], expected, atol=1e-5)
    np.testing.assert_allclose(reader(images)[1], model.predict_on_batch(images), atol=1e-5)
    plain = icnn.models.without_masks(base)
    before = keras.ops.convert_to_numpy(plain(images / 255))
    np.testing.assert_allclose(reader.maps(images, before=True).before, before, atol=1e-5)
    assert icnn.explain(model, images[0]).layer == "ic"
    figure = icnn.visualize.filter_maps(model, images[0])
    assert "'ic'" in figure.get_suptitle()


def test_names_paths_and_layers_mean_the_same():
    model = nested()
    inner = model.get_layer("base").get_layer("ic")
    for layer in ("ic", "base/ic", inner, "base", model.get_layer("base")):
        assert measured_layer(model, layer) is inner
        assert receptive_field(model, layer).size == (5.0, 5.0)
    assert measured_layer(model, "base/conv").name == "conv"


def test_a_name_that_two_layers_have_needs_its_path():
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(3, 1, name="conv")(inputs)
    model = keras.Model(inputs, head(backbone("b")(x)))
    # The model's own layers come first, as `get_layer` has it.
    assert measured_layer(model, "conv").filters == 3
    assert measured_layer(model, "b/conv").filters == 4
    found = MapReader(model, "b/conv", 2)
    assert found(np.ones((2, *SIZE), "float32"))[0].shape[-1] == 4
    names = [op.name for op in inlined(model).operations]
    assert len(set(names)) == len(names)


def test_two_nested_models_with_a_layer_of_one_name():
    inputs = keras.Input(SIZE)
    first = backbone("a")
    inner = keras.Input((12, 14, 5))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(inner)
    second = keras.Model(inner, parts("ic", 6)(x), name="b")
    model = keras.Model(inputs, head(second(first(inputs))))
    with pytest.raises(ValueError, match=r"\['a/ic', 'b/ic'\]"):
        measured_layer(model, "ic")
    images = np.random.default_rng(0).random((2, *SIZE)).astype("float32")
    for path, base in (("a/ic", first(images)), ("b/ic", second(first(images)))):
        np.testing.assert_allclose(
            MapReader(model, path, 2)(images)[0], keras.ops.convert_to_numpy(base), atol=1e-5
        )
    # The topmost one, of several.
    assert MapReader(model, None, 2)(images)[0].shape[-1] == 6


def test_parallel_layers_are_in_doubt():
    inputs = keras.Input(SIZE)
    left, right = parts("left")(inputs), parts("right")(inputs)
    pooled = [layers.GlobalAveragePooling2D()(x) for x in (left, right)]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(pooled)))
    with pytest.raises(ValueError, match=r"several interpretable layers.*\['left', 'right'\]"):
        measured_layer(model)
    assert measured_layer(model, "left").name == "left"


def test_of_two_outputs_the_first_ones_layer():
    inputs = keras.Input(SIZE)
    left, right = parts("left")(inputs), parts("right")(inputs)
    model = keras.Model(inputs, [head(right), head(left)])
    assert measured_layer(model).name == "right"


def test_a_layer_that_is_called_twice_has_no_one_map():
    shared, inputs = parts("shared"), keras.Input(SIZE)
    flipped = keras.ops.flip(inputs, axis=2)
    x = layers.Add()([shared(inputs), shared(flipped)])
    model = keras.Model(inputs, head(x))
    with pytest.raises(ValueError, match="called 2 times"):
        MapReader(model)
    base = backbone()
    again = keras.Model(inputs, head(layers.Add()([base(inputs), base(flipped)])))
    with pytest.raises(ValueError, match="called 2 times"):
        MapReader(again)


def test_a_backbone_in_another_model_is_not_called_twice():
    base = backbone()
    models = [nested(base=base), nested(layers.Rescaling(0.5), base=base)]
    images = np.random.default_rng(0).random((2, *SIZE)).astype("float32")
    for model, scale in zip(models, (1.0, 0.5), strict=True):
        expected = keras.ops.convert_to_numpy(base(images * scale))
        np.testing.assert_allclose(MapReader(model, batch_size=2)(images)[0], expected, atol=1e-5)


class Wrapped(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = parts("hidden")

    def call(self, x):
        return self.inner(x)


def test_an_interpretable_layer_without_a_graph_is_told_of():
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(4, 3, name="below")(inputs)
    model = keras.Model(inputs, head(Wrapped()(x)))
    with pytest.raises(ValueError, match=r"'hidden' inside of .*Wrapped"):
        measured_layer(model)
    assert measured_layer(model, "below").name == "below"


class Halved(icnn.InterpretableModel):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) / 2


def test_a_model_that_overrides_call_is_refused():
    base = backbone()
    with pytest.raises(ValueError, match="overrides `call`"):
        measured_layer(Halved(base.inputs, base.outputs))


def test_nothing_is_set_on_the_model():
    model = nested(layers.Rescaling(1 / 255))
    config, names = model.get_config(), [layer.name for layer in model.layers]
    MapReader(model)
    icnn.explain(model, np.zeros(SIZE))
    assert model.get_config() == config
    assert [layer.name for layer in model.layers] == names
    assert keras.models.clone_model(model).count_params() == model.count_params()

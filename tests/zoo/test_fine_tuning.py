"""`fine_tune`: what of a pretrained network is trained, and what stays as it is."""

import itertools

import keras
import numpy as np
import pytest
from tiers import slow_except

from keras_icnn import InterpretableModel, zoo
from keras_icnn.layers import FixedBatchNormalization
from keras_icnn.zoo._fine_tuning import LAST_BLOCK
from keras_icnn.zoo._manifest import MANIFEST

pytestmark = pytest.mark.few_steps

NAMES = ["cat", "dog", "owl"]
SHAPE = (64, 64, 3)
BATCH = (
    np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype("float32"),
    np.array([0, 1, 2, 0]),
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights files of two networks, one with batch normalization and one without."""
    folder, paths = tmp_path_factory.mktemp("weights"), {}
    for name in ("mobilenet_v2", "squeezenet"):
        model = zoo.create_model(name, include_top=False, input_shape=SHAPE)
        paths[name] = str(folder / f"{name}.weights.h5")
        model.save_weights(paths[name])
    return paths


def build(files, name="mobilenet_v2", variant="_interpretable", **arguments):
    return zoo.create_model(
        f"{name}{variant}",
        **{"weights": files[name], "input_shape": SHAPE, "classes": 3} | arguments,
    )


def trained(model):
    """The layers whose weights a training step changes."""
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model.train_on_batch(*BATCH)
    return {
        layer.name
        for layer in model.layers
        for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
        if not np.array_equal(old, new)
    }


# All cases on a small network, and of a large one that with the most layers of each kind.
CASES = list(
    itertools.product(
        ("mobilenet_v2", "squeezenet"), ("", "_interpretable"), ("top", "last_block", "all")
    )
)
OFTEN = [
    case
    for case in map("-".join, CASES)
    if case.startswith("squeezenet") or case == "mobilenet_v2-_interpretable-last_block"
]


@pytest.mark.parametrize("case", slow_except(OFTEN, CASES, ids="-".join))
def test_only_what_is_said_is_trained(weights, case):
    name, variant, fine_tune = case
    arguments = {} if variant else {"extra_layer": True}
    model = build(weights, name, variant, fine_tune=fine_tune, **arguments)
    changed = trained(model)
    new = {"interpretable_conv"} if variant else {"extra_conv", "extra_conv_bn"}
    order = [layer.name for layer in model.layers]
    first = {
        "top": min(order.index(layer) for layer in new),
        "last_block": order.index(LAST_BLOCK[name]),
        "all": 0,
    }[fine_tune]
    assert new <= changed
    assert {"predictions", "conv10"} & changed
    assert min(order.index(layer) for layer in changed) >= first
    pretrained = {layer for layer in changed if order.index(layer) < order.index(min(new))}
    assert bool(pretrained) == (fine_tune != "top")


@pytest.mark.parametrize("fine_tune", slow_except(("last_block",), ("top", "last_block", "all")))
def test_batch_normalization_keeps_its_statistics_whatever_is_trainable(weights, fine_tune):
    model = build(weights, fine_tune=fine_tune)
    kept = [layer for layer in model.layers if isinstance(layer, FixedBatchNormalization)]
    assert len(kept) == 52
    assert not [layer for layer in model.layers if type(layer) is keras.layers.BatchNormalization]
    model.trainable = True
    statistics = [np.array(layer.moving_mean) for layer in kept]
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.train_on_batch(*BATCH)
    for layer, before in zip(kept, statistics, strict=True):
        np.testing.assert_array_equal(np.array(layer.moving_mean), before)
    # Training and inference see the same pretrained features.
    top = keras.Model(model.inputs[0], model.get_layer("out_relu").output)
    np.testing.assert_allclose(
        np.array(top(BATCH[0], training=True)), np.array(top(BATCH[0])), rtol=1e-5, atol=1e-5
    )


@pytest.mark.medium
def test_top_is_the_default_where_weights_are_given(weights):
    model = build(weights)
    assert not model.get_layer("Conv_1").trainable
    assert model.get_layer("interpretable_conv").filters == 128
    assert model.get_layer("preprocessing").built
    # Nothing is frozen or left out without weights, or in an ordinary network.
    for plain in (build(weights, weights=None), build(weights, variant="", new_head=True)):
        assert all(layer.trainable for layer in plain.layers)
        assert not [m for m in plain.layers if isinstance(m, FixedBatchNormalization)]
        assert "preprocessing" not in [layer.name for layer in plain.layers]


@pytest.mark.medium
def test_a_network_without_weights_has_the_layers_of_one_with(weights):
    """What was trained can be loaded into a network that is built without the first weights."""
    model = build(weights, fine_tune="top")
    bare = build(weights, fine_tune="top", weights=None)
    bare.set_weights(model.get_weights())
    np.testing.assert_allclose(
        bare.predict(BATCH[0], verbose=0), model.predict(BATCH[0], verbose=0), rtol=1e-5, atol=1e-6
    )
    assert all(layer.trainable for layer in bare.layers)


@pytest.mark.medium
def test_it_is_kept_by_saving(weights, tmp_path):
    model = build(weights, fine_tune="last_block", class_names=NAMES)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert isinstance(again, InterpretableModel)
    assert again.class_names == NAMES
    assert [layer.trainable for layer in again.layers] == [
        layer.trainable for layer in model.layers
    ]
    assert isinstance(again.get_layer("bn_Conv1"), FixedBatchNormalization)


@pytest.mark.medium
def test_class_names_are_counted_and_checked(weights):
    assert build(weights, classes=None, class_names=NAMES).output_shape == (None, 3)
    assert build(weights, classes=1, class_names=["other", "cat"]).class_names == ["other", "cat"]
    with pytest.raises(ValueError, match="`class_names` of mobilenet_v2_interpretable"):
        build(weights, classes=2, class_names=NAMES)
    with pytest.raises(ValueError, match="`fine_tune` of mobilenet_v2_interpretable"):
        build(weights, fine_tune="head")


@pytest.mark.parametrize("name", slow_except(("alexnet_v2", "squeezenet"), sorted(MANIFEST)))
def test_every_network_has_its_last_block(name, tmp_path):
    shape = (96, 96, 3)
    source = zoo.create_model(name, include_top=False, input_shape=shape)
    path = str(tmp_path / "w.weights.h5")
    source.save_weights(path)
    images = np.random.default_rng(0).uniform(0, 255, (2, *shape)).astype("float32")
    # The network's own weights file gives the same network.
    twin = zoo.create_model(
        name, weights=path, include_top=False, input_shape=shape, include_preprocessing=False
    )
    expected = np.array(source(images))
    np.testing.assert_allclose(np.array(twin(images)), expected, rtol=1e-4, atol=1e-4)
    model = zoo.create_model(
        f"{name}_interpretable",
        weights=path,
        input_shape=shape,
        classes=3,
        fine_tune="last_block",
    )
    order = [layer.name for layer in model.layers]
    first = order.index(LAST_BLOCK[name])
    weighted = [layer for layer in model.layers if layer.weights]
    assert all(not w.trainable for w in weighted if order.index(w.name) < first)
    assert all(w.trainable for w in weighted if order.index(w.name) >= first)
    assert first > len(order) / 3
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    assert np.isfinite(model.train_on_batch(images, np.array([0, 1]))).all()


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "top", "channels"),
    [("mobilenet_v2", "block_12_add", 96), ("squeezenet", "fire8_concat", 512)],
)
def test_a_network_is_cut_at_the_map_that_is_named(weights, name, top, channels):
    model = build(weights, name, top_map=top)
    assert model.get_layer("interpretable_conv").input.shape[-1] == channels
    assert trained(model) == {"interpretable_conv", "predictions"}
    # What lies below has its pretrained weights.
    whole = zoo.create_model(name, include_top=False, input_shape=SHAPE)
    whole.load_weights(weights[name])
    below = whole.layers[: whole.layers.index(whole.get_layer(top))]
    for layer in (layer for layer in below if layer.weights):
        for old, new in zip(
            layer.get_weights(), model.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match="`top_map` of"):
        build(weights, name, top_map="block_99")
    with pytest.raises(ValueError, match="new_head"):
        build(weights, name, top_map=top, new_head=False)

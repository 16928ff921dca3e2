"""Views without masks and without activations: what they compute, and that they share weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_icnn as icnn
from keras_icnn.models._output_meaning import output_meaning


def images(n=4, shape=(16, 16, 3)):
    return np.random.default_rng(0).random((n, *shape)).astype("float32")


def backbone(inputs, mask=True):
    x = layers.Conv2D(6, 3, padding="same")(inputs)
    x = icnn.InterpretableFilters(num_classes=3, mask=mask, normalization="batch", name="low")(x)
    return icnn.InterpretableConv(5, 3, padding="same", num_classes=3, mask=mask, name="parts")(x)


def network(mask=True, nested=False):
    inputs = keras.Input((16, 16, 3))
    if nested:
        inner = keras.Input((16, 16, 3))
        x = keras.Model(inner, backbone(inner, mask), name="backbone")(inputs)
    else:
        x = backbone(inputs, mask)
    outputs = layers.Dense(3, activation="softmax", name="classifier")(
        layers.GlobalAveragePooling2D()(x)
    )
    return icnn.InterpretableModel(inputs, outputs, name="net")


def predict(model, x):
    return np.asarray(model.predict_on_batch(x))


@pytest.mark.parametrize("nested", [False, True])
def test_without_masks_is_the_network_with_mask_false(nested):
    model, plain = network(nested=nested), network(mask=False, nested=nested)
    plain.set_weights(model.get_weights())
    view = icnn.models.without_masks(model)
    np.testing.assert_allclose(predict(view, images()), predict(plain, images()), atol=1e-6)
    assert np.abs(predict(model, images()) - predict(view, images())).max() > 1e-4


@pytest.mark.medium
def test_a_view_follows_the_weights_of_its_model():
    model = network()
    view = icnn.models.without_masks(model)
    before = predict(view, images())
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    model.fit(images(12), np.arange(12) % 3, verbose=0)
    after = predict(view, images())
    assert np.abs(after - before).max() > 1e-4
    np.testing.assert_allclose(predict(icnn.models.without_masks(model), images()), after)
    assert not view.compiled


def test_a_view_is_measured_and_read_like_a_network():
    model = network()
    view = icnn.models.without_masks(model)
    reader = icnn.metrics.MapReader(view)
    assert reader.layer.name == "parts" and not reader.masked
    unmasked = icnn.metrics.MapReader(model, "parts").maps(images(), before=True)
    # In the view the layer below does not mask either.
    assert reader.maps(images()).after.shape == unmasked.before.shape
    low = icnn.metrics.MapReader(model, "low").maps(images(), before=True).before
    np.testing.assert_allclose(
        icnn.metrics.MapReader(view, "low").maps(images()).after, low, atol=1e-6
    )
    explanation = icnn.explain(view, (255 * images(1)[0]).astype("uint8"), layer="parts")
    assert np.isfinite(explanation.logit)


def test_a_network_without_interpretable_layers_has_no_view():
    inputs = keras.Input((8, 8, 3))
    plain = keras.Model(inputs, layers.Conv2D(2, 3)(inputs))
    with pytest.raises(ValueError, match="must have an interpretable layer"):
        icnn.models.without_masks(plain)


HEADS = {
    "dense": lambda x: layers.Dense(3, activation="softmax")(x),
    "without bias": lambda x: layers.Dense(3, activation="sigmoid", use_bias=False)(x),
    "einsum": lambda x: layers.EinsumDense("bi,ij->bj", 3, bias_axes="j", activation="softmax")(x),
    "half precision": lambda x: layers.Dense(3, activation="softmax", dtype="mixed_float16")(x),
}


@pytest.mark.parametrize("head", HEADS)
def test_logits_are_what_the_activation_takes(head):
    inputs = keras.Input((7,))
    model = keras.Model(inputs, HEADS[head](inputs))
    activation = model.layers[-1].activation
    logits = output_meaning(model).logits
    x = images(4, (7,))
    given = predict(keras.Model(inputs, logits), x)
    squashed = ops.convert_to_numpy(activation(ops.convert_to_tensor(given)))
    np.testing.assert_allclose(squashed, predict(model, x), atol=1e-3 if "half" in head else 1e-6)
    assert given.min() < 0 or given.max() > 1
    assert model.layers[-1].activation is activation


@pytest.mark.medium
def test_the_logits_of_a_quantized_layer():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(inputs))
    x = images(4, (8,))
    before = predict(model, x)
    model.layers[-1].quantize("int8")
    logits = output_meaning(model).logits
    given = predict(keras.Model(inputs, logits), x).astype("float64")
    squashed = np.exp(given) / np.exp(given).sum(axis=1, keepdims=True)
    # Another model: the function that is compiled already does not know of the change.
    quantized = keras.Model(inputs, model.output)
    np.testing.assert_allclose(squashed, predict(quantized, x), atol=1e-6)
    np.testing.assert_allclose(squashed, before, atol=0.05)

"""Local response normalization against its formula, and out of Keras."""

import keras
import numpy as np
import pytest

from keras_icnn.layers._local_response_normalization import LocalResponseNormalization


def reference(x, radius, bias, alpha, beta):
    x = x.astype("float64")
    result = np.empty_like(x)
    for i in range(x.shape[-1]):
        window = x[..., max(0, i - radius) : i + radius + 1]
        result[..., i] = x[..., i] / (bias + alpha * (window**2).sum(-1)) ** beta
    return result


def test_by_hand():
    layer = LocalResponseNormalization(depth_radius=1, bias=1.0, alpha=1.0, beta=1.0)
    actual = layer(np.array([[1.0, 2.0, 3.0]], "float32"))
    np.testing.assert_allclose(actual, [[1 / 6, 2 / 15, 3 / 14]], rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 16])
@pytest.mark.parametrize("radius", [0, 1, 2, 5])
def test_formula(channels, radius):
    x = np.random.default_rng(0).normal(0, 50, (2, 3, 4, channels)).astype("float32")
    layer = LocalResponseNormalization(radius, 2.0, 1e-2, 0.75)
    np.testing.assert_allclose(layer(x), reference(x, radius, 2.0, 1e-2, 0.75), rtol=1e-5)


def test_same_as_tensorflows():
    tf = pytest.importorskip("tensorflow")
    x = np.random.default_rng(0).normal(0, 50, (1, 5, 5, 9)).astype("float32")
    expected = tf.nn.local_response_normalization(x, 2, 1.0, 2e-5, 0.75)
    np.testing.assert_allclose(LocalResponseNormalization()(x), expected, rtol=1e-5)


def test_half_precision_does_not_overflow():
    layer = LocalResponseNormalization(alpha=1e-4, dtype="mixed_float16")
    x = np.full((1, 1, 1, 8), 2000.0, "float16")
    actual = np.asarray(layer(x), "float32")
    assert layer(x).dtype in ("float16", layer.compute_dtype) or "16" in str(layer(x).dtype)
    np.testing.assert_allclose(actual, reference(x, 2, 1.0, 1e-4, 0.75), rtol=2e-3)


def test_config_and_layer_contract():
    layer = LocalResponseNormalization(3, 2.0, 1e-3, 0.5, name="norm")
    again = LocalResponseNormalization.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape((None, 5, 5, 8)) == (None, 5, 5, 8)
    inputs = keras.Input((5, 5, 8))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 5, 5, 8) and model.count_params() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth_radius": -1}, "`depth_radius`.*Received: depth_radius=-1"),
        ({"depth_radius": 1.5}, "`depth_radius`"),
        ({"bias": 0}, "`bias`.*Received: bias=0"),
        ({"alpha": -1e-4}, "`alpha`"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalResponseNormalization(**arguments)
    with pytest.raises(ValueError, match=r"channel number.*\(None, None\)"):
        LocalResponseNormalization()(keras.Input((None,)))


@pytest.fixture
def model():
    inputs = keras.Input((5, 5, 8))
    model = keras.Model(inputs, LocalResponseNormalization(alpha=1e-2)(inputs))
    model(np.zeros((1, 5, 5, 8), "float32"))  # Keras exports what has been called.
    return model


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(0, 20, (2, 5, 5, 8)).astype("float32")


@pytest.mark.tensorflow_only("networks are exported there")
# tf2onnx is older than NumPy 2.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_exports_to_onnx(model, images, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = str(tmp_path / "lrn.onnx")
    model.export(path, format="onnx", verbose=False)
    session = runtime.InferenceSession(path)
    (actual,) = session.run(None, {session.get_inputs()[0].name: images})
    np.testing.assert_allclose(actual, model(images), rtol=1e-4)


@pytest.mark.tensorflow_only("networks are exported there")
def test_exports_to_litert(model, images, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = str(tmp_path / "lrn.tflite")
    model.export(path, format="litert", verbose=False)
    runner = interpreter.Interpreter(path)
    runner.resize_tensor_input(0, images.shape)
    runner.allocate_tensors()
    runner.set_tensor(runner.get_input_details()[0]["index"], images)
    runner.invoke()
    actual = runner.get_tensor(runner.get_output_details()[0]["index"])
    np.testing.assert_allclose(actual, model(images), rtol=1e-4)

"""Grouped convolution: Keras's numbers, and out of Keras."""

import keras
import numpy as np
import pytest

from keras_icnn import zoo
from keras_icnn.layers._grouped_conv import GroupedConv2D


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("strides", [1, 2])
def test_same_as_keras(groups, strides):
    arguments = {"filters": 8, "kernel_size": 3, "groups": groups, "strides": strides}
    ours = GroupedConv2D(padding="same", activation="relu", **arguments)
    theirs = keras.layers.Conv2D(padding="same", activation="relu", **arguments)
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 4)).astype("float32")
    ours.build(x.shape)
    theirs.build(x.shape)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        mine.assign(other)
    found, expected = (keras.ops.convert_to_numpy(layer(x)) for layer in (ours, theirs))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert ours.get_config() == {**theirs.get_config(), "name": ours.name}


@pytest.mark.medium
@pytest.mark.tensorflow_only("networks are exported there")
# tf2onnx is older than NumPy 2.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "options"), [("alexnet", {}), ("alexnet_interpretable", {"classes": 2})]
)
def test_alexnet_exports_to_onnx(name, options, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = zoo.create_model(
        name, include_top=False, input_shape=(83, 83, 3), pooling="avg", **options
    )
    image = np.random.default_rng(0).normal(0, 50, (1, 83, 83, 3)).astype("float32")
    expected = np.asarray(model(image))
    path = str(tmp_path / "alexnet.onnx")
    model.export(path, format="onnx", verbose=False)
    session = runtime.InferenceSession(path)
    (actual,) = session.run(None, {session.get_inputs()[0].name: image})
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())

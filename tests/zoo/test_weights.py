"""Weights files: each format taken, and every way they can be wrong."""

import inspect

import keras
import numpy as np
import pytest

from keras_icnn import zoo

SHAPE = (47, 47, 3)


@pytest.fixture(scope="module")
def network():
    return zoo.squeezenet(input_shape=SHAPE, classes=3)


def archive(model, path, change=lambda arrays: None):
    arrays = {
        f"{layer.name}/{variable.name}": np.asarray(variable)
        for layer in model.layers
        for variable in layer.weights
    }
    change(arrays)
    np.savez(path, **arrays)
    return str(path)


def same(ours, theirs):
    image = np.random.default_rng(0).normal(0, 50, (1, *SHAPE)).astype("float32")
    np.testing.assert_allclose(ours(image), theirs(image), atol=1e-5)


def test_npz(network, tmp_path):
    path = archive(network, tmp_path / "w.npz")
    same(zoo.squeezenet(weights=path, input_shape=SHAPE, classes=3), network)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_keras_files(network, tmp_path, ending):
    path = str(tmp_path / f"w{ending}")
    (network.save if ending == ".keras" else network.save_weights)(path)
    same(zoo.squeezenet(weights=path, input_shape=SHAPE, classes=3), network)
    model = zoo.squeezenet_interpretable(weights=path, input_shape=SHAPE, classes=9)
    np.testing.assert_array_equal(
        model.get_layer("fire9_expand3x3").kernel, network.get_layer("fire9_expand3x3").kernel
    )


def test_head_is_fresh_where_the_file_has_none(network, tmp_path):
    def remove(arrays):
        del arrays["conv10/kernel"], arrays["conv10/bias"]

    path = archive(network, tmp_path / "w.npz", remove)
    model = zoo.squeezenet(weights=path, input_shape=SHAPE, classes=8)
    assert model.output_shape == (None, 8)


def test_other_classes_name_the_fix(network, tmp_path):
    path = archive(network, tmp_path / "w.npz")
    arguments = {"weights": path, "input_shape": SHAPE, "classes": 8}
    with pytest.raises(ValueError, match=r"'conv10'.*`new_head=True`.*\(1, 1, 512, 8\)"):
        zoo.squeezenet(**arguments)
    assert zoo.squeezenet(new_head=True, **arguments).output_shape == (None, 8)


def test_missing_layer_is_named(network, tmp_path):
    path = archive(network, tmp_path / "w.npz", lambda arrays: arrays.pop("fire4_squeeze1x1/bias"))
    arrays = dict(np.load(path))
    arrays.pop("fire4_squeeze1x1/kernel")
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="no layer 'fire4_squeeze1x1'"):
        zoo.squeezenet(weights=path, input_shape=SHAPE)


def test_wrong_shape_is_named_and_nothing_is_assigned(network, tmp_path, monkeypatch):
    def shrink(arrays):
        arrays["fire9_expand3x3/kernel"] = arrays["fire9_expand3x3/kernel"][..., :7]

    path = archive(network, tmp_path / "w.npz", shrink)
    message = r"layer 'fire9_expand3x3'.*Expected: \(3, 3, 64, 256\). Received: shape \(3, 3, 64, 7"
    with pytest.raises(ValueError, match=message):
        zoo.squeezenet(weights=path, input_shape=SHAPE)


def test_pickled_arrays_are_refused(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, **{"conv1/kernel": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(ValueError, match=r"`weights` cannot be read.*allow_pickle=False"):
        zoo.squeezenet(weights=str(path))


@pytest.mark.parametrize("ending", [".npz", ".weights.h5", ".keras"])
def test_truncated(network, tmp_path, ending):
    path = str(tmp_path / f"w{ending}")
    if ending == ".npz":
        archive(network, path)
    else:
        (network.save if ending == ".keras" else network.save_weights)(path)
    with open(path, "rb") as file:
        start = file.read(20_000)
    with open(path, "wb") as file:
        file.write(start)
    with pytest.raises(ValueError, match=r"`weights`.*truncated.*Fetch"):
        zoo.squeezenet(weights=path, input_shape=SHAPE, classes=3)


def test_other_keys_and_endings(network, tmp_path):
    np.savez(tmp_path / "w.npz", conv1=np.zeros(3))
    with pytest.raises(ValueError, match="keys of a weights archive"):
        zoo.squeezenet(weights=str(tmp_path / "w.npz"))
    (tmp_path / "w.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"must end with .npz.*w.pkl"):
        zoo.squeezenet(weights=str(tmp_path / "w.pkl"))


@pytest.mark.medium
def test_file_of_another_network(network, tmp_path):
    path = str(tmp_path / "w.weights.h5")
    network.save_weights(path)
    with pytest.raises(ValueError, match="another network"):
        zoo.mobilenet_v2(weights=path, input_shape=(64, 64, 3))


def test_no_imagenet_weights_to_fetch():
    with pytest.raises(ValueError, match=r"no published ImageNet weights.*'squeezenet'"):
        zoo.squeezenet_interpretable(weights="imagenet")


@pytest.mark.slow
def test_keras_applications_formats(tmp_path):
    """A network of keras.applications takes its archive, and a file with its head."""
    arguments = {"input_shape": (32, 32, 3), "classes": 3}
    theirs = keras.applications.MobileNetV2(weights=None, **arguments)
    path = str(tmp_path / "w.weights.h5")
    theirs.save_weights(path)
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    ours = zoo.mobilenet_v2(weights=path, **arguments)
    np.testing.assert_allclose(ours(image), theirs(image), atol=1e-5)
    by_name = zoo.mobilenet_v2(weights=archive(theirs, tmp_path / "w.npz"), **arguments)
    np.testing.assert_allclose(by_name(image), theirs(image), atol=1e-5)


@pytest.mark.slow
def test_imagenet_through_keras_applications(tmp_path, monkeypatch):
    """The loading code of a network whose layers Keras numbers, without its download."""
    source = keras.applications.EfficientNetV2B0(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    path = str(tmp_path / "b0_notop.weights.h5")
    source.save_weights(path)
    application = inspect.unwrap(keras.applications.EfficientNetV2B0).__globals__
    asked = []

    def get_file(name, origin, **kwargs):
        asked.append(name)
        return path

    monkeypatch.setattr(application["file_utils"], "get_file", get_file)
    model = zoo.efficientnet_v2_b0_interpretable(
        weights="imagenet", classes=2, input_shape=(64, 64, 3), new_filters=8
    )
    assert len(asked) == 1 and "notop" in asked[0]
    for name in ("stem_conv", "top_conv"):
        np.testing.assert_array_equal(model.get_layer(name).kernel, source.get_layer(name).kernel)


@pytest.mark.parametrize(
    ("network", "file"), [("vgg16", "vgg16_"), ("mobilenet_v2", "mobilenet_v2_")]
)
def test_a_download_that_fails_names_the_file_and_the_argument_that_takes_it(
    network, file, monkeypatch
):
    function = {"vgg16": "VGG16", "mobilenet_v2": "MobileNetV2"}[network]
    application = inspect.unwrap(getattr(keras.applications, function)).__globals__

    def get_file(name, origin, **kwargs):
        # As Keras words it.
        raise Exception(
            f"URL fetch failure on {origin}: None -- [Errno -2] Name or service not known"
        )

    monkeypatch.setattr(application["file_utils"], "get_file", get_file)
    with pytest.raises(ValueError, match=rf"Fetch https://\S*/{file}\S*\.h5 by other.*`weights`"):
        zoo.create_model(
            f"{network}_interpretable", weights="imagenet", classes=2, input_shape=(96, 96, 3)
        )


def test_num_classes_is_called_classes_in_the_zoo():
    with pytest.raises(TypeError, match=r"'num_classes'. It is called `classes` here"):
        zoo.squeezenet_interpretable(num_classes=3)

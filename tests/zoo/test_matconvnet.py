"""MatConvNet files: both formats, layer by layer against NumPy, and every way they can be wrong."""

import sys

import keras
import matconvnet_files as files
import numpy as np
import pytest

from keras_icnn import zoo
from keras_icnn.zoo import _manifest
from keras_icnn.zoo._matconvnet import read_matconvnet

pytest.importorskip("scipy", reason="the tests write MATLAB v5 files with SciPy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("matconvnet")


def written(folder, name):
    """A file of one network, written once: large networks in either format."""
    path = folder / f"{name}.mat"
    net = files.model(name)
    if not path.exists():
        # One network in MATLAB's older format, one in MatConvNet's older one, two in the newer.
        if name == "alexnet":
            files.write_v5(path, net)
        elif name == "vgg_m":
            files.write_v5(path, net, old=True)
        else:
            files.write_v73(path, net)
    return str(path), net


@pytest.mark.medium
@pytest.mark.parametrize("name", files.NETWORKS)
def test_layer_by_layer(folder, name):
    path, net = written(folder, name)
    _, size, ours = files.NETWORKS[name]
    model = zoo.create_model(name, weights=path, input_shape=(size, size, 3), classes=5)
    rgb = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3)).astype("float32")
    expected = files.forward(net, rgb - net["mean"])
    taken = rgb - net["mean"]
    if name == "vgg16":  # Keras's VGG takes BGR.
        taken = taken[..., ::-1]
    layers = [layer for layer in model.layers if layer.name not in ("input_layer", "flatten")]
    layers = [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]
    found = dict(
        zip(
            [layer.name for layer in layers],
            keras.Model(model.inputs[0], [layer.output for layer in layers])(taken),
            strict=True,
        )
    )
    theirs = [layer["name"] for layer in net["layers"] if layer["type"] == "conv"]
    after = {"fc8": "prob"}
    for our_name, their_name in zip(ours, theirs, strict=True):
        reference = expected[after.get(their_name, f"relu{their_name.lstrip('convf')}")]
        actual = np.asarray(found[our_name])
        reference = reference.reshape(actual.shape)
        scale = np.abs(reference).max()
        np.testing.assert_allclose(actual, reference, atol=1e-5 * scale, err_msg=our_name)
    for layer in net["layers"]:
        if layer["type"] == "lrn":
            reference = expected[layer["name"]]
            np.testing.assert_allclose(
                found[layer["name"]], reference, atol=1e-5 * np.abs(reference).max()
            )


def test_interpretable_network_takes_the_convolutions(folder):
    path, net = written(folder, "alexnet")
    model = zoo.alexnet_interpretable(
        weights=path, input_shape=(67, 67, 3), classes=1, fine_tune="all"
    )
    kernel = net["layers"][12]["weights"][0]
    np.testing.assert_array_equal(model.get_layer("conv5").kernel, kernel)
    assert type(model.get_layer("conv5")).__name__ == "InterpretableConv"
    assert model.output_shape == (None, 1)


def test_mean_image_goes_into_the_preprocessing(folder):
    path, net = written(folder, "alexnet")
    arguments = {"weights": path, "include_top": False, "input_shape": (67, 67, 3)}
    inside = zoo.alexnet(include_preprocessing=True, **arguments)
    outside = zoo.alexnet(**arguments)
    rgb = np.random.default_rng(1).uniform(0, 255, (1, 67, 67, 3))
    prepared = zoo.preprocess_input("alexnet", rgb, mean=read_matconvnet(path).mean)
    np.testing.assert_allclose(inside(rgb), outside(prepared), rtol=1e-4, atol=1e-3)
    larger = zoo.alexnet(include_preprocessing=True, **{**arguments, "input_shape": (90, 90, 3)})
    np.testing.assert_allclose(
        np.asarray(larger.get_layer("preprocessing").mean).ravel(),
        net["mean"].mean(axis=(0, 1)),
        rtol=1e-5,
    )


def test_mean_image_is_saved_with_the_model(folder, tmp_path):
    path, net = written(folder, "alexnet")
    model = zoo.alexnet(
        weights=path, include_top=False, input_shape=(67, 67, 3), include_preprocessing=True
    )
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.get_layer("preprocessing").mean, net["mean"])


@pytest.mark.parametrize("name", ["alexnet", "vgg_s"])
def test_truncated_file(folder, tmp_path, name):
    path, _ = written(folder, name)
    broken = tmp_path / "broken.mat"
    with open(path, "rb") as file:
        broken.write_bytes(file.read(200_000))
    with pytest.raises(ValueError, match=r"`weights` cannot be read.*truncated.*Fetch the file"):
        zoo.create_model(name, weights=str(broken), classes=5)


def test_not_a_model(tmp_path):
    from scipy.io import savemat

    path = str(tmp_path / "other.mat")
    savemat(path, {"samples": np.zeros(3)})
    with pytest.raises(ValueError, match="no `layers`"):
        zoo.alexnet(weights=path)
    text = tmp_path / "text.mat"
    text.write_text("not MATLAB")
    with pytest.raises(ValueError, match="cannot be read"):
        zoo.alexnet(weights=str(text))


def test_file_of_another_network(folder):
    path, _ = written(folder, "vgg_m")
    with pytest.raises(ValueError, match=r"layer 'conv1' of the file is not layer 'conv1'"):
        zoo.alexnet(weights=path)
    with pytest.raises(ValueError, match=r"layer 'pool1' of the file is not layer 'pool1'"):
        zoo.vgg_s(weights=path)


def test_head_of_other_classes_names_the_fix(folder):
    path, _ = written(folder, "alexnet")
    arguments = {"weights": path, "input_shape": (67, 67, 3), "classes": 7}
    with pytest.raises(ValueError, match=r"'fc8'.*'predictions'.*`new_head=True`.*\(4096, 7\)"):
        zoo.alexnet(**arguments)
    assert zoo.alexnet(new_head=True, **arguments).output_shape == (None, 7)


def test_wrong_shape_names_the_layer(tmp_path):
    net = files.model("alexnet")
    net["layers"][8]["weights"][0] = net["layers"][8]["weights"][0][:, :, :200]
    path = tmp_path / "wrong.mat"
    files.write_v5(path, net)
    with pytest.raises(ValueError, match=r"'conv3' of the file.*Expected: kernel \(3, 3, 256, 384"):
        zoo.alexnet(weights=str(path), include_top=False)


def test_without_scipy(folder, monkeypatch):
    path, _ = written(folder, "alexnet")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-icnn\[matconvnet\]'"):
        zoo.alexnet(weights=path)


@pytest.fixture
def published(folder, tmp_path, monkeypatch):
    """The manifest's file of AlexNet at a place that needs no network, and an empty cache."""
    path, _ = written(folder, "alexnet")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def publish(content=None, sha256=None, url=None):
        file = tmp_path / "imagenet-caffe-alex.mat"
        with open(path, "rb") as source:
            file.write_bytes(source.read() if content is None else content)
        card = _manifest.MANIFEST["alexnet"]
        source = _manifest.Source("matconvnet", url or file.as_uri(), "", sha256)
        monkeypatch.setitem(
            _manifest.MANIFEST, "alexnet", _manifest.Card(**{**vars(card), "source": source})
        )
        return tmp_path / "models" / "imagenet-caffe-alex.mat"

    return publish


def test_download(published):
    cached = published()
    model = zoo.alexnet(weights="imagenet", include_top=False)
    assert cached.exists()
    expected = files.model("alexnet")["layers"][0]["weights"][0]
    np.testing.assert_array_equal(model.get_layer("conv1").kernel, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sha256": "0" * 64}, "another sha256.*Try again"),
        ({"content": b"MATLAB 5.0 MAT-file, broken"}, "broken and has been removed"),
        ({"url": "file:///nowhere/imagenet-caffe-alex.mat"}, "cannot be downloaded.*pass its path"),
    ],
)
def test_failed_download_leaves_nothing_behind(published, arguments, message):
    cached = published(**arguments)
    with pytest.raises(ValueError, match=message):
        zoo.alexnet(weights="imagenet", include_top=False)
    assert not cached.exists()

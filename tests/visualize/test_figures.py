"""The figures: panels, arrays, files, errors."""

import builtins
import sys

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import keras_icnn as icnn
from keras_icnn._figure import lit
from keras_icnn.datasets import creatures
from keras_icnn.metrics import MapReader, ReceptiveField
from keras_icnn.visualize import (
    category_filters,
    filter_gallery,
    filter_maps,
    part_gallery,
    part_heatmap,
)
from keras_icnn.visualize._filter_gallery import most_alike
from keras_icnn.visualize._part_heatmap import spots
from keras_icnn.visualize._regions import seen_region

pytestmark = pytest.mark.few_steps


def network(mask=True, interpretable=True, filters=4):
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(6, 3, strides=4, padding="same", activation="relu")(x)
    if interpretable:
        x = icnn.InterpretableConv(
            filters, 3, padding="same", num_classes=2, background_class=0, mask=mask, name="parts"
        )(x)
    else:
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name="parts")(x)
    outputs = layers.Dense(1)(layers.GlobalAveragePooling2D()(x))
    return icnn.InterpretableModel(inputs, outputs, name="small")


@pytest.fixture(scope="module")
def data():
    return creatures(0, 0, 10, (32, 32), species=["cat"]).test


def panels(figure):
    """Arrays of all images in the figure, color bars aside."""
    return [a.images[0].get_array() for a in figure.axes if a.images and a.get_label() == ""]


def test_map_before_and_behind_the_mask(data):
    model = network()
    maps = MapReader(model, None, 4).maps(np.stack([data.image(i) for i in range(3)]), before=True)
    # By hand: the layer's convolution, rectified.
    layer = model.get_layer("parts")
    below = keras.Model(model.inputs[0], model.layers[2].output)
    x = below.predict_on_batch(np.stack([data.image(i) for i in range(3)]).astype("float32"))
    plain = layers.Conv2D(4, 3, padding="same", activation="relu")
    plain.build(x.shape)
    plain.set_weights([keras.ops.convert_to_numpy(w) for w in (layer.kernel, layer.bias)])
    np.testing.assert_allclose(maps.before, keras.ops.convert_to_numpy(plain(x)), atol=1e-5)
    np.testing.assert_allclose(maps.before * maps.masks(), maps.after, atol=1e-5)
    assert maps.masks().max() == 1.0
    assert layer.mask is True


def test_filter_maps(data, tmp_path):
    model = network()
    image = data.image(0)
    path = tmp_path / "maps.png"
    maps = MapReader(model, None, 1).maps(image[None], before=True)
    # Which filters fire depends on the weights that the backend draws.
    first, second = np.argsort(-maps.after.max(axis=(0, 1, 2)))[:2]
    figure = filter_maps(model, image, [int(first), int(second)], path=path)
    shown = panels(figure)
    assert len(shown) == 10 and path.stat().st_size > 1000
    np.testing.assert_array_equal(shown[0], image)
    np.testing.assert_allclose(shown[1], maps.before[0, :, :, first])
    np.testing.assert_allclose(shown[2], maps.masks()[0, :, :, first])
    np.testing.assert_allclose(shown[8], maps.after[0, :, :, second])
    radius = max(maps.field.size) / 4
    seen = seen_region(maps.after[0, :, :, second], maps.field, radius)
    np.testing.assert_allclose(shown[9], lit(image, 2 * seen))
    titles = [a.get_title() for a in figure.axes[:5]]
    assert titles == [
        "image, ring at the peak",
        "map before the mask",
        "mask",
        "masked map (output)",
        "what it looks at",
    ]
    # Nothing else of the folder was touched.
    assert [p.name for p in tmp_path.iterdir()] == ["maps.png"]


def test_filter_maps_chooses_the_strongest(data):
    model = network()
    strength = MapReader(model, None, 1).maps(data.image(1)[None]).after.max(axis=(0, 1, 2))
    labels = [a.get_ylabel() for a in filter_maps(model, data.image(1)).axes[::5]]
    wanted = [f"filter {f}" for f in np.argsort(-strength, kind="stable")[:3]]
    assert [label for label in labels if label.startswith("filter")] == wanted


@pytest.mark.parametrize("options", [{"mask": False}, {"interpretable": False}])
def test_without_a_mask_there_are_three_panels(options, data):
    figure = filter_maps(network(**options), data.image(0), 0, "parts")
    assert len(panels(figure)) == 3


def test_the_seen_region_is_the_units_discs():
    x = np.arange(4) * 8.0 + 4
    field = ReceptiveField(np.stack(np.meshgrid(x, x), -1), (8, 8), (9, 9), (32, 32))
    values = np.zeros((4, 4))
    values[1, 2], values[3, 0] = 2.0, 1.0
    seen = seen_region(values, field, radius=6)
    assert seen[12, 20] == seen.max() == 1.0
    assert seen[28, 4] == pytest.approx(0.5, abs=1e-6)
    assert seen[12, 26] == pytest.approx(np.exp(-2), abs=1e-6)
    assert not seen_region(np.zeros((4, 4)), field, 6).any()
    # What is not seen is dark, not gone.
    image = np.full((32, 32, 3), 200, "uint8")
    shown = lit(image, seen)
    assert shown[12, 20, 0] == pytest.approx(200 / 255) and 0.2 < shown[0, 0, 0] < 0.25


def test_filter_gallery(data, tmp_path):
    model = network()
    figure = filter_gallery(model, data, 2, n=4, columns=3, path=tmp_path / "g.pdf")
    maps = MapReader(model, None, 10).maps(np.stack([data.image(i) for i in range(10)]))
    order = np.argsort(-maps.after[..., 2].max(axis=(1, 2)), kind="stable")[:4]
    shown = panels(figure)
    assert len(shown) == 4 and (tmp_path / "g.pdf").exists()
    for axis, i in zip(figure.axes, order, strict=False):
        np.testing.assert_array_equal(axis.images[0].get_array(), data.image(int(i)))
        np.testing.assert_allclose(axis.patches[-1].get_center(), maps.peak(int(i), 2))
        assert axis.get_title().startswith(data.class_names[data.labels[i]])
    assert "Filter 2" in figure.get_suptitle()


def test_a_gallery_beside_another_network(data):
    model, ordinary = network(), network(interpretable=False)
    figure = filter_gallery(model, data, 1, n=3, compare=ordinary, compare_filter=2)
    own, other = (
        MapReader(m, None, 10).maps(np.stack([data.image(i) for i in range(10)])).after.max((1, 2))
        for m in (model, ordinary)
    )
    wanted = [*np.argsort(-own[:, 1], kind="stable")[:3]]
    wanted += [*np.argsort(-other[:, 2], kind="stable")[:3]]
    shown = panels(figure)
    assert len(shown) == 6
    for picture, i in zip(shown, wanted, strict=True):
        np.testing.assert_array_equal(picture, data.image(int(i)))
    # Not told which: the filter that fires on the same images.
    title = filter_gallery(model, data, 1, n=3, compare=ordinary).get_suptitle()
    assert f"beside filter {most_alike(own[:, 1], other)} of" in title
    with pytest.raises(ValueError, match="`compare_filter`"):
        filter_gallery(model, data, 1, compare_filter=2)


def test_the_filter_most_alike_by_hand():
    mine = np.array([0.0, 1.0, 2.0, 3.0])
    others = np.array([[3, 2, 1, 0], [0, 2, 4, 6], [5, 5, 5, 5], [0, 1, 2, 3]], float).T
    assert most_alike(mine, others) == 1  # of the two that go along, the stronger
    assert most_alike(mine, others[:, [2]]) == 0
    assert most_alike(np.ones(4), others) == 2


def test_a_silent_filter_has_an_empty_gallery(data):
    model = network()
    layer = model.get_layer("parts")
    bias = keras.ops.convert_to_numpy(layer.bias).copy()
    bias[0] = -1e6
    layer.bias.assign(bias)
    figure = filter_gallery(model, data, 0)
    assert panels(figure) == [] and "none of these 10" in figure.get_suptitle()
    maps = filter_maps(model, data.image(0), 0)
    # No peak: no ring, and no place for a mask.
    assert not maps.axes[0].patches and not panels(maps)[2].any()
    assert [t.get_text() for t in maps.axes[-1].get_yticklabels()] == ["0", "silent"]


def rings(axis):
    """Centers of the circles in a panel."""
    return sorted(tuple(patch.center) for patch in axis.patches)


def test_part_gallery_rings_the_peaks_of_each_part(data, tmp_path):
    model = network(filters=6)
    layer = model.get_layer("parts")
    layer.interpretable._state.part.assign([0, 2, 0, 2, 2, -1])
    shown = data.select(["background", "cat"])
    figure = part_gallery(model, shown, "cat", n=3, filters=2, path=tmp_path / "parts.png")
    assert (tmp_path / "parts.png").stat().st_size > 1000
    axes = np.array(figure.axes).reshape(2, 3)
    assert [axis.get_ylabel() for axis in axes[:, 0]] == ["cat/0\n2 filters", "cat/2\n3 filters"]
    cats = np.flatnonzero(shown.labels == 1)
    images = np.stack([shown.image(int(i)) for i in cats])
    places = np.unique(np.linspace(0, len(cats) - 1, 3).round().astype(int))
    maps = MapReader(model, None, 4).maps(images[places])
    strength = maps.after.max(axis=(1, 2))
    for column in range(3):
        firing = [f for f in (0, 2) if strength[column, f] > 0.1 * strength[:, f].max()]
        expected = sorted(tuple(map(float, maps.peak(column, f))) for f in firing)
        assert [tuple(map(float, c)) for c in rings(axes[0, column])] == expected
        assert len(rings(axes[1, column])) <= 2


def test_part_gallery_says_what_it_cannot_show(data):
    with pytest.raises(ValueError, match="must have parts"):
        part_gallery(network(interpretable=False), data, "cat")
    with pytest.raises(ValueError, match=r"one of.*Received: category='dog'"):
        part_gallery(network(), data, "dog")
    with pytest.raises(ValueError, match="No filter of layer 'parts'"):
        part_gallery(network(), data, "background")


def test_part_heatmap(data, tmp_path):
    figure = part_heatmap(network(), data, n=3, path=tmp_path / "heat.png")
    shown = panels(figure)
    assert len(shown) == 6 and (tmp_path / "heat.png").exists()
    np.testing.assert_array_equal(shown[0], data.image(0))
    assert all(s.min() >= 0 and s.max() <= 1 for s in map(np.asarray, shown) if s.dtype != "uint8")


def test_spots_lie_on_the_peaks():
    x = np.arange(4) * 8.0 + 4
    field = ReceptiveField(np.stack(np.meshgrid(x, x), -1), (8, 8), (9, 9), (32, 32))
    maps = np.zeros((2, 4, 4, 2), "float32")
    maps[0, 1, 2, 0] = 3.0
    maps[1, 3, 0, 0] = 1.0
    maps[1, 0, 0, 1] = 1e-3
    maps[0, 0, 0, 1] = 1.0
    result = spots(maps, field, radius=6)
    assert result[0, 12, 20] == pytest.approx(0.5, abs=1e-3)
    assert np.unravel_index(result[1].argmax(), (32, 32)) == (28, 4)
    # Half of the two filters; the second one fires in the first image only, elsewhere.
    np.testing.assert_allclose(result[1].max(), 0.5)
    assert result[0, 4, 4] == pytest.approx(0.5, abs=1e-3)
    assert result[0, 12, 26] == pytest.approx(0.5 * np.exp(-2), abs=1e-6)


@pytest.mark.parametrize("filters", [4, -1, [0, 9], 1.5, True, []])
def test_wrong_filters(filters, data):
    with pytest.raises(ValueError, match="`filters` must"):
        filter_maps(network(), data.image(0), filters)


def test_wrong_arguments(data, tmp_path):
    model = network()
    with pytest.raises(ValueError, match="`filters` must"):
        filter_gallery(model, data, 4)
    with pytest.raises(ValueError, match="one picture"):
        filter_maps(model, np.zeros((1, 32, 32, 3)))
    with pytest.raises(ValueError, match="input size"):
        filter_maps(model, np.zeros((40, 40, 3)))
    with pytest.raises(ValueError, match="`names`"):
        filter_maps(model, data.image(0), [0, 1], names=["one"])
    with pytest.raises(ValueError, match="`n`"):
        part_heatmap(model, data, n=0)
    for draw in (part_heatmap, lambda *a, **k: filter_gallery(*a, filter=0, **k)):
        with pytest.raises(ValueError, match="at least one image"):
            draw(model, data.take(0))
        with pytest.raises(ValueError, match="folder that exists"):
            draw(model, data, n=1, path=tmp_path / "no" / "heat.png")
        with pytest.raises(ValueError, match="`n`"):
            draw(model, data, n=1.5)


def test_a_missing_matplotlib_names_the_extra(data, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    model = network()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "keras-icnn\[plot\]"'):
        part_heatmap(model, data, n=1)


def test_names_with_dollar_signs_are_no_formulas(data, tmp_path):
    named = data.select(list(data.class_names))
    named.class_names[:] = [rf"$\frac{name}$" for name in data.class_names]
    model = network()
    figure = filter_gallery(model, named, 2, n=2, path=tmp_path / "gallery.png")
    assert figure.axes[0].get_title().startswith("$") and (tmp_path / "gallery.png").exists()
    found = icnn.explain(model, data.image(0), class_names=named.class_names)
    found.plot(path=tmp_path / "why.png")
    category_filters(model, named, path=tmp_path / "categories.png")


def test_no_display_state(data):
    part_heatmap(network(), data, n=1)
    pyplot = sys.modules.get("matplotlib.pyplot")  # something else may have imported it
    assert pyplot is None or pyplot.get_fignums() == []


def test_filter_maps_of_a_file_are_those_of_its_pixels(tmp_path, data):
    model, file = network(), tmp_path / "cat.png"
    Image.fromarray(data.image(1)).save(file)
    shown = [
        [np.asarray(drawn.get_array()) for axis in figure.axes for drawn in axis.images]
        for figure in (
            filter_maps(model, given, filters=[0, 1])
            for given in (data.image(1), file, str(file), data[1])
        )
    ]
    assert len(shown[0]) >= 10
    for other in shown[1:]:
        for expected, found in zip(shown[0], other, strict=True):
            np.testing.assert_array_equal(expected, found)
    with pytest.raises(FileNotFoundError, match="of filter_maps"):
        filter_maps(model, tmp_path / "dog.png")

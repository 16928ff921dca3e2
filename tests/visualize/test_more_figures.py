"""Receptive fields, templates, categories and training curves."""

import types

import keras
import numpy as np
import pytest
from keras import layers

import keras_icnn as icnn
from keras_icnn import metrics
from keras_icnn.datasets import PartDataset, creatures
from keras_icnn.visualize import category_filters, receptive_fields, templates, training_curves


def panels(figure):
    return [a.images[0].get_array() for a in figure.axes if a.images and a.get_label() == ""]


@pytest.fixture(scope="module")
def data():
    return creatures(0, 0, 12, (32, 32), species=["cat"]).test


def spots(n=6):
    """Pictures of one white square on black, class 0 and 1 in turn; where the squares are."""
    places = np.array([[4 * (1 + i % 5), 4 * (1 + (2 * i) % 6)] for i in range(n)])

    def picture(i):
        x, y = places[i]
        result = np.zeros((32, 32, 3), "uint8")
        result[y : y + 4, x : x + 4] = 255
        return result

    labels = np.arange(n) % 2
    made = PartDataset(
        image=picture,
        labels=labels,
        files=[str(i) for i in range(n)],
        class_names=["one", "two"],
        image_size=(32, 32),
    )
    return made, places + 1.5


def spot_finder():
    """Filter 0: the mean of a 4 x 4 cell, filter 1: that of cells to both sides, 2: silent."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(3, 4, strides=4, activation="relu", name="parts")(inputs)
    outputs = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs, name="finder")
    kernel = np.zeros((4, 4, 3, 3), "float32")
    kernel[..., 0] = 1 / 48
    kernel[..., 1] = 1 / 100
    model.get_layer("parts").set_weights([kernel, np.array([0, 0, -1], "float32")])
    return model


def test_the_empirical_field_is_the_cell_that_the_filter_sees():
    made, peaks = spots()
    images = np.stack([made.image(i) for i in range(len(made))])
    found = metrics.empirical_receptive_fields(
        spot_finder(), images, [0, 2], "parts", patch=4, stride=4, top=3
    )
    # A patch in any other place than the peak's cell changes nothing.
    assert found.radius[0] == pytest.approx(np.sqrt(16 / np.pi))
    assert np.isnan(found.radius[1]) and not found.maps[1].any()
    assert found.maps.shape == (2, 63, 63)
    middle = found.maps[0, 31, 28:35]
    np.testing.assert_allclose(middle, [0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25])
    assert not found.maps[0, 31, :27].any() and not found.maps[0, :27, 31].any()
    for peak in peaks:
        over = found.at(0, peak)
        assert over.shape == (32, 32)
        y, x = np.unravel_index(over.argmax(), over.shape)
        assert abs(x - peak[0]) <= 0.5 and abs(y - peak[1]) <= 0.5


def test_fields_average_only_the_filters_strongest_images(data):
    """The field over some images is that over the strongest of them alone."""
    model = spot_finder()
    images = np.stack([data.image(i) for i in range(4)]).astype("float32")
    # Smaller than the cell, so that the field differs from image to image.
    options = {"patch": 2, "stride": 2}
    strengths = metrics.MapReader(model, "parts")(images)[0].max(axis=(1, 2))[:, 0]
    best = int(strengths.argmax())
    one = metrics.empirical_receptive_fields(model, images, [0], "parts", top=1, **options)
    alone = metrics.empirical_receptive_fields(model, images[[best]], [0], "parts", **options)
    np.testing.assert_allclose(one.maps, alone.maps, atol=1e-6)
    two = metrics.empirical_receptive_fields(model, images, [0], "parts", top=2, **options)
    assert not np.allclose(one.maps, two.maps)


def test_receptive_fields_figure(tmp_path):
    made, _ = spots()
    path = tmp_path / "fields.png"
    figure = receptive_fields(spot_finder(), made, [0, 2], "parts", n=2, patch=4, path=path)
    assert path.stat().st_size > 3000
    shown = panels(figure)
    # The silent filter has no picture.
    assert len(shown) == 3 and shown[0].shape == (32, 32)
    assert shown[1].max() == pytest.approx(1.0)
    assert figure.axes[0].get_title() == "radius 2 pixels"
    with pytest.raises(ValueError, match="`n`"):
        receptive_fields(spot_finder(), made, n=0)
    with pytest.raises(ValueError, match="`patch`"):
        receptive_fields(spot_finder(), made, patch=0)
    with pytest.raises(ValueError, match="`filters`"):
        receptive_fields(spot_finder(), made, [7])


def interpretable(classes=2, filters=3):
    inputs = keras.Input((32, 32, 3))
    x = icnn.InterpretableConv(
        filters, 4, strides=4, num_classes=classes, filter_loss="paper", name="parts"
    )(inputs)
    outputs = layers.Dense(classes)(layers.GlobalAveragePooling2D()(x))
    return icnn.InterpretableModel(inputs, outputs, name="net")


def test_templates(tmp_path):
    model = interpretable()
    figure = templates(model, path=tmp_path / "t.svg")
    assert (tmp_path / "t.svg").exists()
    bank = icnn.PartTemplates().for_maps(8, 8)
    shown = panels(figure)
    positions = [0, 4, 7]
    wanted = [bank.bank()[8 * i + j] for i in positions for j in positions]
    np.testing.assert_allclose(shown[:3], wanted[:3])
    np.testing.assert_allclose(shown[3 + 1 + 3], wanted[6])
    np.testing.assert_allclose(shown[3 + 3], bank.bank()[-1])
    assert len(shown) == 10 and "8 x 8 units" in figure.get_suptitle()
    # The same from the layer, and from templates.
    for source in (model.get_layer("parts"), bank):
        np.testing.assert_array_equal(panels(templates(source))[4], shown[4])
    assert len(panels(templates(icnn.PartTemplates().for_maps(1, 2)))) == 3
    with pytest.raises(ValueError, match="`source`"):
        templates(spot_finder())
    with pytest.raises(ValueError, match="`n`"):
        templates(model, n=0)


def test_categories_of_an_ordinary_network():
    made, _ = spots(6)
    bright = made.subset([0, 2, 4]).concatenate(made.subset([1]))
    figure = category_filters(spot_finder(), made, "parts")
    # Both classes light filter 0 up alike; filter 2 never fires.
    shown = panels(figure)[0]
    assert shown.shape == (2, 3) and shown.max() == 1.0
    np.testing.assert_allclose(sorted(shown.min(axis=0)), [0, 1, 1], atol=1e-6)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["one", "two"]
    assert len(panels(category_filters(spot_finder(), bright.subset([0]), "parts"))[0]) == 1
    with pytest.raises(ValueError, match="pass a `dataset`"):
        category_filters(spot_finder(), layer="parts")


def test_categories_of_an_interpretable_layer():
    model = interpretable(classes=3)
    with pytest.raises(ValueError, match="no labels yet"):
        category_filters(model)
    layer = model.get_layer("parts").interpretable
    means = np.array([[1, 0, 4], [3, 1, 8], [2, 5, 0]], "float32")
    layer._state.class_activation.assign(means)
    layer._state.class_count.assign([3.0, 3.0, 3.0])
    figure = category_filters(model, class_names=["a", "b", "c"])
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths == [0, 2, 1]
    # Filters by category, the most exclusive first: 2 (.5 elsewhere), 0 (1.0), then 1.
    np.testing.assert_allclose(panels(figure)[0], (means / means.max(axis=0))[:, [2, 0, 1]])
    with pytest.raises(ValueError, match="`class_names`"):
        category_filters(model, class_names=["a"])


def lines(figure):
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for axis in figure.axes
        for line in axis.lines
    }


def test_training_curves(tmp_path):
    logs = {
        "loss": [3.0, 2.0, 1.0, 0.5],
        "val_loss": [3.0, 2.5, 2.0, 2.0],
        "filter_loss": [-1.0, -2.0, -3.0, -3.0],
        "val_r2": [0.1, 0.5],
        "val_spatial_entropy": [4.0, 3.0, 2.0, 1.0],
        "learning_rate": [1.0, 1.0, 1.0, 1.0],
        "my_metric": [1.0, 2.0, 3.0, float("nan")],
    }
    history = types.SimpleNamespace(history=logs, epoch=[0, 1, 2, 3])
    figure = training_curves(history, tmp_path / "curves.png", title="a run")
    assert (tmp_path / "curves.png").stat().st_size > 5000
    drawn = lines(figure)
    assert drawn["val_loss"] == ([1, 2, 3, 4], logs["val_loss"])
    assert drawn["val_r2"] == ([1, 3], [0.1, 0.5])
    assert drawn["my_metric"] == ([1, 2, 3], [1.0, 2.0, 3.0])
    assert "learning_rate" not in drawn
    headings = [a.get_title() for a in figure.axes if a.lines]
    assert headings[0] == "loss  ↓" and "entropy of the place, nats (Eq. 7)  ↓" in headings
    assert lines(training_curves(logs)) == drawn
    # Three of four are at no even interval: all are drawn, from the first epoch on.
    logs["val_r2"] = [0.1, 0.5, 0.6]
    assert lines(training_curves(logs))["val_r2"] == ([1, 2, 3], [0.1, 0.5, 0.6])


def test_training_curves_of_a_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,val_r2\n0,2.0,0.5\n1,1.0,NA\n2,0.5,0.7\n", encoding="utf-8")
    drawn = lines(training_curves(path))
    assert drawn == {"loss": ([1, 2, 3], [2.0, 1.0, 0.5]), "val_r2": ([1, 3], [0.5, 0.7])}
    path.write_text("epoch,loss\n0,oops\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2, column 'loss'"):
        training_curves(path)
    for nothing in ({}, {"loss": []}, 3):
        with pytest.raises(ValueError, match="`history`"):
            training_curves(nothing)

"""Faithfulness of explanations, on a network that looks at one place by construction."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_icnn import metrics
from keras_icnn.datasets import PartDataset, creatures
from keras_icnn.explanations import evaluate_faithfulness

SIZE = 56


@pytest.fixture(scope="module")
def data():
    """A bright square somewhere, on noise; the square is the annotated part."""
    rng = np.random.default_rng(0)
    corners = rng.integers(4, SIZE - 16, (6, 2))
    images = rng.integers(0, 60, (6, SIZE, SIZE, 3)).astype("uint8")
    masks = np.zeros((6, 1, SIZE, SIZE), bool)
    for image, mask, (y, x) in zip(images, masks, corners, strict=True):
        image[y : y + 12, x : x + 12] = 255
        mask[0, y : y + 12, x : x + 12] = True
    return PartDataset(
        image=images.__getitem__,
        parts=masks.__getitem__,
        labels=[1] * 6,
        files=[f"{i}.png" for i in range(6)],
        class_names=["background", "square"],
        image_size=(SIZE, SIZE),
        landmarks=corners[:, None, ::-1] + 5.5,
        landmark_names=["square"],
        part_names=["square"],
    )


@pytest.fixture(scope="module")
def model():
    """Two filters: the mean of a patch above a threshold, and nothing."""
    inputs = keras.Input((SIZE, SIZE, 3))
    conv = layers.Conv2D(2, 4, strides=4, activation="relu", name="maps")
    x = layers.GlobalAveragePooling2D()(conv(layers.Rescaling(1 / 255)(inputs)))
    head = layers.Dense(1)
    model = keras.Model(inputs, head(x), name="square")
    kernel = np.zeros((4, 4, 3, 2), "float32")
    kernel[..., 0] = 1 / 48
    conv.set_weights([kernel, np.array([-0.4, -1.0], "float32")])
    head.set_weights([np.array([[100.0], [1.0]], "float32"), np.array([-1.0], "float32")])
    return model


@pytest.fixture(scope="module")
def report(model, data):
    return evaluate_faithfulness(
        model,
        data,
        reference=data,
        radius=6.0,
        images=4,
        upper_bound=1,
        sensitivity=1,
        extra={"opposite": lambda image, target: -image.mean(axis=-1)},
    )


def test_methods_that_see_the_square_win(report):
    means = report.means()
    for method in ("parts", "part maps", "grad-cam", "occlusion", "integrated gradients"):
        assert means[method]["points_square"] == 1
        assert means[method]["advantage_mean"] > means["random"]["advantage_mean"] + 0.3
        assert means[method]["deletion_mean"] < means["random"]["deletion_mean"]
        assert means[method]["insertion_mean"] > means["random"]["insertion_mean"]
    assert means["opposite"]["advantage_mean"] < means["random"]["advantage_mean"]
    assert means["opposite"]["points_any"] == 0


def test_the_upper_bound_is_not_beaten_by_much(report):
    first = [row for row in report.rows if row["file"] == "0.png"]
    (bound,) = (row for row in first if row["method"] == "upper bound")
    best = max(row["advantage_mean"] for row in first if row["method"] != "upper bound")
    # It is greedy and on coarser cells, so no bound in the strict sense.
    assert bound["advantage_mean"] > 0.8 * best
    assert sum("agreement_jpeg" in row for row in report.rows) == len(report.methods) - 1


def test_effects_sum_up(report):
    means = report.means()
    assert means["parts"]["incomplete"] == pytest.approx(0, abs=1e-5)
    assert means["integrated gradients"]["incomplete"] < 0.2
    assert np.isnan(means["grad-cam"]["incomplete"])


def test_a_row_is_what_the_pure_functions_give(report, data):
    (row,) = (r for r in report.rows if r["file"] == "2.png" and r["method"] == "opposite")
    image = data.image(2).astype("float32")
    order = metrics.cell_order(-image.mean(axis=-1), 14)

    def chance(images):
        # What the network is built to compute.
        cells = images.reshape(len(images), 14, 4, 14, 4, 3).mean(axis=(2, 4, 5)) / 255
        return 1 / (1 + np.exp(1 - 100 * np.maximum(cells - 0.4, 0).mean(axis=(1, 2))))

    base = metrics.mean_filled(image)
    found = metrics.deletion_insertion(chance, image, base, order, steps=7)
    assert row["deletion_mean"] == pytest.approx(found.deletion_area, abs=1e-3)
    assert row["insertion_mean"] == pytest.approx(found.insertion_area, abs=1e-3)


def test_table_and_summary(report, tmp_path):
    report.to_csv(tmp_path / "rows.csv")
    text = (tmp_path / "rows.csv").read_text()
    assert text.count("\n") == len(report.rows) + 1
    summary = report.summary()
    assert "integrated gradients" in summary
    assert "4 images" in summary
    assert 0 <= report.outside_share <= 1


def test_trivial_maps_do_not_look(model):
    data = creatures(0, 0, 3, (SIZE, SIZE), species=["cat"]).test
    first, second = (
        evaluate_faithfulness(
            model, data, methods=[], radius=6.0, images=1, upper_bound=0, sensitivity=1
        )
        for _ in range(2)
    )
    assert first.methods == ["random", "center", "edges"]
    rows = [
        [{k: v for k, v in r.items() if k != "seconds"} for r in f.rows] for f in (first, second)
    ]
    assert repr(rows[0]) == repr(rows[1])
    assert first.means()["center"]["agreement_noise"] == pytest.approx(1)


def test_background_alone_is_refused(model, data):
    background = PartDataset(
        image=data.image,
        labels=[0] * 6,
        files=data.files,
        class_names=["background", "square"],
        image_size=(SIZE, SIZE),
    )
    with pytest.raises(ValueError, match="background"):
        evaluate_faithfulness(model, background, radius=6.0)
    with pytest.raises(ValueError, match="methods"):
        evaluate_faithfulness(model, data, methods=["lime"], radius=6.0)


def test_corruptions(model, data):
    rows = metrics.evaluate_corruptions(model, data, kinds=["jpeg", "contrast"], strengths=[1, 3])
    assert [(r["kind"], r["strength"]) for r in rows] == [
        ("clean", 0),
        ("jpeg", 1),
        ("jpeg", 3),
        ("contrast", 1),
        ("contrast", 3),
    ]
    assert rows[0]["moved"] == 0
    assert rows[0]["accuracy"] == 1
    # The filter is found, and follows the square also through JPEG.
    assert rows[0]["following"] == 1
    assert rows[0]["r2"] > 0.9
    assert rows[1]["r2"] > 0.9
    # With so little contrast nothing is above the threshold.
    assert rows[4]["accuracy"] == 0
    assert rows[4]["r2"] < 0.5
    assert np.isnan(rows[4]["moved"])

"""Trivial detectors on the real annotations come out as published figures say."""

import csv
from pathlib import Path

import numpy as np
import pytest

from keras_icnn import metrics

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "animal_part"
TABLE = FOLDER / "annotations.csv"

pytestmark = pytest.mark.skipif(
    not TABLE.exists(), reason="the Animal-Part images are not in ../shared/data/animal_part"
)


def _pair(cell):
    return [float(v) for v in cell.split()] if cell else [np.nan, np.nan]


@pytest.fixture(scope="module")
def table():
    """Means over the 24 categories' test images, on the 13 x 13 grid of SqueezeNet's top maps."""
    by_category = {}
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "test" and row["name"] != "negative":
                by_category.setdefault(row["name"], []).append(row)
    assert len(by_category) == 24
    units = 15.0 + 16 * np.arange(13)
    centers = np.stack(np.meshgrid(units, units), axis=-1)
    columns = {}
    for rows in by_category.values():
        landmarks = np.array(
            [[_pair(row["head_center"]), _pair(row["front_legs_center"])] for row in rows]
        )
        sizes = np.array([[_pair(row["head_size"]), _pair(row["front_legs_size"])] for row in rows])

        def masks(i, landmarks=landmarks, sizes=sizes):
            mask = np.zeros((2, 224, 224), bool)
            for k in range(2):
                if np.isfinite(landmarks[i, k]).all():
                    low = np.maximum(np.ceil(landmarks[i, k] - sizes[i, k] / 2), 0).astype(int)
                    high = np.ceil(landmarks[i, k] + sizes[i, k] / 2).astype(int)
                    mask[k, low[1] : high[1], low[0] : high[0]] = True
            return mask

        measured = metrics.trivial_detectors(
            landmarks,
            centers,
            image_size=(224, 224),
            landmark_names=["head", "front legs"],
            part_masks=masks,
            radius=56,
        )
        for name, row in measured.items():
            for key, value in row.items():
                columns.setdefault((name, key), []).append(value)
    return {key: np.nanmean(v) for key, v in columns.items() if np.isfinite(v).any()}


@pytest.mark.medium
@pytest.mark.parametrize(
    ("detector", "measure", "published", "within"),
    [
        ("random", "instability", 0.146, 0.005),
        ("random", "r2", -2.0, 0.1),
        ("centre", "instability", 0.069, 0.005),
        ("centre", "r2", 0.0, 1e-6),
        ("best constant", "instability", 0.065, 0.005),
        ("best constant", "r2", 0.0, 1e-6),
        ("one bit", "r2", 0.51, 0.01),
        ("perfect head", "instability", 0.044, 0.003),
        ("perfect head", "r2", 0.99, 0.01),
        ("perfect head", "part_interpretability", 0.99, 0.01),
        ("perfect front legs", "instability", 0.045, 0.003),
        ("perfect front legs", "r2", 0.98, 0.01),
        ("centred disc", "part_interpretability", 0.61, 0.01),
        ("whole image", "part_interpretability", 0.58, 0.01),
    ],
)
def test_trivial_detectors_of_the_real_annotations(table, detector, measure, published, within):
    assert table[detector, measure] == pytest.approx(published, abs=within)

"""Competing parts beside their definition in plain loops."""

import numpy as np
import pytest
from keras import ops

from keras_icnn.layers import _part_places
from keras_icnn.layers._peaks import Peaks

pytestmark = pytest.mark.core

H, W = 4, 5


def tensor(x, dtype="float32"):
    return ops.convert_to_tensor(np.asarray(x, dtype))


def numpy(x):
    return ops.convert_to_numpy(x)


def reference(maps, positive, part, scale, parts, spacing):
    """Row and column of each filter's template, `[N, F]` each; loops over images."""
    images, height, width, filters = maps.shape
    rows, columns = np.full((images, filters), -1), np.full((images, filters), -1)
    for n in range(images):
        activation = {}
        for k in range(parts):
            mine = [f for f in range(filters) if part[f] == k and positive[n, f]]
            if mine:
                activation[k] = np.mean([maps[n, :, :, f] / scale[f] for f in mine], axis=0)
        claims = {}
        for k, own in activation.items():
            others = [a for j, a in activation.items() if j != k]
            claims[k] = own - (np.mean(others, axis=0) if others else 0)
        settled = {}
        while len(settled) < len(claims):
            best = None
            for i in range(height):
                for j in range(width):
                    near = any(abs(i - a) + abs(j - b) <= spacing for a, b in settled.values())
                    for k in claims:
                        if k in settled:
                            continue
                        key = (near, -claims[k][i, j])
                        if best is None or key < best[0]:
                            best = key, k, (i, j)
            settled[best[1]] = best[2]
        for f in range(filters):
            if positive[n, f] and part[f] in settled:
                rows[n, f], columns[n, f] = settled[part[f]]
    return rows, columns


def places(maps, positive, part, scale, parts, spacing):
    own = Peaks(tensor(np.full(positive.shape, -1)), tensor(np.full(positive.shape, -1)))
    found = _part_places.target_peaks(
        tensor(maps),
        own,
        tensor(positive),
        tensor(part, "int32"),
        tensor(scale),
        parts,
        spacing,
    )
    return numpy(found.row).astype(int), numpy(found.column).astype(int)


@pytest.mark.parametrize(
    ("parts", "spacing", "filters"),
    [(1, 2, 5), (2, 0, 6), (3, 1, 12), (4, 3, 9), (6, 1, 4)],
)
def test_places_are_those_of_the_definition(parts, spacing, filters):
    # With six parts of four filters some parts have none; with spacing 3 not all fit on the map.
    rng = np.random.default_rng(parts)
    maps = np.maximum(rng.normal(size=(7, H, W, filters)), 0).astype("float32")
    positive = (rng.random((7, filters)) < 0.8).astype("float32")
    part = rng.integers(-1, parts, filters)
    scale = rng.uniform(0.5, 40, filters).astype("float32")
    found = places(maps * scale, positive, part, scale, parts, spacing)
    expected = reference(maps * scale, positive, part, scale, parts, spacing)
    assert found[0].tolist() == expected[0].tolist()
    assert found[1].tolist() == expected[1].tolist()


def test_a_part_gets_the_place_at_which_the_others_do_not_fire():
    """Both filters fire most at (0, 0); the second also at (3, 4), where the first is silent."""
    maps = np.zeros((1, H, W, 2), "float32")
    maps[0, 0, 0] = [1.0, 1.0]
    maps[0, 3, 4, 1] = 0.6
    row, column = places(maps, np.ones((1, 2)), [0, 1], np.ones(2), 2, 1)
    assert (row[0].tolist(), column[0].tolist()) == ([0, 3], [0, 4])


def test_scales_of_filters_do_not_matter():
    rng = np.random.default_rng(0)
    maps = rng.random((5, H, W, 6)).astype("float32")
    part, ones = np.arange(6) % 3, np.ones((5, 6))
    scale = np.array([1, 2, 64, 0.5, 16, 1], "float32")
    plain = places(maps, ones, part, np.ones(6), 3, 1)
    scaled = places(maps * scale, ones, part, scale, 3, 1)
    assert plain[0].tolist() == scaled[0].tolist()
    assert plain[1].tolist() == scaled[1].tolist()


def test_all_zero_maps_give_each_part_a_place_of_its_own():
    row, column = places(np.zeros((1, H, W, 3)), np.ones((1, 3)), [0, 1, 2], np.ones(3), 3, 1)
    assert len(set(zip(row[0].tolist(), column[0].tolist(), strict=True))) == 3


def test_other_images_and_filters_without_a_part_keep_their_own_peaks():
    positive = np.array([[1, 0, 1]])
    row, column = places(np.ones((1, H, W, 3)), positive, [0, 1, -1], np.ones(3), 2, 1)
    assert row[0].tolist()[1:] == [-1, -1]
    assert column[0].tolist()[1:] == [-1, -1]
    assert row[0, 0] >= 0


@pytest.mark.parametrize(
    ("parts", "units", "spacing"),
    [(1, 169, 7), (4, 169, 3), (8, 169, 2), (8, 144, 2), (16, 169, 1), (64, 169, 0)],
)
def test_the_spacing_that_is_taken_where_none_is_given(parts, units, spacing):
    assert _part_places.default_spacing(parts, units) == spacing
    covered = parts * (2 * spacing * (spacing + 1) + 1)
    assert covered <= max(units * 3 / 4, parts)

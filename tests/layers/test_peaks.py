"""Where maps fire, by hand."""

import numpy as np
import pytest
from keras import ops

from keras_icnn.layers import _peaks

pytestmark = pytest.mark.core


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def one_map(rows):
    return np.array(rows, "float32")[None, :, :, None]


def test_peak_is_the_first_of_ties():
    row, column = _peaks.peak_position(one_map([[0, 1, 3], [3, 2, 3]]))
    assert (numpy(row), numpy(column)) == (0, 2)


def test_peak_of_an_empty_map_is_the_corner():
    row, column = _peaks.peak_position(one_map([[0, 0], [0, 0]]))
    assert (numpy(row), numpy(column)) == (0, 0)


def test_peak_of_large_maps_is_exact():
    x = np.zeros((1, 57, 61, 1), "float32")
    x[0, 56, 60, 0] = 1
    row, column = _peaks.peak_position(x)
    assert (numpy(row), numpy(column)) == (56, 60)


def test_center_of_mass_by_hand():
    # Rows: (0*1 + 2*3)/4 = 1.5, rounded up to 2. Columns: (0*1 + 1*3)/4 = 0.75, 1.
    row, column = _peaks.center_of_mass(one_map([[1, 0], [0, 0], [0, 3]]))
    assert (numpy(row), numpy(column)) == (2, 1)


def test_center_of_mass_of_an_empty_map_is_its_middle():
    row, column = _peaks.center_of_mass(one_map([[0] * 5] * 3))
    assert (numpy(row), numpy(column)) == (1, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_positions_stay_on_the_map_when_values_are_not_finite(bad):
    for rule in (_peaks.center_of_mass, _peaks.peak_position):
        row, column = rule(one_map([[1, 0, 0], [0, bad, 0]]))
        assert 0 <= numpy(row) <= 1
        assert 0 <= numpy(column) <= 2

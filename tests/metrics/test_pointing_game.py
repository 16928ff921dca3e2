"""Pointing game, agreement of maps, and what filters lose when a place is hidden."""

import numpy as np
import pytest

from keras_icnn import metrics


def masks(*boxes):
    found = np.zeros((len(boxes), 20, 30), bool)
    for mask, (left, top, right, bottom) in zip(found, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return found


def test_hits_by_hand():
    points = [(5, 5), (5, 5), (10.4, 5), (10.6, 5), (np.nan, np.nan)]
    boxes = [(0, 0, 10, 10), (6, 6, 10, 10), (0, 0, 11, 10), (0, 0, 11, 10), (0, 0, 10, 10)]
    assert metrics.pointing_game(points, masks(*boxes)).tolist() == [1, 0, 1, 0, 0]


def test_tolerance_is_the_distance_to_the_region():
    mask = masks((0, 0, 10, 10))
    # Three pixels right and four down of the edges of the last pixel, which is centered at (9, 9).
    point = [(9.5 + 3, 9.5 + 4)]
    assert metrics.pointing_game(point, mask, tolerance=4.9).tolist() == [0]
    assert metrics.pointing_game(point, mask, tolerance=5).tolist() == [1]


def test_a_part_that_is_not_annotated_is_no_miss():
    assert np.isnan(metrics.pointing_game([(5, 5)], masks((0, 0, 0, 0)))).all()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="points"):
        metrics.pointing_game([(5, 5), (6, 6)], masks((0, 0, 1, 1)))


def test_highest_point():
    saliency = np.zeros((20, 30))
    saliency[4, 7] = 1
    assert metrics.highest_point(saliency).tolist() == [7, 4]
    # The middle of a flat top.
    saliency[3:6, 10:15] = 2
    assert metrics.highest_point(saliency).tolist() == [12, 4]


def test_agreement_is_of_ranks():
    a = np.arange(12.0).reshape(3, 4)
    assert metrics.map_agreement(a, np.exp(a)) == pytest.approx(1)
    assert metrics.map_agreement(a, -a) == pytest.approx(-1)
    assert np.isnan(metrics.map_agreement(a, 0 * a))
    # Ranks 0 1.5 1.5 3 against 0 1 2 3, by hand: 4.5 / sqrt(4.5 * 5).
    assert metrics.map_agreement([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / 22.5**0.5)


def test_drop_by_hand():
    strengths = [[1.0, 2.0, 4.0, 0.0], [2.0, 2.0, 2.0, 2.0]]
    hidden = [[0.5, 2.0, 3.0, 1.0], [1.0, 1.0, 3.0, 2.0]]
    found = metrics.occlusion_drop(strengths, hidden, [True, False, False, True])
    # First image: 0.5 against (0 + 0.25) / 2; the silent filter is left out. Second: (0.5 + 0) / 2
    # against (0.5 - 0.5) / 2.
    assert found.there == pytest.approx((0.5 + 0.25) / 2)
    assert found.elsewhere == pytest.approx((0.125 + 0) / 2)
    assert found.selectivity == pytest.approx(found.there - found.elsewhere)


def test_filters_that_see_everything_have_no_selectivity():
    strengths = np.random.default_rng(0).random((5, 8)) + 1
    belongs = np.arange(8) < 3
    found = metrics.occlusion_drop(strengths, 0.4 * strengths, belongs)
    assert found.there == pytest.approx(0.6)
    assert found.selectivity == pytest.approx(0)


def test_without_filters_of_both_kinds_nothing_is_said():
    assert np.isnan(metrics.occlusion_drop([[1.0, 1.0]], [[0.0, 1.0]], [True, True])).all()

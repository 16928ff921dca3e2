"""Deletion and insertion by hand, on scores that are sums over pixels."""

import numpy as np
import pytest

from keras_icnn import metrics


def brightness(images):
    return images.mean(axis=(1, 2, 3))


def four_cells(values):
    """An image of 2 x 2 cells of 3 x 3 pixels, each of one value."""
    return np.kron(np.reshape(values, (2, 2)), np.ones((3, 3)))[..., None].astype("float32")


def test_area_is_the_trapezoids():
    # (1 + 0.5) / 2 * 0.25 + (0.5 + 0) / 2 * 0.75
    assert metrics.curve_area([0, 0.25, 1], [1, 0.5, 0]) == pytest.approx(0.375)
    # The width of the shares is divided out.
    assert metrics.curve_area([0, 2], [3, 3]) == pytest.approx(3)


@pytest.mark.parametrize("shares", [[0, 1, 1], [1, 0], [[0, 1]]])
def test_area_refuses_what_is_no_curve(shares):
    with pytest.raises(ValueError, match="ascending"):
        metrics.curve_area(shares, np.zeros(np.shape(shares)))


def test_order_is_by_mean_saliency_of_cells():
    saliency = four_cells([1, 4, 2, 3])[..., 0]
    assert metrics.cell_order(saliency, 2).tolist() == [1, 3, 2, 0]
    # A single bright pixel does not lift its cell above one that is bright all over.
    saliency[0, 0] = 25
    assert metrics.cell_order(saliency, 2).tolist() == [1, 0, 3, 2]


def test_cells_of_a_size_that_does_not_divide_are_all_there():
    order = metrics.cell_order(np.random.default_rng(0).random((10, 7)), 3)
    assert sorted(order) == list(range(9))


def test_equal_cells_come_in_an_order_that_the_seed_decides():
    flat = np.zeros((12, 12))
    orders = {tuple(metrics.cell_order(flat, 4, seed)) for seed in range(5)}
    assert len(orders) == 5
    assert metrics.cell_order(flat, 4, 1).tolist() == metrics.cell_order(flat, 4, 1).tolist()


def test_curves_by_hand():
    image = four_cells([1, 4, 2, 3])
    found = metrics.deletion_insertion(brightness, image, 0 * image, [1, 3, 2, 0], steps=4)
    assert found.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.deletion == pytest.approx([2.5, 1.5, 0.75, 0.25, 0])
    assert found.insertion == pytest.approx([0, 1, 1.75, 2.25, 2.5])
    assert found.deletion_area == pytest.approx((2.5 / 2 + 1.5 + 0.75 + 0.25) / 4)
    assert found.insertion_area == pytest.approx((2.5 / 2 + 1 + 1.75 + 2.25) / 4)
    assert found.advantage == pytest.approx((found.insertion_area - found.deletion_area) / 2.5)


def test_the_wrong_way_round_has_the_opposite_advantage():
    image = four_cells([1, 4, 2, 3])
    best, worst = (
        metrics.deletion_insertion(brightness, image, 0 * image, order, steps=4).advantage
        for order in ([1, 3, 2, 0], [0, 2, 3, 1])
    )
    assert best == pytest.approx(-worst)
    assert best > 0


def test_an_image_that_scores_no_more_than_its_baseline_says_nothing():
    image = four_cells([1, 4, 2, 3])
    found = metrics.deletion_insertion(brightness, image, image + 1, [0, 1, 2, 3], steps=2)
    assert np.isnan(found.advantage)


def test_images_and_curves_apart_are_the_same():
    image = np.random.default_rng(1).random((8, 8, 3)).astype("float32")
    order = metrics.cell_order(image[..., 0], 4)
    shares, images = metrics.curve_images(image, 0 * image, order, steps=5)
    assert images.shape == (10, 8, 8, 3)
    apart = metrics.curves_of(shares, brightness(images))
    whole = metrics.deletion_insertion(brightness, image, 0 * image, order, steps=5)
    assert apart.deletion.tolist() == whole.deletion.tolist()
    assert apart.insertion.tolist() == whole.insertion.tolist()


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 0, 1, 2], [1, 2, 3, 4]])
def test_an_order_must_hold_every_cell(order):
    image = four_cells([1, 4, 2, 3])
    with pytest.raises(ValueError, match="every cell"):
        metrics.deletion_insertion(brightness, image, image, order, steps=2)


def test_greedy_finds_the_best_order_of_a_sum():
    image = four_cells([1, 4, 2, 3])
    for insertion in (False, True):
        order = metrics.greedy_order(
            brightness, image, 0 * image, cells=2, steps=4, insertion=insertion
        )
        assert order.tolist() == [1, 3, 2, 0]


def test_greedy_sees_what_one_look_cannot():
    # Two cells that stand in for one another: after either is gone the other counts.
    def either(images):
        first, second = images[:, 0, 0, 0], images[:, 0, 5, 0]
        return np.maximum(first, second) + 0.1 * images[:, 5, 0, 0]

    image = four_cells([5, 5, 1, 0])
    order = metrics.greedy_order(either, image, 0 * image, cells=2, steps=4)
    # First the only one that counts alone; once one of the two is gone, the other counts.
    assert order.tolist() == [2, 0, 1, 3]


def test_a_finer_order_hides_the_same_pixels():
    coarse = np.array([2, 0, 3, 1])
    fine = metrics.finer_order(coarse, 3)
    assert sorted(fine) == list(range(36))
    image = np.random.default_rng(2).random((12, 12, 3)).astype("float32")
    one = metrics.deletion_insertion(brightness, image, 0 * image, coarse, steps=4)
    other = metrics.deletion_insertion(brightness, image, 0 * image, fine, steps=4)
    assert one.deletion == pytest.approx(other.deletion)

"""Starts from clusters: known clusters are found, and only what is said is changed."""

import numpy as np
import pytest
from keras import ops

import keras_icnn as icnn
from keras_icnn.layers import _cluster_starts

pytestmark = pytest.mark.core

D = 12


def planted(n=40, seed=0):
    """Features `[N, 6, 6, D]` of two classes; each image of class 1 has two kinds of places.

    Channel 0 stands for class 1 and fires at (1, 1) and (4, 4), with channel 1 or with channel 2.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6, 6, D)).astype("float32")
    y = np.arange(n) % 2
    x[y == 1, 1, 1, 0] += 20
    x[y == 1, 1, 1, 1] += 20
    x[y == 1, 4, 4, 0] += 20
    x[y == 1, 4, 4, 2] += 20
    return x, y


def sample_of(x, y, seed=0, batch=16):
    sample = _cluster_starts.FeatureSample(2, D, 36, seed)
    for i in range(0, len(x), batch):
        flat = x[i : i + batch].reshape(-1, 36, D)
        sample.update(flat, np.eye(2)[y[i : i + batch]])
    return sample


def clusters_of(sample, *arguments):
    return _cluster_starts.cluster_directions(sample, sample.whitening(), *arguments)


def test_moments_are_those_of_all_features():
    x, y = planted()
    mean, factor = sample_of(x, y).whitening()
    flat = x.reshape(-1, D).astype("float64")
    assert mean == pytest.approx(flat.mean(axis=0), abs=1e-5)
    covariance = np.cov(flat.T, bias=True)
    ridge = np.trace(covariance) / D * 1e-3
    assert factor @ factor.T == pytest.approx(covariance + ridge * np.eye(D), rel=1e-4, abs=1e-4)


def test_planted_clusters_are_found():
    x, y = planted()
    # 2 of 36 places: the planted ones.
    found = clusters_of(sample_of(x, y), 1, 2, 2 / 36, 0)
    assert sorted(found.sizes.tolist()) == [20, 20]
    response = np.einsum("nijd,kd->nkij", x[y == 1], found.directions)
    best = response.reshape(20, 2, -1).argmax(axis=-1)
    assert {tuple(set(column.tolist())) for column in best.T} == {(7,), (28,)}


def test_without_another_class_all_places_are_as_typical():
    x, _ = planted()
    ones = np.ones(len(x), int)
    found = clusters_of(sample_of(x, ones), 1, 3, 0.5, 0)
    assert found.sizes.sum() == len(x) * 18


def test_the_same_seed_gives_the_same_clusters_whatever_the_batches():
    x, y = planted()
    a = clusters_of(sample_of(x, y), 1, 3, 0.4, 5)
    b = clusters_of(sample_of(x, y, batch=7), 1, 3, 0.4, 5)
    assert a.directions == pytest.approx(b.directions, rel=1e-3, abs=1e-5)
    assert a.sizes.tolist() == b.sizes.tolist()


def test_memory_is_bounded_and_every_image_may_be_kept(monkeypatch):
    monkeypatch.setattr(_cluster_starts, "_CAPACITY", 1)
    sample = _cluster_starts.FeatureSample(1, 1, 1, 0)
    for value in range(1000):
        sample.update(np.full((1, 1, 1), value), np.ones((1, 1)))
    assert (len(sample.kept[0]), sample.count[0]) == (8, 1000)
    assert np.mean(sample.kept[0]) > 200


def test_k_means_of_directions_ends_at_the_means_of_its_clusters():
    points = np.random.default_rng(1).normal(size=(200, 3))
    centers, sizes = _cluster_starts.spherical_k_means(points, 5, np.random.default_rng(0))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    nearest = (unit @ centers.T).argmax(axis=1)
    assert sizes.tolist() == np.bincount(nearest, minlength=5).tolist()
    for k in range(5):
        total = unit[nearest == k].sum(axis=0)
        assert centers[k] == pytest.approx(total / np.linalg.norm(total), abs=1e-6)


@pytest.mark.parametrize("points", [np.zeros((4, 3)), np.ones((4, 3))])
def test_k_means_of_points_that_are_all_the_same(points):
    centers, sizes = _cluster_starts.spherical_k_means(points, 3, np.random.default_rng(0))
    assert np.isfinite(centers).all()
    assert sizes.sum() == 4


def test_a_kernel_moves_towards_directions_and_keeps_its_norms():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 4, 5))
    directions = rng.normal(size=(5, 4))
    directions[3] = np.nan
    found = _cluster_starts.start_kernel(kernel, directions, 0.4)
    norms = np.linalg.norm(kernel.reshape(-1, 5), axis=0)
    assert np.linalg.norm(found.reshape(-1, 5), axis=0) == pytest.approx(norms)
    assert (found[..., 3] == kernel[..., 3]).all()
    towards = np.tile(directions[0], (3, 3, 1))
    mixed = 0.6 * kernel[..., 0] + 0.4 * towards * norms[0] / np.linalg.norm(towards)
    cosine = np.sum(mixed * found[..., 0]) / np.linalg.norm(mixed) / norms[0]
    assert cosine == pytest.approx(1)
    assert _cluster_starts.start_kernel(kernel, directions, 0.0) == pytest.approx(kernel)


def layer(**arguments):
    rule = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2)
    given = {"num_classes": 2, "background_class": 0, "filter_loss": rule, "padding": "same"}
    return icnn.InterpretableConv(6, 3, **{**given, **arguments})


def test_a_layer_adapts_to_arrays_and_to_batches_alike():
    x, y = planted()
    first, second = layer(), layer()
    first.build(x.shape)
    second.build(x.shape)
    start = ops.convert_to_numpy(first.kernel)
    second.kernel.assign(start)
    first.adapt(x, y, share=0.4, seed=3)
    second.adapt([(x[:32], y[:32]), (x[32:], y[32:])], share=0.4, seed=3)
    found = ops.convert_to_numpy(first.kernel)
    assert found == pytest.approx(ops.convert_to_numpy(second.kernel), abs=1e-4)
    assert np.abs(found - start).max() > 0.01
    # Filters of the same part are moved in the same direction.
    moved = found / np.linalg.norm(start.reshape(-1, 6), axis=0) - 0.6 * start / np.linalg.norm(
        start.reshape(-1, 6), axis=0
    )
    part = first.parts().part
    assert part.tolist() == [0, 1, 0, 1, 0, 1]
    assert np.corrcoef(moved[..., 0].ravel(), moved[..., 2].ravel())[0, 1] > 0.5


def test_too_few_images_of_a_category_are_refused_and_change_nothing():
    x, y = planted()
    given = layer()
    given.build(x.shape)
    start = ops.convert_to_numpy(given.kernel)
    with pytest.raises(ValueError, match=r"at least 2 images.*Received: 1 of class 1"):
        given.adapt(x[:3], y[:3])
    x[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        given.adapt(x, y)
    assert (ops.convert_to_numpy(given.kernel) == start).all()


def test_rules_that_choose_categories_in_training_have_nothing_to_adapt():
    x, y = planted()
    given = layer(filter_loss="paper")
    with pytest.raises(ValueError, match="target='sum'"):
        given.adapt(x, y)


def test_filters_that_exist_get_the_category_that_activates_them_most():
    x, y = planted()
    x[y == 0, 2, 2, 3] += 50
    rule = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2)
    given = icnn.InterpretableFilters(num_classes=2, filter_loss=rule)
    given.adapt(x[..., :4], y)
    found = given.parts()
    assert found.category[0] == 1
    assert found.category[3] == 0
    assert np.bincount(found.category).tolist() == [2, 2]
    for c in (0, 1):
        assert sorted(found.part[found.category == c].tolist()) == [0, 1]

import numpy as np
import pytest
from core import reference
from core.backend import value_and_gradient
from keras import ops

from keras_icnn import PartTemplates
from keras_icnn.layers import _ops

pytestmark = pytest.mark.core


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def one_map(rows):
    return np.array(rows, "float32")[None, :, :, None]


def test_peak_is_the_first_of_ties():
    row, column = _ops.peak_position(one_map([[0, 1, 3], [3, 2, 3]]))
    assert (numpy(row), numpy(column)) == (0, 2)


def test_peak_of_an_empty_map_is_the_corner():
    row, column = _ops.peak_position(one_map([[0, 0], [0, 0]]))
    assert (numpy(row), numpy(column)) == (0, 0)


def test_peak_of_large_maps_is_exact():
    x = np.zeros((1, 57, 61, 1), "float32")
    x[0, 56, 60, 0] = 1
    row, column = _ops.peak_position(x)
    assert (numpy(row), numpy(column)) == (56, 60)


def test_center_of_mass_by_hand():
    # Rows: (0*1 + 2*3)/4 = 1.5, rounded up to 2. Columns: (0*1 + 1*3)/4 = 0.75, 1.
    row, column = _ops.center_of_mass(one_map([[1, 0], [0, 0], [0, 3]]))
    assert (numpy(row), numpy(column)) == (2, 1)


def test_center_of_mass_of_an_empty_map_is_its_middle():
    row, column = _ops.center_of_mass(one_map([[0] * 5] * 3))
    assert (numpy(row), numpy(column)) == (1, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_positions_stay_on_the_map_when_values_are_not_finite(bad):
    for rule in (_ops.center_of_mass, _ops.peak_position):
        row, column = rule(one_map([[1, 0, 0], [0, bad, 0]]))
        assert 0 <= numpy(row) <= 1
        assert 0 <= numpy(column) <= 2


def brute_force_places(x, scale, category, part, classes, parts, spacing):
    """Filters of a category and part vote; earlier parts keep later ones away."""
    batch, height, width, filters = x.shape
    found = np.zeros((batch, filters, 2))
    for b in range(batch):
        for c in range(classes):
            taken = []
            for p in range(parts):
                best, place = -np.inf, None
                for i in range(height):
                    for j in range(width):
                        if any(abs(i - k) + abs(j - m) <= spacing for k, m in taken):
                            continue
                        vote = sum(
                            x[b, i, j, f] / scale[f]
                            for f in range(filters)
                            if category[f] == c and part[f] == p
                        )
                        if vote > best:
                            best, place = vote, (i, j)
                taken.append(place)
                for f in range(filters):
                    if category[f] == c and part[f] == p:
                        found[b, f] = place
    return found


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_filters_of_a_part_agree_on_one_place(parts):
    rng = np.random.default_rng(2)
    x = rng.uniform(size=(3, 6, 5, 8)).astype("float32")
    scale = rng.uniform(0.5, 2, 8).astype("float32")
    category, part = np.arange(8) // 4, np.arange(8) % parts
    claims = np.eye(2 * parts, dtype="float32")[category * parts + part]
    row, column = _ops.agreed_peak(
        ops.convert_to_tensor(x),
        ops.convert_to_tensor(scale),
        ops.convert_to_tensor(claims),
        parts,
        2,
    )
    expected = brute_force_places(x, scale, category, part, 2, parts, 2)
    np.testing.assert_array_equal(np.stack([numpy(row), numpy(column)], axis=2), expected)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_mask_is_the_positive_part_of_the_template(norm):
    templates = PartTemplates(5, 4, norm=norm)
    bank = reference.templates(5, 4, norm=norm)
    for unit in range(20):
        row, column = (np.array([[v]], "float32") for v in divmod(unit, 4))
        mask = numpy(_ops.part_mask(row, column, templates))[0, :, :, 0]
        assert mask == pytest.approx(np.maximum(bank[unit], 0) / templates.tau, abs=1e-6)
        target = numpy(_ops.target_template(row, column, np.ones((1, 1), "float32"), templates))[
            0, :, :, 0
        ]
        assert target == pytest.approx(bank[unit] / templates.tau, abs=1e-6)


def test_masked_map_keeps_the_peak_and_is_not_negative():
    x = np.random.default_rng(0).uniform(0, 1, (2, 6, 6, 3)).astype("float32")
    tensor = ops.convert_to_tensor(x)
    y = numpy(_ops.mask_maps(tensor, *_ops.peak_position(tensor), PartTemplates(6, 6)))
    assert y.max(axis=(1, 2)) == pytest.approx(x.max(axis=(1, 2)))
    assert y.min() == 0


def test_mask_is_constant_in_the_backward_pass():
    x = np.random.default_rng(0).uniform(0, 1, (2, 5, 5, 2)).astype("float32")
    templates = PartTemplates(5, 5)
    u = np.random.default_rng(1).normal(size=x.shape).astype("float32")

    def loss(t):
        masked = _ops.mask_maps(t, *_ops.peak_position(t), templates)
        return ops.sum(masked * ops.convert_to_tensor(u))

    _, gradient = value_and_gradient(loss, x)
    mask = numpy(_ops.part_mask(*_ops.peak_position(x), templates))
    assert gradient == pytest.approx(u * mask, abs=1e-6)


def test_traces_are_sums_over_the_map():
    x = np.random.default_rng(0).uniform(0, 1, (3, 4, 5, 2)).astype("float32")
    found = numpy(_ops.traces(x, PartTemplates(4, 5)))
    bank = reference.templates(4, 5)
    for f in range(2):
        assert found[..., f] == pytest.approx(
            reference.traces(x[..., f].astype("float64"), bank), abs=1e-6
        )


@pytest.mark.parametrize("shape", [(19, 23), (28, 28)])
def test_traces_and_the_full_push_of_large_maps(shape):
    templates = PartTemplates(*shape, tau=0.3)
    assert templates.factors() is not None
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (3, *shape, 2)).astype("float32")
    strengths = rng.normal(size=(3, templates.units + 1, 2)).astype("float32")
    bank = templates.bank()
    expected = np.einsum("tij,bijf->btf", bank, x)
    found = numpy(_ops.traces(x, templates))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    expected = -np.einsum("tij,btf->bijf", bank, strengths)
    (found,) = _ops.full_push(ops.convert_to_tensor(strengths), templates).tensors
    assert numpy(found) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_mean_of_exponentials_not_of_logarithms():
    found = numpy(_ops.log_mean_exp(np.array([[0.0], [2.0]], "float32"), 2.0))
    assert found == pytest.approx(np.log((1 + np.e**2) / 2))


def test_loss_is_minus_mutual_information():
    x = np.random.default_rng(0).uniform(0, 3, (5, 4, 4, 2)).astype("float32")
    templates = PartTemplates(4, 4, tau=0.2)
    trace = _ops.traces(x, templates)
    found = numpy(_ops.Likelihood(trace, _ops.log_mean_exp(trace, 5.0), templates).loss())
    bank, p = reference.templates(4, 4, tau=0.2), reference.prior(4, 4)
    for f in range(2):
        expected = reference.mutual_information(x[..., f].astype("float64"), bank, p)
        assert found[f] == pytest.approx(-expected, rel=1e-5)


def test_exponentials_are_made_once():
    # Other statistics than the batch's own, so that log Z and the loss do not cancel.
    x = np.random.default_rng(0).uniform(0, 3, (5, 4, 4, 2)).astype("float32")
    templates = PartTemplates(4, 4, tau=2.0)
    trace = _ops.traces(x, templates)
    once = _ops.Exponentials(trace)
    log_m = _ops.log_mean_exp(trace, 5.0)
    assert numpy(once.log_mean(5.0)) == pytest.approx(numpy(log_m), abs=1e-5)
    for shift in (0.0, 1.5, -1.5):
        expected = numpy(_ops.Likelihood(trace, log_m + shift, templates).loss())
        assert numpy(once.loss(log_m + shift, templates)) == pytest.approx(expected, rel=1e-4)


def test_entropies_add_up_to_the_loss():
    # Eq. (5): Loss = -H(T) + H({T-, T+} | X) + sum_x p(T+, x) H(T+ | x).
    x = np.random.default_rng(0).uniform(0, 3, (6, 4, 3, 2)).astype("float32")
    templates = PartTemplates(4, 3, tau=0.3)
    trace = _ops.traces(x, templates)
    likelihood = _ops.Likelihood(trace, _ops.log_mean_exp(trace, 6.0), templates)
    entropies = {k: numpy(v) for k, v in likelihood.entropies().items()}
    p = reference.prior(4, 3)
    total = np.sum(p * np.log(p)) + entropies["category_entropy"] + entropies["spatial_entropy"]
    assert total == pytest.approx(numpy(likelihood.loss()), abs=2e-6)
    assert (entropies["category_entropy"] > 0).all()
    assert (entropies["spatial_entropy"] > 0).all()


def test_concentrated_maps_have_lower_spatial_entropy():
    templates = PartTemplates(5, 5, tau=1.0)
    sharp = np.zeros((4, 5, 5, 1), "float32")
    for k, (i, j) in enumerate([(0, 0), (4, 4), (2, 3), (1, 1)]):
        sharp[k, i, j, 0] = 5
    flat = np.full((4, 5, 5, 1), 0.2, "float32")
    spatial = []
    for x in (sharp, flat):
        trace = _ops.traces(x, templates)
        likelihood = _ops.Likelihood(trace, _ops.log_mean_exp(trace, 4.0), templates)
        spatial.append(float(numpy(likelihood.entropies()["spatial_entropy"])[0]))
    assert spatial[0] < spatial[1] - 0.5


@pytest.mark.parametrize(("norm", "own"), [("l1", False), ("l2", False), ("l1", True)])
def test_sums_over_a_target_push_are_those_of_its_direction(norm, own):
    rng = np.random.default_rng(0)
    templates = PartTemplates(5, 4, norm=norm)
    x = np.maximum(rng.normal(size=(6, 5, 4, 3)), 0).astype("float32")
    positive = (rng.random((6, 3)) < 0.5).astype("float32")
    coefficient = rng.normal(size=(6, 3)).astype("float32")
    beta = ops.convert_to_tensor(np.array([1.0, 4.0, 9.0], "float32")) if own else None
    peak = _ops.peak_position(x)
    target = numpy(_ops.target_template(*peak, ops.convert_to_tensor(positive), templates, beta))
    for signed in (True, False):
        factor = coefficient if signed else np.abs(coefficient)
        factors = [ops.convert_to_tensor(a) for a in (positive, factor)]
        push = _ops.TargetPush(*peak, *factors, templates, beta, signed)
        direction = -factor[:, None, None] * target
        assert numpy(push.direction(2.0, *push.tensors)) == pytest.approx(2 * direction, abs=1e-5)
        maps = ops.convert_to_tensor(x)
        square, along = push.sums(maps, _ops.traces(maps, templates), *push.tensors)
        expected = np.sum(direction**2 * (x > 0), axis=(1, 2))
        assert numpy(square) == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert numpy(along) == pytest.approx(np.sum(direction * x, axis=(1, 2)), abs=1e-4)


def test_balanced_targets_are_those_of_sinkhorn_s_iteration():
    # In logarithms and float64; some classes activate filters a thousand times more.
    rng = np.random.default_rng(0)
    for classes, filters, spread in ((4, 30, 0.3), (7, 100, 1.0), (60, 150, 2.0)):
        logs = rng.normal(size=(classes, filters)) + spread * rng.normal(size=(classes, 1))
        known = np.ones(classes)
        known[2] = 0
        found = numpy(
            _ops.target_categories(
                ops.convert_to_tensor(np.exp(logs).astype("float32")),
                ops.convert_to_tensor(known.astype("float32")),
                True,
            )
        )
        rest = np.delete(logs, 2, axis=0)
        rest = rest - rest.mean(axis=0)
        rest = rest - rest.mean(axis=1, keepdims=True)
        rest = rest / (0.05 * rest.std())
        price = np.zeros((classes - 1, 1))
        for _ in range(30):
            of_filter = np.logaddexp.reduce(rest + price, axis=0)
            of_class = np.logaddexp.reduce(rest - of_filter, axis=1, keepdims=True)
            price = np.log(filters / (classes - 1)) - of_class
        expected = np.delete(np.arange(classes), 2)[np.argmax(rest + price, axis=0)]
        assert np.mean(found != expected) <= 0.01


def test_push_moments_count_firing_units_only():
    x = ops.convert_to_tensor(np.array([[3.0, 0.0], [0.0, 1.0]], "float32").reshape(1, 2, 2, 1))
    push = ops.convert_to_tensor(np.array([[1.0, 9.0], [9.0, 2.0]], "float32").reshape(1, 2, 2, 1))
    sums = (*_ops.DensePush.sums(x, None, push), _ops.over_units(ops.square(x)))
    one, none = ops.ones((1, 1)), ops.zeros((1, 1))
    radial, rms, known = _ops.push_moments(*sums, False, counted=one, units=4)
    assert known
    assert numpy(radial) == 0
    assert numpy(rms) == pytest.approx(np.sqrt((1 + 4) / 4))
    radial, rms, _ = _ops.push_moments(*sums, True, counted=one, units=4)
    # <push, x> / <x, x> = (3 + 2) / (9 + 1); what is left: 1 - 1.5 and 2 - 0.5.
    assert numpy(radial) == pytest.approx(0.5)
    assert numpy(rms) == pytest.approx(np.sqrt((0.25 + 2.25) / 4))
    radial, rms, known = _ops.push_moments(*sums, True, counted=none, units=4)
    assert numpy(radial) == pytest.approx(0.5)
    assert numpy(rms) == 0 and not known

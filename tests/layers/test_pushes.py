"""Sums over pushes beside the pushes themselves."""

import numpy as np
import pytest
from keras import ops

from keras_icnn import PartTemplates
from keras_icnn.layers import _masks, _peaks, _pushes

pytestmark = pytest.mark.core


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(("norm", "own"), [("l1", False), ("l2", False), ("l1", True)])
def test_sums_over_a_target_push_are_those_of_its_direction(norm, own):
    rng = np.random.default_rng(0)
    templates = PartTemplates(norm=norm).for_maps(5, 4)
    x = np.maximum(rng.normal(size=(6, 5, 4, 3)), 0).astype("float32")
    positive = (rng.random((6, 3)) < 0.5).astype("float32")
    coefficient = rng.normal(size=(6, 3)).astype("float32")
    beta = ops.convert_to_tensor(np.array([1.0, 4.0, 9.0] if own else [4.0] * 3, "float32"))
    peaks = _peaks.peak_position(x)
    template = numpy(_masks.positive_template(peaks, beta, templates))
    target = np.where(positive[:, None, None] > 0, template, -1.0)
    for kind in (_pushes.TargetPush, _pushes.PullPush):
        factor = coefficient if kind is _pushes.TargetPush else np.abs(coefficient)
        factors = [ops.convert_to_tensor(a) for a in (positive, factor)]
        push = kind.of(peaks, *factors, beta)
        assert type(push) is kind
        direction = -factor[:, None, None] * target
        assert numpy(push.times(2.0).direction(templates)) == pytest.approx(2 * direction, abs=1e-5)
        maps = ops.convert_to_tensor(x)
        square, along = push.sums(maps, templates)
        expected = np.sum(direction**2 * (x > 0), axis=(1, 2))
        assert numpy(square) == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert numpy(along) == pytest.approx(np.sum(direction * x, axis=(1, 2)), abs=1e-4)


def test_size_counts_firing_units_only():
    x = ops.convert_to_tensor(np.array([[3.0, 0.0], [0.0, 1.0]], "float32").reshape(1, 2, 2, 1))
    push = np.array([[1.0, 9.0], [9.0, 2.0]], "float32").reshape(1, 2, 2, 1)
    push, bank = _pushes.DensePush(ops.convert_to_tensor(push)), PartTemplates().for_maps(2, 2)
    size = _pushes.size_of(push, x, ops.ones((1, 1)), bank)
    assert size.known
    # <push, x> / <x, x> = (3 + 2) / (9 + 1); what is left: 1 - 1.5 and 2 - 0.5.
    assert numpy(size.radial) == pytest.approx(0.5)
    assert numpy(size.rms) == pytest.approx(np.sqrt((0.25 + 2.25) / 4))
    size = _pushes.size_of(push, x, ops.zeros((1, 1)), bank)
    assert numpy(size.radial) == pytest.approx(0.5)
    assert numpy(size.rms) == 0 and not size.known


def test_full_push_is_a_sum_over_templates():
    bank = PartTemplates(tau=0.3).for_maps(4, 5)
    strengths = np.random.default_rng(0).normal(size=(3, 21, 2)).astype("float32")
    expected = -np.einsum("tij,btf->bijf", bank.bank(), strengths)
    found = _pushes.full_push(ops.convert_to_tensor(strengths), bank).direction(bank)
    assert numpy(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)

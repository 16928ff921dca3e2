"""Masks and templates around peaks, beside the definition."""

import loss_reference as reference
import numpy as np
import pytest
from backend_modes import value_and_gradient
from keras import ops

from keras_icnn import PartTemplates
from keras_icnn.layers import _masks
from keras_icnn.layers._peaks import Peaks, peak_position

pytestmark = pytest.mark.core


BETA = np.array([4.0], "float32")
BANK = PartTemplates().for_maps(6, 6)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_mask_is_the_positive_part_of_the_template(norm):
    templates = PartTemplates(norm=norm).for_maps(5, 4)
    bank = reference.templates(5, 4, norm=norm)
    for unit in range(20):
        peaks = Peaks(*(np.array([[v]], "float32") for v in divmod(unit, 4)))
        mask = numpy(_masks.part_mask(peaks, BETA, templates))[0, :, :, 0]
        assert mask == pytest.approx(np.maximum(bank[unit], 0) / templates.tau, abs=1e-6)
        target = numpy(_masks.positive_template(peaks, BETA, templates))[0, :, :, 0]
        assert target == pytest.approx(bank[unit] / templates.tau, abs=1e-6)


def test_masked_map_keeps_the_peak_and_is_not_negative():
    x = np.random.default_rng(0).uniform(0, 1, (2, 6, 6, 3)).astype("float32")
    tensor = ops.convert_to_tensor(x)
    y = numpy(_masks.mask_maps(tensor, peak_position(tensor), BETA, BANK))
    assert y.max(axis=(1, 2)) == pytest.approx(x.max(axis=(1, 2)))
    assert y.min() == 0


def test_mask_is_constant_in_the_backward_pass():
    x = np.random.default_rng(0).uniform(0, 1, (2, 5, 5, 2)).astype("float32")
    templates = PartTemplates().for_maps(5, 5)
    u = np.random.default_rng(1).normal(size=x.shape).astype("float32")

    def loss(t):
        masked = _masks.mask_maps(t, peak_position(t), BETA, templates)
        return ops.sum(masked * ops.convert_to_tensor(u))

    _, gradient = value_and_gradient(loss, x)
    mask = numpy(_masks.part_mask(peak_position(x), BETA, templates))
    assert gradient == pytest.approx(u * mask, abs=1e-6)

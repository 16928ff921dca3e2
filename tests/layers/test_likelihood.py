"""Eqs. (1), (2) and (5) beside a float64 reference."""

import loss_reference as reference
import numpy as np
import pytest
from keras import ops

from keras_icnn import PartTemplates
from keras_icnn.layers import _likelihood

pytestmark = pytest.mark.core


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_traces_are_sums_over_the_map():
    x = np.random.default_rng(0).uniform(0, 1, (3, 4, 5, 2)).astype("float32")
    found = numpy(_likelihood.traces(x, PartTemplates().for_maps(4, 5)))
    bank = reference.templates(4, 5)
    for f in range(2):
        assert found[..., f] == pytest.approx(
            reference.traces(x[..., f].astype("float64"), bank), abs=1e-6
        )


def test_mean_of_exponentials_not_of_logarithms():
    found = numpy(_likelihood.log_mean_exp(np.array([[0.0], [2.0]], "float32"), 2.0))
    assert found == pytest.approx(np.log((1 + np.e**2) / 2))


def test_loss_is_minus_mutual_information():
    x = np.random.default_rng(0).uniform(0, 3, (5, 4, 4, 2)).astype("float32")
    templates = PartTemplates(tau=0.2).for_maps(4, 4)
    trace = _likelihood.traces(x, templates)
    log_m = _likelihood.log_mean_exp(trace, 5.0)
    found = numpy(_likelihood.Likelihood(trace, log_m, templates).loss())
    bank, p = reference.templates(4, 4, tau=0.2), reference.prior(4, 4)
    for f in range(2):
        expected = reference.mutual_information(x[..., f].astype("float64"), bank, p)
        assert found[f] == pytest.approx(-expected, rel=1e-5)


def test_entropies_add_up_to_the_loss():
    # Eq. (5): Loss = -H(T) + H({T-, T+} | X) + sum_x p(T+, x) H(T+ | x).
    x = np.random.default_rng(0).uniform(0, 3, (6, 4, 3, 2)).astype("float32")
    templates = PartTemplates(tau=0.3).for_maps(4, 3)
    trace = _likelihood.traces(x, templates)
    likelihood = _likelihood.Likelihood(trace, _likelihood.log_mean_exp(trace, 6.0), templates)
    entropies = {k: numpy(v) for k, v in likelihood.entropies().items()}
    p = reference.prior(4, 3)
    total = np.sum(p * np.log(p)) + entropies["category_entropy"] + entropies["spatial_entropy"]
    assert total == pytest.approx(numpy(likelihood.loss()), abs=2e-6)
    assert (entropies["category_entropy"] > 0).all()
    assert (entropies["spatial_entropy"] > 0).all()


def test_concentrated_maps_have_lower_spatial_entropy():
    templates = PartTemplates(tau=1.0).for_maps(5, 5)
    sharp = np.zeros((4, 5, 5, 1), "float32")
    for k, (i, j) in enumerate([(0, 0), (4, 4), (2, 3), (1, 1)]):
        sharp[k, i, j, 0] = 5
    flat = np.full((4, 5, 5, 1), 0.2, "float32")
    spatial = []
    for x in (sharp, flat):
        trace = _likelihood.traces(x, templates)
        likelihood = _likelihood.Likelihood(trace, _likelihood.log_mean_exp(trace, 4.0), templates)
        spatial.append(float(numpy(likelihood.entropies()["spatial_entropy"])[0]))
    assert spatial[0] < spatial[1] - 0.5

import math

import loss_reference as reference
import numpy as np
import pytest

from keras_icnn import PartTemplates

pytestmark = pytest.mark.core


def test_square_template_by_hand():
    # n = 2, tau = 1/8: 1 - 2 d, clipped at -1.
    bank = PartTemplates().for_maps(2, 2).bank()
    assert bank[0] == pytest.approx(np.array([[1, -1], [-1, -1]]) / 8)


def test_wide_template_by_hand():
    # tau = 0.5/16, n = 4, beta = 2: one less half a unit of distance.
    t = PartTemplates(beta=2.0).for_maps(4, 4).bank()[5]  # unit [1, 1]
    expected = np.array(
        [[0, 0.5, 0, -0.5], [0.5, 1, 0.5, 0], [0, 0.5, 0, -0.5], [-0.5, 0, -0.5, -1]]
    )
    assert t == pytest.approx(expected / 32)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (1, 7), (1, 1)])
def test_bank_is_the_definition(shape, norm):
    bank = PartTemplates(norm=norm).for_maps(*shape).bank()
    assert bank == pytest.approx(reference.templates(*shape, norm=norm), abs=1e-15)


def test_prior_of_the_paper_makes_all_templates_equally_likely():
    prior = np.exp(PartTemplates().for_maps(3, 4).log_prior())
    assert prior == pytest.approx(np.full(13, 1 / 13))


def test_prior_of_another_alpha():
    prior = np.exp(PartTemplates(alpha=0.2).for_maps(2, 2).log_prior())
    assert prior == pytest.approx([0.05] * 4 + [0.8])


def test_round_template_is_rounder():
    l1 = PartTemplates().for_maps(9, 9).bank()[40]
    l2 = PartTemplates(norm="l2").for_maps(9, 9).bank()[40]
    assert l1[4, 5] == pytest.approx(l2[4, 5])
    assert l2[3, 3] > l1[3, 3]
    assert l2[3, 3] == pytest.approx(0.5 / 81 * (1 - 4 * math.sqrt(2) / 9))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"height": 0}, "height"),
        ({"width": 2.5}, "width"),
        ({"height": True}, "height"),
        ({"norm": "l3"}, "norm"),
        ({"tau": 0}, "tau"),
        ({"tau": float("inf")}, "tau"),
        ({"beta": -1}, "beta"),
        ({"alpha": 1.0}, "alpha"),
        ({"alpha": "half"}, "alpha"),
    ],
)
def test_errors_name_the_argument(arguments, name):
    arguments = dict(arguments)
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        size = {n: arguments.pop(n) for n in ("height", "width") if n in arguments}
        PartTemplates(**arguments).for_maps(**{"height": 3, "width": 3, **size})

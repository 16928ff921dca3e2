import dataclasses

import keras
import pytest

from keras_icnn import FilterLoss, PartTemplates
from keras_icnn.layers import _rules
from keras_icnn.layers._filter_loss import NAMED
from keras_icnn.layers._targets import TARGETS

pytestmark = pytest.mark.core


@pytest.mark.parametrize("name", NAMED)
def test_named_rules_survive_serialisation(name):
    rule = FilterLoss.parse(name)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rule))
    assert again == rule
    assert hash(again) == hash(rule)


def test_no_arguments_are_the_paper_s_rule():
    assert FilterLoss() == FilterLoss.parse("paper")
    assert FilterLoss().strength == 5e-6
    assert FilterLoss(weight="relative").strength == 0.1


def test_parse_takes_rules_configs_and_none():
    rule = FilterLoss(mask_beta=3.0)
    assert FilterLoss.parse(rule) is rule
    assert FilterLoss.parse(keras.saving.serialize_keras_object(rule)) == rule
    assert FilterLoss.parse(None) is None


def test_repr_shows_what_differs():
    assert repr(FilterLoss(mask_beta=3.0)) == "FilterLoss(mask_beta=3.0)"


@pytest.mark.parametrize("value", ["best", 3, True, ["paper"]])
def test_parse_refuses_anything_else(value):
    with pytest.raises(ValueError, match=r"`filter_loss`.*Received"):
        FilterLoss.parse(value)


def test_rules_cannot_be_changed():
    rule = FilterLoss()
    with pytest.raises(AttributeError):
        rule.strength = 1.0
    assert dataclasses.replace(rule, strength=1.0).strength == 1.0


def test_templates_may_be_a_table_of_their_constants():
    assert FilterLoss(templates={"tau": 0.1}) == FilterLoss(templates=PartTemplates(tau=0.1))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"gradient": "exact"}, "gradient"),
        ({"marginal": "none"}, "marginal"),
        ({"weight": "big"}, "weight"),
        ({"strength": 0}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"decay_steps": 0}, "decay_steps"),
        ({"decay_steps": 1.5}, "decay_steps"),
        ({"momentum": 1.0}, "momentum"),
        ({"peak": "median"}, "peak"),
        ({"target": "mean"}, "target"),
        ({"parts": 0}, "parts"),
        ({"parts": 2.5}, "parts"),
        ({"parts": 4, "spacing": -1}, "spacing"),
        ({"spacing": 2}, "spacing"),
        ({"rescale": 1}, "rescale"),
        ({"mask_beta": 0.0}, "mask_beta"),
        ({"templates": 4.0}, "templates"),
        ({"templates": {"norm": "l0"}}, "norm"),
        ({"templates": {"tau": -1.0}}, "tau"),
        ({"templates": {"beta": None}}, "beta"),
        ({"templates": {"alpha": 0}}, "alpha"),
    ],
)
def test_errors_name_the_argument(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        FilterLoss(**arguments)


# A value other than the default of every option that not all rules read.
OTHERS = {
    "scale_with_activation": False,
    "class_balance": True,
    "learn_beta": True,
    "mask_beta": 2.0,
    "parts": 3,
    "balance_targets": True,
}


def test_every_option_that_some_rule_does_not_read_is_tried_here():
    options = [f.name for f in dataclasses.fields(FilterLoss)]
    assert {name for name in options if _rules.readers(name)} == set(OTHERS)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("learn_beta", [False, True])
@pytest.mark.parametrize("weight", _rules.WEIGHTS)
@pytest.mark.parametrize("gradient", _rules.GRADIENTS)
def test_an_option_is_read_or_refused(gradient, weight, learn_beta, target):
    """It is refused just where the layer's training does not depend on it."""
    chosen = {"gradient": gradient, "weight": weight, "learn_beta": learn_beta, "target": target}
    for name, value in OTHERS.items():
        arguments = {**chosen, name: value}
        read = {
            "scale_with_activation": weight == "absolute",
            "class_balance": not gradient.startswith("full"),
            "learn_beta": not gradient.startswith("full"),
            "mask_beta": not arguments["learn_beta"],
            "parts": not gradient.startswith("full"),
            "balance_targets": target != "assigned",
        }
        idle = [n for n, v in arguments.items() if n in read and v and not read[n]]
        if name == "scale_with_activation" and not read[name]:
            idle.append(name)
        if idle:
            told = rf"`({'|'.join(idle)})`.*does not read it.*read with"
            with pytest.raises(ValueError, match=told):
                FilterLoss(**arguments)
        else:
            assert getattr(FilterLoss(**arguments), name) == value

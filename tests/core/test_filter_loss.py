import keras
import pytest

from keras_icnn import FilterLoss
from keras_icnn.layers._filter_loss import NAMED

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
    rule = FilterLoss(beta=3.0)
    assert FilterLoss.parse(rule) is rule
    assert FilterLoss.parse(keras.saving.serialize_keras_object(rule)) == rule
    assert FilterLoss.parse(None) is None


def test_repr_shows_what_differs():
    assert repr(FilterLoss(beta=3.0)) == "FilterLoss(beta=3.0)"


@pytest.mark.parametrize("value", ["best", 3, True, ["paper"]])
def test_parse_refuses_anything_else(value):
    with pytest.raises(ValueError, match=r"`filter_loss`.*Received"):
        FilterLoss.parse(value)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"gradient": "exact"}, "gradient"),
        ({"likelihood": "gauss"}, "likelihood"),
        ({"marginal": "none"}, "marginal"),
        ({"weight": "big"}, "weight"),
        ({"strength": 0}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"reference": "epoch"}, "reference"),
        ({"decay_steps": 0}, "decay_steps"),
        ({"decay_steps": 1.5}, "decay_steps"),
        ({"momentum": 1.0}, "momentum"),
        ({"peak": "median"}, "peak"),
        ({"target": "mean"}, "target"),
        ({"norm": "l0"}, "norm"),
        ({"tau": -1.0}, "tau"),
        ({"beta": None}, "beta"),
        ({"alpha": 0}, "alpha"),
        ({"remove_radial": True}, "remove_radial"),
        ({"likelihood": "official", "gradient": "full_sum"}, "likelihood"),
        ({"negatives": -1.0, "gradient": "equal"}, "negatives"),
        ({"negatives": 0.5}, "negatives"),
        ({"crowding": float("nan"), "gradient": "equal"}, "crowding"),
        ({"crowding": 1.0, "gradient": "posterior", "weight": "relative"}, "crowding"),
        ({"parts": 0, "gradient": "equal"}, "parts"),
        ({"parts": 2}, "parts"),
        ({"spacing": 1.5}, "spacing"),
        ({"sharpness": 0.0}, "sharpness"),
        ({"gradient": "posterior"}, "gradient"),
        ({"gradient": "posterior", "weight": "relative", "normalize": True}, "normalize"),
        ({"mask_beta": 0.0}, "mask_beta"),
        ({"mask_beta": 2.0, "learn_beta": True}, "mask_beta"),
        ({"size": "some"}, "size"),
        ({"size": "target"}, "size"),
        ({"gradient": "full_sum", "learn_beta": True}, "learn_beta"),
        ({"gradient": "full_sum", "normalize": True}, "normalize"),
        ({"gradient": "full_differentiation", "class_balance": True}, "class_balance"),
    ],
)
def test_errors_name_the_argument(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        FilterLoss(**arguments)

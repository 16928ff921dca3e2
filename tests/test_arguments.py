"""The checks of arguments: what they accept, what they return, and what they say."""

import subprocess
import sys

import numpy as np
import pytest

from keras_icnn import _arguments as check

NOT_NUMBERS = [None, True, np.True_, "3", float("nan"), float("inf"), -float("inf"), 1j, [1]]
NOT_NUMBERS.append(10**400)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_whole_number_is_an_int(value):
    found = check.whole_number(value, "count", "f", at_least=3, at_most=3)
    assert found == 3 and type(found) is int


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 2.0, np.float32(2), np.array(True), 0, 6])
def test_whole_number_refuses(value):
    with pytest.raises(ValueError, match=r"Argument `count` of f must be a whole number of at lea"):
        check.whole_number(value, "count", "f", at_least=1, at_most=5)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5)])
def test_number_is_a_float(value):
    found = check.number(value, "share", "f", above=0, below=1)
    assert found == 0.5 and type(found) is float


@pytest.mark.parametrize("value", [0, 1, np.int32(1)])
def test_bounds_that_may_be_reached(value):
    assert check.number(value, "share", "f", at_least=0, at_most=1) == value


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0, 1, -0.1, 1.1])
def test_number_refuses(value):
    with pytest.raises(ValueError, match=r"must be a finite number above 0 and below 1. Received"):
        check.number(value, "share", "f", above=0, below=1)


@pytest.mark.parametrize("value", [-0.001, 1.001])
def test_number_refuses_beyond_bounds_that_may_be_reached(value):
    with pytest.raises(ValueError, match=r"a finite number of at least 0 and of at most 1"):
        check.number(value, "share", "f", at_least=0, at_most=1)


def test_positive():
    assert check.positive(2, "rate", "f") == 2.0
    with pytest.raises(ValueError, match=r"a finite number above 0\. Received: rate=0$"):
        check.positive(0, "rate", "f")


@pytest.mark.parametrize("value", [True, np.True_])
def test_flag_is_a_bool(value):
    assert check.flag(value, "mask", "f") is True


@pytest.mark.parametrize("value", [None, 0, 1, "yes"])
def test_flag_refuses(value):
    with pytest.raises(ValueError, match=r"Argument `mask` of f must be True or False. Received"):
        check.flag(value, "mask", "f")


def test_choice():
    assert check.choice("b", "mode", "f", ("a", "b")) == "b"
    assert type(check.choice(np.str_("b"), "mode", "f", ("a", "b"))) is str
    for value in ("c", None, ["a"], np.array(["a", "b"]), True, 1):
        with pytest.raises(ValueError, match=r"must be one of 'a', 'b'. Received: mode="):
            check.choice(value, "mode", "f", ("a", "b"))
    with pytest.raises(ValueError, match="must be one of 1, 2"):
        check.choice(True, "mode", "f", (1, 2))


@pytest.mark.parametrize("value", [(4, 6), [4, np.int64(6)], np.array([4, 6])])
def test_size_is_a_tuple_of_ints(value):
    found = check.size(value, "image_size", "f")
    assert found == (4, 6) and [type(n) for n in found] == [int, int]


@pytest.mark.parametrize("value", [None, 4, "46", (4,), (4, 6, 3), (0, 6), (4.0, 6.0), (True, 6)])
def test_size_refuses(value):
    with pytest.raises(ValueError, match=r"must be \(height, width\), two whole numbers of at le"):
        check.size(value, "image_size", "f")
    with pytest.raises(ValueError, match=r"of at least 1 and of at most 5"):
        check.size((4, 6), "image_size", "f", at_most=5)


def test_names():
    assert check.names(("b", "a"), "parts", "f") == ["b", "a"]
    assert check.names(np.array(["b"]), "parts", "f", among=["a", "b"]) == ["b"]
    for value in (None, "ab", [], ["a", "a"], [1], {"a": 1}):
        with pytest.raises(ValueError, match=r"a list of different strings, at least 1. Received"):
            check.names(value, "parts", "f")
    with pytest.raises(ValueError, match=r"a list of different names of \['a', 'b'\], at least 1"):
        check.names(["c"], "parts", "f", among=["a", "b"])
    assert check.names([], "parts", "f", at_least=0) == []


def test_none_where_it_is_a_value():
    assert check.whole_number(None, "n", "f", optional=True) is None
    assert check.number(None, "n", "f", optional=True) is None
    assert check.positive(None, "n", "f", optional=True) is None
    assert check.size(None, "n", "f", optional=True) is None
    assert check.names(None, "n", "f", optional=True) is None
    assert check.choice(None, "n", "f", ("a",), optional=True) is None
    with pytest.raises(ValueError, match=r"a whole number of at least 1, or None. Received: n=0"):
        check.whole_number(0, "n", "f", at_least=1, optional=True)


def test_message_ends_with_the_fix():
    with pytest.raises(ValueError) as error:
        check.whole_number(0, "batch_size", "PartBatches", at_least=1, fix="Use 32.")
    assert str(error.value) == (
        "Argument `batch_size` of PartBatches must be a whole number of at least 1. Received: "
        "batch_size=0. Use 32."
    )


def test_long_values_are_cut():
    with pytest.raises(ValueError) as error:
        check.flag("x" * 5000, "mask", "f")
    assert len(str(error.value)) < 300 and str(error.value).endswith("...")


def test_needs_neither_keras_nor_numpy():
    code = (
        "import sys, types; package = types.ModuleType('keras_icnn'); "
        "package.__path__ = [sys.argv[1]]; sys.modules['keras_icnn'] = package; "
        "import keras_icnn._arguments; "
        "assert not {'keras', 'numpy', 'tensorflow'} & set(sys.modules)"
    )
    folder = check.__file__.rsplit("/", 1)[0]
    subprocess.run([sys.executable, "-c", code, folder], check=True)

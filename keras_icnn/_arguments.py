"""Checks of arguments, written once.

Every function takes the value, the argument's name and whose argument it is, and returns the value
that was meant: a Python number for a NumPy scalar, a tuple for a list. Anything else raises a
`ValueError` of one form:

    Argument `batch_size` of PartBatches must be a whole number of at least 1.
    Received: batch_size=0. Use the number of images of a batch.

`fix` is the last sentence: what to do instead. It may be left out where the expectation says it.
"""

import contextlib
import difflib
import functools
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def shown(value):
    """What an error shows of a value that was received: its `repr`, cut to 200 characters."""
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


def refuse(value, name, where, expectation, fix=None):
    """Raises the `ValueError` for an argument that is not as expected.

    Args:
        value: What was received.
        name: The argument's name.
        where: The function or class that it belongs to.
        expectation: What it must be, such as `"a share between 0 and 1"`.
        fix: Sentence that says what to do, or `None`.
    """
    message = f"Argument `{name}` of {where} must be {expectation}. Received: {name}={shown(value)}"
    raise ValueError(message if fix is None else f"{message}. {fix}")


def choice(value, name, where, choices, *, optional=False, fix=None):
    """One of several values, usually strings.

    Args:
        value, name, where, fix: As in `refuse`.
        choices: The values.
        optional: Whether `None` is a value, too.

    Returns:
        The one of `choices`, or `None`.
    """
    if value is None and optional:
        return None
    for one in choices:
        # Not `value in choices`: `True == 1`, and an array compares to an array.
        if isinstance(value, type(one)) and _is_bool(value) == _is_bool(one) and value == one:
            return one
    listed = ", ".join(map(repr, choices))
    return refuse(value, name, where, f"one of {listed}{_or_none(optional)}", fix)


def flag(value, name, where, *, fix=None):
    """`True` or `False`; also NumPy's.

    Returns:
        A `bool`.
    """
    if not _is_bool(value):
        refuse(value, name, where, "True or False", fix)
    return bool(value)


def whole_number(value, name, where, *, at_least=None, at_most=None, optional=False, fix=None):
    """A whole number within bounds. A bool is none, nor is a float such as 2.0.

    Args:
        value, name, where, fix: As in `refuse`.
        at_least, at_most: Bounds, or `None`.
        optional: Whether `None` is a value, too.

    Returns:
        An `int`, or `None`.
    """
    if value is None and optional:
        return None
    found = _index(value)
    if (
        found is None
        or (at_least is not None and found < at_least)
        or (at_most is not None and found > at_most)
    ):
        bounds = _bounds(None, at_least, None, at_most)
        refuse(value, name, where, f"a whole number{bounds}{_or_none(optional)}", fix)
    return found


def number(
    value,
    name,
    where,
    *,
    above=None,
    at_least=None,
    below=None,
    at_most=None,
    optional=False,
    fix=None,
):
    """A finite real number within bounds. A bool is none.

    Args:
        value, name, where, fix: As in `refuse`.
        above, below: Bounds that the number must not reach, or `None`.
        at_least, at_most: Bounds that it may reach, or `None`.
        optional: Whether `None` is a value, too.

    Returns:
        A `float`, or `None`.
    """
    if value is None and optional:
        return None
    found = math.nan
    if isinstance(value, numbers.Real) and not _is_bool(value):
        with contextlib.suppress(OverflowError):
            found = float(value)
    if (
        not math.isfinite(found)
        or (above is not None and found <= above)
        or (at_least is not None and found < at_least)
        or (below is not None and found >= below)
        or (at_most is not None and found > at_most)
    ):
        bounds = _bounds(above, at_least, below, at_most)
        refuse(value, name, where, f"a finite number{bounds}{_or_none(optional)}", fix)
    return found


def positive(value, name, where, *, optional=False, fix=None):
    """A finite number above 0.

    Returns:
        A `float`, or `None` where that is allowed.
    """
    return number(value, name, where, above=0, optional=optional, fix=fix)


def size(value, name, where, *, at_least=1, at_most=None, optional=False, fix=None):
    """`(height, width)` in whole pixels.

    Args:
        value, name, where, fix: As in `refuse`.
        at_least, at_most: Bounds of either.
        optional: Whether `None` is a value, too.

    Returns:
        A tuple of two `int`, or `None`.
    """
    if value is None and optional:
        return None
    try:
        found = [_index(n) for n in value]
    except TypeError:
        found = []
    if (
        len(found) != 2
        or None in found
        or min(found) < at_least
        or (at_most is not None and max(found) > at_most)
    ):
        bounds = _bounds(None, at_least, None, at_most)
        expectation = f"(height, width), two whole numbers{bounds}{_or_none(optional)}"
        refuse(value, name, where, expectation, fix)
    return tuple(found)


def names(value, name, where, *, among=None, at_least=1, optional=False, fix=None):
    """Strings, each once, in the order given.

    Args:
        value, name, where, fix: As in `refuse`.
        among: The strings that may be given; `None`: any.
        at_least: How many are needed.
        optional: Whether `None` is a value, too.

    Returns:
        A list of `str`, or `None`.
    """
    if value is None and optional:
        return None
    found = None
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        found = list(value)
    if (
        found is None
        or not all(isinstance(one, str) for one in found)
        or len(set(found)) < max(len(found), at_least)
        or (among is not None and not set(found) <= set(among))
    ):
        several = "different strings" if among is None else f"different names of {list(among)}"
        amount = f", at least {at_least}" if at_least else ""
        refuse(value, name, where, f"a list of {several}{amount}{_or_none(optional)}", fix)
    return [str(one) for one in found]


def nearest(name, names, count=5):
    """The names that are most like one, the most alike first: what messages suggest.

    Args:
        name: A string.
        names: Strings to choose from.
        count: How many, at most.

    Returns:
        A list of strings.
    """
    return difflib.get_close_matches(name, names, n=count, cutoff=0.0)


def called_here(wrong: str, right: str) -> Callable[[_Function], _Function]:
    """Decorator of a function whose argument has another name elsewhere in the package.

    The `TypeError` for the wrong name then says the right one.
    """

    def decorate(function):
        @functools.wraps(function)
        def checked(*args, **kwargs):
            if wrong in kwargs:
                raise TypeError(
                    f"{function.__name__}() got an unexpected keyword argument '{wrong}'. It is "
                    f"called `{right}` here."
                )
            return function(*args, **kwargs)

        return checked

    return decorate


def _is_bool(value):
    # NumPy's is no subclass, and importing NumPy for it would be all this file needs it for.
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _index(value):
    """The `int` that a value is, or `None`."""
    if _is_bool(value) or getattr(value, "dtype", None) == "bool":
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _or_none(optional):
    return ", or None" if optional else ""


def _bounds(above, at_least, below, at_most):
    told = {"above": above, "of at least": at_least, "below": below, "of at most": at_most}
    parts = [f"{words} {bound}" for words, bound in told.items() if bound is not None]
    return " " + " and ".join(parts) if parts else ""

"""Names of networks and their builders."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    import keras

_BUILDERS: dict[str, Callable[..., keras.Model]] = {}
_Builder = TypeVar("_Builder", bound="Callable[..., keras.Model]")


@overload
def register_model(name: _Builder) -> _Builder: ...
@overload
def register_model(name: str | None = None) -> Callable[[_Builder], _Builder]: ...
def register_model(name: Any = None) -> Any:
    """Registers a builder, as a decorator.

    Args:
        name: String, the name it is found under; the function's own when `None`.

    Returns:
        The decorator, which returns the function unchanged.

    Raises:
        ValueError: When the name is taken, or is not a name.

    Example:

    ```python
    @icnn.zoo.register_model()
    def my_network(include_top=True, weights=None, **kwargs):
        ...
    ```
    """
    if callable(name):
        return register_model()(name)

    def register(builder):
        key = builder.__name__ if name is None else name
        if not isinstance(key, str) or not key.isidentifier():
            raise ValueError(f"`name` must be a Python identifier. Received: name={key!r}")
        if key in _BUILDERS:
            raise ValueError(
                f"`name` is already registered; choose another. Received: name={key!r}"
            )
        _BUILDERS[key] = builder
        return builder

    return register


def list_models(pattern: str = "*") -> list[str]:
    """The names of registered networks.

    Args:
        pattern: String with `*`, `?` and `[...]`, for example `"*_interpretable"`.

    Returns:
        Sorted list of names that match, possibly empty.

    Example:

    ```python
    icnn.zoo.list_models("*_interpretable")
    ```
    """
    return sorted(fnmatch.filter(_BUILDERS, pattern))


def get_builder(name: str) -> Callable[..., keras.Model]:
    """The builder registered under a name.

    Raises:
        ValueError: When there is none; the error suggests the nearest names.
    """
    if name not in _BUILDERS:
        near = difflib.get_close_matches(str(name), _BUILDERS, n=3) or list_models()
        raise ValueError(
            f"`name` is not a registered network. Did you mean one of {near}? "
            f"`list_models()` lists all. Received: name={name!r}"
        )
    return _BUILDERS[name]


def create_model(name: str, **kwargs: Any) -> keras.Model:
    """Builds a network by name.

    Args:
        name: String, one of `list_models()`.
        **kwargs: The builder's arguments.

    Returns:
        `keras.Model`; for `*_interpretable` names an `InterpretableModel`.

    Raises:
        ValueError: When the name is unknown, or an argument is out of range.

    Example:

    ```python
    model = icnn.zoo.create_model("squeezenet_interpretable", classes=6)
    ```
    """
    return get_builder(name)(**kwargs)

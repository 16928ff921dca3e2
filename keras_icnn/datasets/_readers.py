"""The readers by name. A reader registers itself where it is written:

```python
@register(recognize=_looks_like_it, folders=("negatives",))
def my_format(path, *, image_size=(224, 224), negatives=None):
    ...
```

and `datasets/__init__.py` exports it. Everything else reads this list: detection, the command
line's choices, the recipes' choices. Nothing here imports Keras.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from keras_icnn import _arguments as check
from keras_icnn.datasets._image_files import existing_folder

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from keras_icnn.datasets._part_splits import PartSplits

# Any folder can be read by it, so it is never recognized, only left over.
_FALLBACK = "folder"

_READERS = {}
_Function = TypeVar("_Function", bound="Callable[..., PartSplits]")


class Reader(NamedTuple):
    """A reader and what must be known to call it.

    Attributes:
        name: Its name, that of the function.
        function: Function that returns `PartSplits`.
        recognize: Function of a `Path`, whether the folder is in its format; `None`: never.
        folders: Names of those arguments, besides `path`, that are folders.
        arguments: Names of all arguments but `path`.
        needs_path: Whether it reads a folder; `False` for generated data.
    """

    name: str
    function: Callable[..., PartSplits]
    recognize: Callable[[Path], bool] | None
    folders: tuple[str, ...]
    arguments: tuple[str, ...]
    needs_path: bool


def register(
    *, recognize: Callable[[Path], bool] | None = None, folders: Sequence[str] = ()
) -> Callable[[_Function], _Function]:
    """Decorator that makes a function known as the reader of its name.

    Args:
        recognize: Function of a `Path`, whether the folder is in the reader's format; `None`:
            it is used only when it is named.
        folders: Names of those arguments, besides `path`, that are folders.
    """

    def enter(function):
        names = tuple(inspect.signature(function).parameters)
        _READERS[function.__name__] = Reader(
            name=function.__name__,
            function=function,
            recognize=recognize,
            folders=tuple(folders),
            arguments=tuple(name for name in names if name != "path"),
            needs_path="path" in names,
        )
        return function

    return enter


def reader_names(needs_path: bool | None = None) -> tuple[str, ...]:
    """The names of all readers, sorted.

    Args:
        needs_path: `True`: only those that read a folder; `False`: only those that generate
            their images; `None`: all.

    Returns:
        A tuple of strings.
    """
    chosen = [r.name for r in _READERS.values() if needs_path in (None, r.needs_path)]
    return tuple(sorted(chosen))


def reader(name: str) -> Reader:
    """The `Reader` of a name: its function, its arguments, and which of them are folders.

    Args:
        name: One of `reader_names()`.

    Raises:
        ValueError: For another name.
    """
    return _READERS[check.choice(name, "name", "datasets.reader", reader_names())]


def detect(path: str | os.PathLike[str]) -> str:
    """The name of the reader for a folder, by what lies in it.

    Args:
        path: The folder.

    Returns:
        `"animal_part"`, `"cub200"`, `"pascal_part"` or, where nothing says otherwise, `"folder"`.

    Raises:
        FileNotFoundError: When it is not a folder.
    """
    found = existing_folder(path, "datasets.detect")
    for name in reader_names(needs_path=True):
        recognize = _READERS[name].recognize
        if recognize is not None and recognize(found):
            return name
    return _FALLBACK


def read(
    name: str | None, path: str | os.PathLike[str] | None = None, **arguments: Any
) -> PartSplits:
    """Reads a data set by the name of its reader.

    Args:
        name: One of `reader_names()`; `None`: what the folder's files suggest (`detect`).
        path: The folder. Readers that generate their images take none.
        **arguments: The reader's other arguments.

    Returns:
        `PartSplits`.

    Raises:
        ValueError: For another name, or an argument that the reader does not take.
        FileNotFoundError: When the folder is missing.

    Example:

    ```python
    data = icnn.datasets.read("creatures", n_train=30, n_validation=0, n_test=10)
    data = icnn.datasets.read(None, "photos", image_size=(96, 96))
    ```
    """
    if path is None and (name is None or reader(name).needs_path):
        fix = "Only readers that generate their images take none."
        check.refuse(path, "path", "datasets.read", "the folder of the data set", fix)
    chosen = reader(detect(path) if name is None else name)
    unknown = [a for a in arguments if a not in chosen.arguments]
    if unknown:
        expectation = f"arguments that '{chosen.name}' takes: {', '.join(chosen.arguments)}"
        check.refuse(unknown, "arguments", "datasets.read", expectation, "Leave the others out.")
    if chosen.needs_path:
        return chosen.function(path, **arguments)
    if path is not None:
        fix = f"'{chosen.name}' reads no files."
        check.refuse(path, "path", "datasets.read", "left out", fix)
    return chosen.function(**arguments)

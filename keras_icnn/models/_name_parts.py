"""Names that people give to the parts of a model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from keras_icnn import _arguments as check
from keras_icnn.models._map_reading import measured_layer
from keras_icnn.models._part_membership import part_key, part_membership

if TYPE_CHECKING:
    import keras

_LONGEST = 100
_SHOWN = 24


def name_parts(
    model: keras.Model, names: Mapping[str, str] | str | os.PathLike[str]
) -> dict[str, str]:
    """Gives names to parts of a model, which explanations, the report and exports use.

    The names are stored in the model (`model.part_names`) and saved with it. Names that the model
    has already stay, unless `names` has another one for the part.

    Args:
        model: `InterpretableModel` whose topmost interpretable layer has parts.
        names: dict of the part's key (`"tiger/0"`) to its name (`"head"`); an empty name takes the
            name away. Or the path of a JSON file of such an object, as the report saves it.

    Returns:
        dict, all names that the model has now.

    Raises:
        ValueError: for a model without parts, a key that it does not have, and a name that is not
            a short line of text. The model is not changed then.
        OSError: when the file cannot be read.

    Example:

    ```python
    icnn.name_parts(model, {"tiger/0": "head", "tiger/1": "hind leg"})
    model.save("tigers.keras")
    ```
    """
    known = list(part_keys(model))
    if isinstance(names, str | os.PathLike):
        names = _read(Path(names))
    if not isinstance(names, Mapping):
        fix = "A key is a category and a number, such as {'tiger/0': 'head'}."
        check.refuse(names, "names", "name_parts", "a dict, or the path of a JSON file", fix)
    checked = {_key(key, known): _name(key, name) for key, name in names.items()}
    if not hasattr(model, "part_names"):
        raise ValueError(
            "Argument `model` of name_parts must be an InterpretableModel, which keeps names. "
            f"Received: a {type(model).__name__}. Build it with "
            "`icnn.InterpretableModel(inputs, outputs)`."
        )
    merged = {**model.part_names, **checked}
    model.part_names = {key: name for key, name in merged.items() if name}
    return model.part_names


def part_keys(model, layer=None):
    """The parts that a layer has, by their keys, in the order of categories and numbers.

    Args:
        model: functional or sequential Keras model.
        layer: as in `measured_layer`; None: the topmost interpretable layer.

    Returns:
        dict of key ("tiger/0") to (number of the category, number of the part).

    Raises:
        ValueError: when it has no parts.
    """
    layer = measured_layer(model, layer)
    membership = part_membership(layer)
    if membership is None:
        raise ValueError(
            "Argument `model` must have an interpretable layer with parts, as the default rule "
            f"gives it. Received: model '{model.name}', whose layer '{layer.name}' has none. "
            "Train it with `filter_loss='default'`."
        )
    pairs = zip(membership.category.tolist(), membership.part.tolist(), strict=True)
    return {
        part_key(category_name(model, category), part): (category, part)
        for category, part in sorted({pair for pair in pairs if pair[1] >= 0})
    }


def category_name(model, category):
    """The name of a model's class, or "class 3"."""
    names = getattr(model, "class_names", None)
    return names[category] if names and category < len(names) else f"class {category}"


def given_names(model, layer):
    """The names that parts of a layer were given.

    Args:
        model: any Keras model.
        layer: one of its layers.

    Returns:
        dict of (number of the category, number of the part) to the name. Empty for a layer that
        names do not speak of: any but the topmost interpretable one.
    """
    names = getattr(model, "part_names", None)
    if not names or measured_layer(model) is not layer or part_membership(layer) is None:
        return {}
    found = {}
    for key, place in part_keys(model, layer).items():
        # Names may be older than the names of the classes.
        plain = part_key(f"class {place[0]}", place[1])
        name = names.get(key) or names.get(plain)
        if name:
            found[place] = name
    return found


def _read(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f'\'{path}\' must be a JSON file of names, such as {{"tiger/0": "head"}}. Received: '
            f"{error}. The report's button 'Save names' writes one."
        ) from error
    if not isinstance(found, dict):
        raise ValueError(
            f'\'{path}\' must hold one JSON object of names, such as {{"tiger/0": "head"}}. '
            f"Received: a {type(found).__name__}."
        )
    return found


def _key(key, known):
    if key not in known:
        shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
        fix = f"The model's parts are {shown}."
        check.refuse(key, "names", "name_parts", "keys of parts that the model has", fix)
    return key


def _name(key, name):
    text = name.strip() if isinstance(name, str) else None
    if text is None or len(text) > _LONGEST or not (text.isprintable() or not text):
        fix = f"Write a name for {key} such as 'head'."
        expectation = f"names, one line of at most {_LONGEST} characters each"
        check.refuse(name, "names", "name_parts", expectation, fix)
    return text

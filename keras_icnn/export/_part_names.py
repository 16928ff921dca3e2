"""The names of parts beside an artifact, whose numbers alone say little.

Formats hold numbers, not text: `explain` answers with the number of each filter's category and
part. What these are called is a JSON file: in a SavedModel's `assets.extra` (the folder that
TensorFlow leaves to others), else beside the file, with the ending `.parts.json`.
"""

import json
from pathlib import Path

from keras_icnn.models._name_parts import category_name, given_names
from keras_icnn.models._part_membership import part_key, part_membership

_FOLDER, _FILE, _ENDING = "assets.extra", "parts.json", ".parts.json"


def names_path(path):
    """Where the names of an artifact are kept.

    Args:
        path: the artifact, a folder or file.
    """
    path = Path(path)
    if path.suffix in (".onnx", ".tflite", ".xml"):
        return path.with_suffix(_ENDING)
    return path / _FOLDER / _FILE


def write_names(model, layer, path):
    """Writes what the parts of a layer's filters are called; nothing for a layer without parts.

    Args:
        model: the network.
        layer: the layer that `explain` speaks of.
        path: the artifact.
    """
    membership = part_membership(layer)
    if membership is None:
        return
    given = given_names(model, layer)
    keys, names = [], []
    for category, part in zip(membership.category.tolist(), membership.part.tolist(), strict=True):
        key = part_key(category_name(model, category), part) if part >= 0 else ""
        keys.append(key)
        names.append(given.get((category, part), key))
    place = names_path(path)
    place.parent.mkdir(exist_ok=True)
    content = {"classes": getattr(model, "class_names", None), "keys": keys, "names": names}
    place.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_names(path):
    """The names of an artifact's parts.

    Returns:
        (keys, names): lists of str `[filters]`, such as "tiger/0" and "head"; two times None where
        the artifact has none.
    """
    place = names_path(path)
    if not place.is_file():
        return None, None
    content = json.loads(place.read_text(encoding="utf-8"))
    return content["keys"], content["names"]

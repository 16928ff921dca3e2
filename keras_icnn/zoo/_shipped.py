"""Trained networks that come with the package, in half precision."""

import hashlib
import json
from pathlib import Path

# Bytes of an array from which compression saves more than it costs.
_LARGE = 4096
_FOLDER = Path(__file__).parent / "pretrained"


def names(network):
    """The names of the trained weights that are there for a network: `["animals"]`."""
    return sorted(path.stem.removeprefix(f"{network}_") for path in _manifests(network))


def manifest(network, name):
    """What is known of shipped weights, a dict.

    Args:
        network: Name of the network.
        name: Of the weights, one of `names(network)`.

    Returns:
        `file`, `sha256`, `arguments` (of the builder), `class_names`, `part_names`, and where they
        come from: `recipe`, `seed`, `figures`, `licence`.
    """
    path = _FOLDER / f"{network}_{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def load(model, network, name):
    """Gives a network its shipped weights, and the names of its parts.

    Args:
        model: The network, built with the manifest's `arguments`.
        network, name: As in `manifest`.

    Raises:
        ValueError: For a file that is not the one that was shipped.
    """
    known = manifest(network, name)
    path = _FOLDER / known["file"]
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != known["sha256"]:
        raise ValueError(
            f"The file '{path}' is not the one that belongs to this version of keras_icnn: its "
            f"sha256 is {digest}, not {known['sha256']}. Install the package again."
        )
    model.load_weights(path)
    model.part_names = known["part_names"]


def in_half_precision(source, target):
    """Writes a Keras weights file (`.weights.h5`) with its numbers in half precision, compressed.

    Args:
        source, target: Paths.
    """
    import h5py

    # The newest layout of the format spends far less on each of some hundred small arrays.
    with h5py.File(source, "r") as old, h5py.File(target, "w", libver="latest") as new:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                dtype = "float16" if item.dtype == "float32" else item.dtype
                large = item.nbytes > _LARGE
                packed = {"compression": "gzip", "shuffle": True} if large else {}
                made = new.create_dataset(name, data=item[()].astype(dtype), **packed)
            else:
                made = new.require_group(name)
            for key, value in item.attrs.items():
                made.attrs[key] = value

        old.visititems(copy)


def _manifests(network):
    return [
        path
        for path in _FOLDER.glob("*.json")
        if json.loads(path.read_text(encoding="utf-8"))["network"] == network
    ]


def checked_arguments(network, weights, arguments):
    """The arguments of a builder, those that its shipped weights fix filled in.

    Args:
        network: Name of the network.
        weights: Name of the shipped weights.
        arguments: Dict of the builder's arguments.

    Raises:
        ValueError: For an argument that the weights do not fit.
    """
    known = manifest(network, weights)
    names = known["class_names"]
    fixed = {**known["arguments"], "classes": len(names), "class_names": names}
    for name, value in fixed.items():
        given = arguments.get(name)
        if given not in (None, value) and list(_sequence(given)) != list(_sequence(value)):
            raise ValueError(
                f"weights={weights!r} are those of a trained network with {name}={value!r}. "
                f"Received: {name}={given!r}. Leave `{name}` out, or start from other weights."
            )
    return {**arguments, **fixed}


def _sequence(value):
    return value if isinstance(value, (list, tuple)) else [value]


def is_shipped(network, weights):
    """Whether `weights`, as a builder takes them, is the name of shipped weights."""
    return isinstance(weights, str) and weights in names(network)

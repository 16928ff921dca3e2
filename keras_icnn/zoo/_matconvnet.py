"""Reader of MatConvNet's model files, MATLAB v5 and v7.3.

A model is a list of layers. Convolutions hold filters `(height, width, channels in a group, units)`
and biases; fully-connected layers are convolutions over the whole map. Filters of the first layer
and the mean image take channels in RGB order. Nothing in a file is executed.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from keras_icnn._files.limits import Budget, check_file
from keras_icnn.zoo._weights import unreadable


@dataclass
class Layer:
    """One layer of a file: its type, its name, its numbers and its arrays."""

    type: str
    name: str
    numbers: dict[str, Any] = field(default_factory=dict)
    arrays: list[np.ndarray] = field(default_factory=list)


@dataclass
class MatConvNet:
    """A MatConvNet model.

    Args:
        layers: List of `Layer`, in order.
        mean: The mean image or pixel, RGB, `(height, width, 3)` or `(1, 1, 3)`; `None` when the
            file has none.
    """

    layers: list[Layer]
    mean: np.ndarray | None

    @property
    def weighted(self) -> list[Layer]:
        """The convolutions (fully-connected layers are convolutions, too)."""
        return [layer for layer in self.layers if layer.type == "conv"]


def read_matconvnet(path: str | os.PathLike[str]) -> MatConvNet:
    """Reads a MatConvNet `.mat` model file.

    Args:
        path: Path of the file.

    Returns:
        `MatConvNet`, with arrays in MATLAB's axis order (height, width, channels, units).

    Raises:
        ImportError: When the file is MATLAB v5 and SciPy is not installed.
        ValueError: When the file is truncated or not a MatConvNet model.

    Example:

    ```python
    stored = icnn.zoo.read_matconvnet("weights/imagenet-vgg-m.mat")
    ```
    """
    try:
        check_file(path)
        content = _read_hdf5(path) if h5py.is_hdf5(path) else _read_v5(path)
        return _model(content)
    except ImportError:
        raise
    except Exception as error:  # A broken file fails in as many ways as it can be broken.
        raise unreadable(path, error) from error


def _read_v5(path):
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError(
            "Reading MATLAB v5 files needs SciPy: pip install 'keras-icnn[matconvnet]'"
        ) from error
    content = loadmat(path, struct_as_record=True, squeeze_me=False)
    return {key: _from_v5(value) for key, value in content.items() if not key.startswith("__")}


def _from_v5(value):
    """Nested dictionaries, lists and arrays from SciPy's records and object arrays."""
    if isinstance(value, np.void) and value.dtype.names:
        return {name: _from_v5(value[name]) for name in value.dtype.names}
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        found = [_from_v5(item) for item in value.ravel(order="F")]
        return found[0] if len(found) == 1 else found
    if value.dtype == object:
        return [_from_v5(item) for item in value.ravel(order="F")]
    if value.dtype.kind == "U":
        return str(value.ravel()[0]) if value.size else ""
    return value


def _read_hdf5(path):
    with h5py.File(path, "r") as file:
        # References may lead to one array many times, and round in circles.
        budget = Budget(os.path.getsize(path))
        return {key: _from_hdf5(file, file[key], budget) for key in file if key[:1] != "#"}


def _from_hdf5(file, item, budget):
    """The same from MATLAB v7.3, whose arrays are stored transposed."""
    with budget.entered():
        return _converted(file, item, budget)


def _converted(file, item, budget):
    if isinstance(item, h5py.Group):
        return {key: _from_hdf5(file, item[key], budget) for key in item}
    budget.spend(item)
    kind = item.attrs.get("MATLAB_class", b"")
    if item.attrs.get("MATLAB_empty", 0):
        return "" if kind == b"char" else []
    if item.dtype == h5py.ref_dtype:
        return [_from_hdf5(file, file[ref], budget) for ref in np.asarray(item).ravel()]
    if kind == b"char" and item.size > 1 << 20:
        raise ValueError(f"a text has {item.size:,} characters")
    array = np.asarray(item).T
    if kind == b"char":
        return "".join(chr(code) for code in array.ravel(order="F"))
    return array


def _model(content):
    content = content.get("net", content)
    if not isinstance(content, dict) or "layers" not in content:
        raise ValueError("the file has no `layers`, so it is not a MatConvNet SimpleNN model")
    layers = [_layer(entry) for entry in _as_list(content["layers"])]
    if not any(layer.type == "conv" for layer in layers):
        raise ValueError("no layer of the file is a convolution")
    normalization = (content.get("meta") or content).get("normalization") or {}
    mean = np.asarray(normalization.get("averageImage", ()), "float32")
    if mean.size == 3:
        mean = mean.reshape(1, 1, 3)
    return MatConvNet(layers, mean if mean.ndim == 3 and mean.shape[-1] == 3 else None)


def _as_list(value):
    return value if isinstance(value, list) else [value]


def _layer(entry):
    if isinstance(entry, list):
        (entry,) = entry
    arrays = []
    if _filled(entry.get("weights")):
        arrays = _as_list(entry["weights"])
    elif _filled(entry.get("filters")):  # Before MatConvNet 1.0-beta8.
        arrays = [entry["filters"], entry["biases"]]
    numbers = {
        key: np.asarray(entry[key], "float64").ravel()
        for key in ("stride", "pad", "param", "pool")
        if _filled(entry.get(key))
    }
    arrays = [np.asarray(array, "float32") for array in arrays]
    return Layer(entry["type"], entry.get("name", ""), numbers, arrays)


def _filled(value):
    return value is not None and np.size(value) > 0 if not isinstance(value, list) else bool(value)


def layer_arrays(model, rows, flip_first=False):
    """A model's arrays as Keras's, for layers given in order.

    Args:
        model: `MatConvNet`.
        rows: List of `(name, kernel shape)` in the network's order: `(height, width, channels,
            units)` for a convolution, `(inputs, units)` for a dense layer.
        flip_first: Boolean, whether the network takes BGR, so that the first kernel's channels are
            turned round.

    Returns:
        Dictionary: layer name to `[kernel, bias]`.

    Raises:
        ValueError: When the file has another number of layers, or a shape differs; the error names
            the layer here and in the file.
    """
    layers = model.weighted
    if len(layers) < len(rows):
        raise ValueError(
            f"`weights`: the file has {len(layers)} layers with weights, this network {len(rows)} "
            f"(the file has no {rows[len(layers)][0]!r}). Pass the file of this network. Received: "
            f"{[layer.name for layer in layers]}"
        )
    found = {}
    for (name, shape), layer in zip(rows, layers, strict=False):
        kernel, bias = layer.arrays[0], layer.arrays[1].ravel()
        # MATLAB drops trailing axes of one; a dense kernel's axes run as Keras flattens maps.
        full = kernel.shape + (1,) * (4 - kernel.ndim)
        ours = (int(np.prod(full[:3])), full[3]) if len(shape) == 2 else full
        if ours != tuple(shape) or bias.shape != (shape[-1],):
            raise ValueError(
                f"`weights`: layer {layer.name!r} of the file does not fit layer {name!r}. Pass "
                "the file of this network; where only the classifier or the input size differs, "
                f"pass `new_head=True`. Expected: kernel {tuple(shape)}, bias ({shape[-1]},). "
                f"Received: kernel {kernel.shape}, bias {bias.shape}"
            )
        kernel = kernel.reshape(shape)
        if flip_first and not found:
            kernel = kernel[:, :, ::-1]
        found[name] = [np.ascontiguousarray(kernel), bias]
    return found


def check_geometry(model, rows):
    """Checks strides, padding and normalization of the file against a network's table.

    Args:
        model: `MatConvNet`.
        rows: List of `(name in the table, type, {key: numbers})` for convolutions, `"lrn"` and
            `"pool"`, in order; numbers in the file's own form, expanded.

    Raises:
        ValueError: When the file says something else than the table.
    """
    kinds = {"conv": "conv", "normalize": "lrn", "lrn": "lrn", "pool": "pool"}
    layers = [layer for layer in model.layers if layer.type in kinds]
    for (name, kind, expected), layer in zip(rows, layers, strict=False):
        found = {key: _expand(key, layer.numbers.get(key)) for key in expected}
        same = kinds[layer.type] == kind and all(
            found[key] is None or np.allclose(found[key], value, rtol=1e-4)
            for key, value in expected.items()
        )
        if not same:
            raise ValueError(
                f"`weights`: layer {layer.name!r} of the file is not layer {name!r} of this "
                f"network. Pass the file of this network. Expected: {kind} {expected}. Received: "
                f"{layer.type} { {key: found[key] for key in found} }"
            )


def _expand(key, numbers):
    """MatConvNet's short forms in full: stride `[y, x]`, padding `[top, bottom, left, right]`."""
    if numbers is None or len(numbers) == 0:
        return None
    length = {"pad": 4, "param": 4}.get(key, 2)
    if len(numbers) == 1:
        return [float(numbers[0])] * length
    return [float(n) for n in numbers]

"""Weights from files: read by layer name, checked, then assigned.

Reading comes before assigning: a file that does not fit leaves the model as it was. No format that
could run code when read (pickle) is ever loaded.
"""

import os
import warnings

import keras
import numpy as np

from keras_icnn._files.limits import check_file


def load_npz(path):
    """Reads an archive with keys `layer/variable`, such as `conv1/kernel` and `conv1/bias`.

    Args:
        path: Path of the `.npz`.

    Returns:
        Dictionary: layer name to its list of arrays, kernel first.

    Raises:
        ValueError: When the file is truncated, holds Python objects, or its keys have another form.
    """
    order = ("kernel", "gamma", "bias", "beta", "moving_mean", "moving_variance")
    found = {}
    try:
        check_file(path)
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            for key in archive.files:
                layer, slash, variable = key.rpartition("/")
                if not slash or variable not in order:
                    raise ValueError(
                        f"the keys of a weights archive are 'layer/variable', variable one of "
                        f"{order}, but one is {key!r}"
                    )
                found.setdefault(layer, {})[variable] = archive[key]
    except Exception as error:  # A broken file fails in as many ways as it can be broken.
        raise unreadable(path, error) from error
    return {
        layer: [arrays[name] for name in order if name in arrays] for layer, arrays in found.items()
    }


def weighted(model):
    """A model's layers that hold weights, in order; those of nested models among them."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += weighted(layer)
        elif layer.weights:
            found.append(layer)
    return found


def read_model(model):
    """The arrays of a Keras model by layer name, in `load_npz`'s form."""
    return {layer.name: layer.get_weights() for layer in weighted(model)}


def load_keras(path, references):
    """Reads a Keras weights file (`.h5`, `.weights.h5`) or a saved model (`.keras`).

    Keras's weights files do not name layers, so they are loaded into a network they were made for.

    Args:
        path: Path of the file.
        references: Functions without arguments, each of which builds a network the file may be of,
            tried in turn.

    Returns:
        The model that the file's weights are in.

    Raises:
        ValueError: When the file fits none of the networks.
    """
    if path.endswith(".keras"):
        try:
            check_file(path)
            # `safe_mode` is on: no code is taken from a file.
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            raise unreadable(path, error) from error
    if not path.endswith(".h5"):
        raise ValueError(
            "`weights` must end with .npz, .h5, .weights.h5, .keras or, for the networks that "
            f"MatConvNet published, .mat. Received: weights={path!r}"
        )
    try:
        check_file(path)
    except Exception as error:
        raise unreadable(path, error) from error
    reasons = []
    for reference in references:
        model = reference()
        try:
            _load_all(model, path)
        except Exception as error:
            reasons.append(f"{model.name}: {(str(error) or type(error).__name__).splitlines()[0]}")
        else:
            return model
    raise ValueError(
        f"`weights` holds no weights of this network, without head or with it: {path!r} is "
        "truncated or of another network. Fetch it anew, or pass the file of this network. Tried: "
        + "; ".join(reasons)
    )


def _load_all(model, path):
    """`load_weights` that leaves no weight as it was.

    Keras may only warn of layers that a file lacks, and warns of layers that it did load, too
    (keras#23021). So every weight is made unreadable first.
    """
    floats = [v for v in model.weights if keras.backend.is_float_dtype(v.dtype)]
    for variable in floats:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Skipping nested", category=UserWarning)
        model.load_weights(path)
    left = [v.path for v in floats if np.isnan(keras.ops.convert_to_numpy(v)).any()]
    if left:
        raise ValueError(f"no values, or NaN, for {len(left)} of its weights, such as {left[0]!r}")


def transfer(source, model, count=None):
    """Copies weights between two models of one architecture, layer by layer in order.

    Layers that Keras names by itself have other names in each model, so names cannot be used.

    Args:
        source: Model the weights come from; may have more layers at its end.
        model: Model they go to.
        count: How many layers with weights are copied; `None` for all.

    Raises:
        ValueError: When a shape differs; the model is then unchanged.
    """
    targets = weighted(model)[:count]
    sources = weighted(source)
    plan = []
    for index, layer in enumerate(targets):
        arrays = sources[index].get_weights() if index < len(sources) else []
        shapes = [tuple(variable.shape) for variable in layer.weights]
        if [array.shape for array in arrays] != shapes:
            raise ValueError(
                f"`weights` do not fit layer {layer.name!r} (number {index + 1} of those with "
                "weights). Pass the file of this network, and `new_head=True` if only its "
                f"classifier differs. Expected: shapes {shapes}. Received: "
                f"{[array.shape for array in arrays]}"
            )
        plan += zip(layer.weights, arrays, strict=True)
    for variable, array in plan:
        variable.assign(array)


def unreadable(path, error):
    """The error for a file that cannot be read."""
    return ValueError(
        f"`weights` cannot be read: {os.fspath(path)!r} is truncated or not of the format its name "
        f"says. Fetch the file anew. Received: {type(error).__name__}: {error}"
    )


def assign(model, arrays, backbone, head=(), source="the file"):
    """Gives a model's layers their arrays.

    Args:
        model: The model. Of a layer with more variables than the file has arrays (an interpretable
            layer's statistics), the first take them.
        arrays: Dictionary: layer name to list of arrays.
        backbone: Names of the layers that the file must have.
        head: Names of the layers that are taken when the file has them.
        source: Name of the file for errors.

    Raises:
        ValueError: When a layer is missing or a shape differs; the model is then unchanged.
    """
    missing = [name for name in backbone if name not in arrays]
    if missing:
        raise ValueError(
            f"`weights`: {source} has no layer {missing[0]!r}"
            + (f" (nor {len(missing) - 1} others)" if len(missing) > 1 else "")
            + f"; it is of another network than {model.name!r}. It has: {sorted(arrays)[:8]}..."
        )
    chosen = list(backbone) + [name for name in head if name in arrays]
    plan = []
    for name in chosen:
        variables = model.get_layer(name).weights
        for index, array in enumerate(arrays[name]):
            if index >= len(variables) or tuple(variables[index].shape) != tuple(array.shape):
                expected = tuple(variables[index].shape) if index < len(variables) else "nothing"
                advice = (
                    "Pass `new_head=True` for a fresh head, or the `classes` (and for fully-"
                    "connected layers the `input_shape`) of the file."
                    if name in head
                    else "Pass the file of this network."
                )
                raise ValueError(
                    f"`weights`: array {index} of layer {name!r} in {source} does not fit. "
                    f"{advice} Expected: {expected}. Received: shape {tuple(array.shape)}"
                )
            plan.append((variables[index], array))
    for variable, array in plan:
        variable.assign(array)

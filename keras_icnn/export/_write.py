"""Writing a network in an exchange format."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_icnn.export._artifact import ENDPOINTS, FORMATS, check_format, require
from keras_icnn.export._endpoints import Explain, Serve
from keras_icnn.export._part_names import names_path, write_names
from keras_icnn.export._verify import ExportError, half_precision, quickly_verified

if TYPE_CHECKING:
    import os

_INPUT = "images"
# What writing takes besides TensorFlow.
_WRITERS = {"onnx": "tf2onnx", "openvino": "openvino"}


def export_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    format: str = "tf_saved_model",
    verbose: bool | None = None,
    input_signature: Sequence[Any] | None = None,
    *,
    endpoint: str | None = None,
    layer: keras.layers.Layer | str | None = None,
    preprocessing: str | keras.layers.Layer | Callable[..., Any] | None = None,
    top_filters: int = 8,
    from_logits: bool | None = None,
    check: Callable[[Path], Any] | None = None,
    **kwargs: Any,
) -> None:
    """Writes a network for use without Keras and without this package.

    Nothing is left at `path` when writing fails, and what was there before stays. Where filters
    have parts, what these are called is written besides: `keras_icnn.export._part_names`.

    Args:
        model: a functional Keras model with one image input, interpretable or ordinary.
        path: a folder for `"tf_saved_model"`; a file ending in `.onnx`, `.tflite` or `.xml` (with
            a `.bin` beside it) for the others. An artifact that is there is replaced.
        format: `"tf_saved_model"`, `"onnx"`, `"litert"` or `"openvino"`, as in
            `keras.Model.export`.
        verbose: whether a line says what was written; Keras's default, yes.
        input_signature: as in `keras.Model.export`; None: the model's input, of any batch size.
            `[keras.InputSpec(shape=(None, 224, 224, 3), dtype="uint8")]` takes bytes.
        endpoint: `"serve"`, `"explain"` or None: both in a SavedModel, `serve` in the others,
            which hold one. What they answer: `keras_icnn.export._endpoints.Explain`.
        layer: whose filters `explain` speaks of; None: the topmost interpretable layer.
        preprocessing: applied to the pixels first: the name of a network of the zoo, or a Keras
            layer or function of a batch. None: the model as it is (networks built with
            `include_preprocessing=True` have it inside).
        top_filters: how many filters `explain` names.
        from_logits: for `explain`, whether the model's output is a logit; None: what the network
            tells.
        check: a function called with the path of what was written before that is put in its place,
            for example to compare it more closely by `verify`; when it raises, nothing is put
            there. None: it is loaded with the format's runtime and compared on a few images (one
            that is quantized must only give finite values).
        **kwargs: of the format, as in `keras.Model.export` (`opset_version`, `optimizations`, ...).

    Raises:
        ExportError: when the format's runtime cannot load what was written, or finds other values.
        ValueError: for arguments that do not fit, a model that `explain` cannot be computed
            for, or another backend than TensorFlow.
        ImportError: where the format needs a package, naming the extra.
    """
    check_format(format)
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Networks are exported on the TensorFlow backend: save this one (`model.save`), load "
            "it in a process with KERAS_BACKEND=tensorflow; its weights are the same there. "
            f"Received: backend {keras.backend.backend()!r}"
        )
    path = Path(path)
    _check_target(path, format)
    if endpoint not in (None, *ENDPOINTS):
        raise ValueError(
            f"`endpoint` must be None or one of {list(ENDPOINTS)}. Received: endpoint={endpoint!r}"
        )
    if len(model.inputs) != 1:
        raise ValueError(
            "`model` must have one input, the images. Received: inputs "
            f"{[tensor.name for tensor in model.inputs]}"
        )
    if format in _WRITERS:
        with _quiet():
            require(_WRITERS[format], format)
    signature = _named(input_signature or [_spec(model.inputs[0])])
    chosen = (endpoint,) if endpoint else ENDPOINTS if format == "tf_saved_model" else ("serve",)
    parts = {"serve": Serve(model, preprocessing)} if "serve" in chosen else {}
    if "explain" in chosen:
        parts["explain"] = Explain(model, layer, preprocessing, top_filters, from_logits)

    path.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that it can be renamed.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        written = Path(folder) / path.name
        try:
            if format == "tf_saved_model":
                _write_saved_model(written, parts, signature, kwargs)
            else:
                (part,) = parts.values()
                _write_file(part, written, format, signature, dict(kwargs))
        except Exception as error:
            if half_precision(model):
                raise ExportError(f"{error}\n{half_precision(model)}") from error
            raise
        if "explain" in parts:
            write_names(model, parts["explain"].layer, written)
        if check is None:
            made = {"layer": layer, "preprocessing": preprocessing, "from_logits": from_logits}
            _check_written(model, written, format, made, kwargs)
        else:
            check(written)
        _replace(written, path, Path(folder))
    if verbose is None or verbose:
        print(f"Saved '{path}' ({format}), end points: {', '.join(parts)}.")


def _check_written(model, written, format, made, kwargs):
    """Loads and compares what was written, where the format's runtime is there."""
    # Options such as `optimizations` trade values for size.
    exact = not {"optimizations", "representative_dataset"} & set(kwargs)
    try:
        quickly_verified(model, written, format, exact, **made)
    except ImportError as error:
        warnings.warn(
            f"'{written.name}' was not compared with the network, as its runtime is missing. "
            f"{error}",
            stacklevel=3,
        )


def _spec(tensor):
    return keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype)


def _named(signature):
    """The signature with one name of the input in all formats."""
    flat = keras.tree.flatten(signature)
    if len(flat) != 1 or len(flat[0].shape) != 4:
        raise ValueError(
            "`input_signature` must hold one spec of images, such as "
            "[keras.InputSpec(shape=(None, 224, 224, 3), dtype='uint8')]. "
            f"Received: {signature}"
        )
    shape = tuple(flat[0].shape)
    return [
        keras.InputSpec(
            shape=shape, dtype=keras.backend.standardize_dtype(flat[0].dtype), name=_INPUT
        )
    ]


def _check_target(path, format):
    ending = FORMATS[format]
    if ending and path.suffix != ending:
        raise ValueError(
            f"The format '{format}' needs a path ending in '{ending}'. Received: '{path}'"
        )
    if ending and path.is_dir():
        raise ValueError(f"'{path}' is a folder; the format '{format}' is a file.")
    if not ending and path.exists():
        is_artifact = (path / "saved_model.pb").is_file()
        if not is_artifact and (path.is_file() or any(path.iterdir())):
            raise ValueError(
                f"'{path}' exists and is not a SavedModel; it would be replaced. Pass a new or "
                "empty folder."
            )


def _write_saved_model(path, parts, signature, kwargs):
    archive = keras.export.ExportArchive()
    # All parts hold the same variables.
    archive.track(next(iter(parts.values())).model)
    if "serve" in parts:
        serve = parts["serve"]
        archive.add_endpoint(
            # One tensor, as Keras's own `serve` gives it.
            "serve",
            lambda images: serve(images, training=False)["predictions"],
            input_signature=signature,
            **kwargs,
        )
    if "explain" in parts:
        explain = parts["explain"]
        archive.add_endpoint(
            "explain",
            lambda images: explain(images, training=False),
            input_signature=signature,
            **kwargs,
        )
    archive.write_out(str(path), verbose=False)


def _write_file(part, path, format, signature, kwargs):
    if format == "litert":
        import tensorflow as tf

        # Not the other half of TensorFlow, which the small runtime lacks.
        kwargs.setdefault("target_spec", {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]})
    with _quiet():
        keras.Model.export(
            part, str(path), format=format, verbose=False, input_signature=signature, **kwargs
        )


@contextlib.contextmanager
def _quiet():
    """Without a warning of tf2onnx, which asks NumPy for a name it no longer has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        yield


def _replace(written, path, folder):
    """Puts what was written in its place; what was there goes only then."""
    weights = written.with_suffix(".bin")
    if written.suffix == ".xml" and weights.exists():
        weights.replace(path.with_suffix(".bin"))
    if not path.is_dir():
        written.replace(path)
        if path.is_file():
            names = names_path(folder / path.name)
            names_path(path).unlink(missing_ok=True)
            if names.exists():
                names.replace(names_path(path))
        return
    # A folder cannot be replaced in one step.
    path.replace(folder / "old")
    try:
        written.replace(path)
    except OSError:
        (folder / "old").replace(path)
        raise

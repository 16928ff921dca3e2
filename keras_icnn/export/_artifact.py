"""Running an artifact with the runtime of its format, as one who does not know Keras would."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.export._part_names import read_names

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike

# Keras's names of the formats, each with the ending of its files.
FORMATS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite", "openvino": ".xml"}
ENDPOINTS = ("serve", "explain")


def check_format(format):
    """Checks that a format is one of `FORMATS`.

    Raises:
        ValueError: Otherwise.
    """
    if format not in FORMATS:
        raise ValueError(f"`format` must be one of {sorted(FORMATS)}. Received: format={format!r}")


def format_of(path: str | os.PathLike[str]) -> str:
    """The format of an artifact, by its ending, or by what a folder holds.

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if it is none of `FORMATS`.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    if (path / "saved_model.pb").is_file():
        return "tf_saved_model"
    for name, ending in FORMATS.items():
        if ending and path.suffix == ending:
            return name
    raise ValueError(
        "`path` must be a folder with a `saved_model.pb`, or a file ending in .onnx, .tflite or "
        f".xml. Received: '{path}'"
    )


def require(module, format):
    """Imports what a format needs.

    Raises:
        ImportError: naming the extra, where it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"The format '{format}' needs `{module.split('.')[0]}`: "
            'pip install "keras-icnn[export]"'
        ) from error


class Artifact:
    """An exported network, loaded.

    Args:
        path: folder or file.
        format: one of `FORMATS`; None: by the path.

    Attributes:
        format: its format.
        endpoints: names of the end points in it, of `("serve", "explain")`.
        input_shape: as the artifact states it, with None where it is open.
        input_dtype: NumPy's name of it.
        part_keys, part_names: lists of str `[filters]`, key ("tiger/0") and name of the part that
            each filter belongs to ("" none; the key where it has no name). None: not known.

    Raises:
        FileNotFoundError, ImportError, ValueError: where it cannot be loaded.
    """

    def __init__(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        self.path = Path(path)
        found = format_of(path)
        if format is not None:
            check_format(format)
        if format not in (None, found):
            raise ValueError(f"'{path}' is an artifact of the format '{found}', not '{format}'.")
        self.format = found
        try:
            run = _LOADERS[self.format](self)
        except ImportError:
            raise
        except Exception as error:
            raise ValueError(
                f"'{path}' cannot be loaded as '{self.format}': {error}. Export the network anew."
            ) from error
        self._run = run
        self.part_keys, self.part_names = read_names(path)

    def __call__(self, images: ArrayLike, endpoint: str | None = None) -> dict[str, np.ndarray]:
        """A dict of arrays by output name.

        Args:
            images: `[batch, height, width, channels]`, cast to the artifact's input dtype.
            endpoint: one of `endpoints`; None: the last of them, which tells the most.

        Raises:
            ValueError: for an end point that it lacks.
        """
        endpoint = endpoint or self.endpoints[-1]
        if endpoint not in self.endpoints:
            raise ValueError(
                f"`endpoint` must be one of {list(self.endpoints)}, which '{self.path}' has. "
                f"Received: {endpoint!r}"
            )
        given = self._run(np.ascontiguousarray(images, dtype=self.input_dtype), endpoint)
        return {name: np.asarray(value) for name, value in given.items()}

    def _describe(self, shape, dtype, outputs):
        """Fills in the attributes of an artifact with a single end point."""
        self.input_shape = tuple(n if isinstance(n, int) and n > 0 else None for n in shape)
        self.input_dtype = np.dtype(dtype).name
        self.endpoints = ("explain",) if "peaks" in outputs else ("serve",)


def _load_saved_model(artifact):
    tf = require("tensorflow", "tf_saved_model")
    module = tf.saved_model.load(str(artifact.path))
    signatures = module.signatures
    names = [name for name in ENDPOINTS if name in signatures]
    if not names:
        raise ValueError(f"it has no end point `serve`, only {sorted(signatures)}")
    # In the order of their names: where there are several, `serve` takes them by name.
    spec = next(iter(signatures[names[0]].structured_input_signature[1].values()))
    artifact._describe(spec.shape.as_list(), spec.dtype.as_numpy_dtype, ())
    artifact.endpoints = tuple(names)

    # Its variables live as long as the module.
    artifact._module = module

    def run(images, endpoint):
        signature = signatures[endpoint]
        (name,) = signature.structured_input_signature[1]
        given = signature(**{name: tf.constant(images)})
        return {_plain_name(key): value.numpy() for key, value in given.items()}

    return run


def _plain_name(key):
    # Keras's convention for an end point that returns one tensor, which `serve` keeps.
    return "predictions" if key == "output_0" else key


def _load_onnx(artifact):
    runtime = require("onnxruntime", "onnx")
    session = runtime.InferenceSession(str(artifact.path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    dtype = given.type.removeprefix("tensor(").removesuffix(")")
    artifact._describe(given.shape, {"float": "float32"}.get(dtype, dtype), outputs)

    def run(images, endpoint):
        return dict(zip(outputs, session.run(None, {given.name: images}), strict=True))

    return run


def _load_litert(artifact):
    litert = require("ai_edge_litert.interpreter", "litert")
    interpreter = litert.Interpreter(str(artifact.path))
    ((key, names),) = interpreter.get_signature_list().items()
    (name,) = names["inputs"]
    detail = interpreter.get_input_details()[0]
    artifact._describe(detail["shape_signature"].tolist(), detail["dtype"], names["outputs"])
    runner = interpreter.get_signature_runner(key)

    def run(images, endpoint):
        # The interpreter owns what it returns, and reuses it.
        return {key: value.copy() for key, value in runner(**{name: images}).items()}

    return run


def _load_openvino(artifact):
    openvino = require("openvino", "openvino")
    # By default it computes in bfloat16 where the processor can, and finds other peaks.
    compiled = openvino.Core().compile_model(
        str(artifact.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    (given,) = compiled.inputs
    # Besides the name that it was given, an output may carry that of an operation.
    outputs = [min(output.get_names(), key=len) for output in compiled.outputs]
    shape = [n.get_length() if n.is_static else None for n in given.partial_shape]
    artifact._describe(shape, given.element_type.to_dtype(), outputs)

    def run(images, endpoint):
        found = compiled(images)
        return {name: found[index].copy() for index, name in enumerate(outputs)}

    return run


_LOADERS = {
    "tf_saved_model": _load_saved_model,
    "onnx": _load_onnx,
    "litert": _load_litert,
    "openvino": _load_openvino,
}

"""Serves an exported ONNX network with MLServer. Needs neither Keras nor TensorFlow."""

import asyncio

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor
from mlserver.utils import get_model_uri

_DATATYPES = {
    "tensor(float)": ("FP32", "float32"),
    "tensor(uint8)": ("UINT8", "uint8"),
    "tensor(int32)": ("INT32", "int32"),
    "tensor(int64)": ("INT64", "int64"),
}


def _metadata(node):
    shape = [n if isinstance(n, int) else -1 for n in node.shape]
    return MetadataTensor(name=node.name, datatype=_DATATYPES[node.type][0], shape=shape)


class OnnxRuntime(MLModel):
    """One network; any batch size; all outputs, or those that the request names."""

    async def load(self):
        uri = await get_model_uri(self._settings)
        self._session = onnxruntime.InferenceSession(uri, providers=["CPUExecutionProvider"])
        (self._input,) = self._session.get_inputs()
        self._outputs = [node.name for node in self._session.get_outputs()]
        self.inputs = [_metadata(self._input)]
        self.outputs = [_metadata(node) for node in self._session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        images = self._images(payload)
        names = [output.name for output in payload.outputs or []] or self._outputs
        unknown = sorted(set(names) - set(self._outputs))
        if unknown:
            raise InferenceError(f"no outputs {unknown}; there are {self._outputs}")
        # In a thread: the server goes on answering meanwhile.
        found = await asyncio.to_thread(self._session.run, names, {self._input.name: images})
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            id=payload.id,
            outputs=[
                NumpyCodec.encode_output(name, np.asarray(value))
                for name, value in zip(names, found, strict=True)
            ],
        )

    def _images(self, payload):
        if len(payload.inputs) != 1 or payload.inputs[0].name != self._input.name:
            raise InferenceError(f"expected one input, '{self._input.name}'")
        expected = self.inputs[0]
        given = payload.inputs[0]
        wrong = len(given.shape) != len(expected.shape) or any(
            n not in (m, -1) for m, n in zip(given.shape, expected.shape, strict=True)
        )
        if wrong or given.shape[0] < 1:
            raise InferenceError(f"expected images of shape {expected.shape}, got {given.shape}")
        if given.datatype != expected.datatype:
            raise InferenceError(f"expected {expected.datatype}, got {given.datatype}")
        return np.asarray(NumpyCodec.decode_input(given), _DATATYPES[self._input.type][1])

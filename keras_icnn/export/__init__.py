"""Networks outside of Keras: written in exchange formats, and compared with Keras there."""

from keras_icnn.export._artifact import FORMATS, Artifact, format_of
from keras_icnn.export._verify import ExportError, Verification, verify
from keras_icnn.export._write import export_model

__all__ = [
    "FORMATS",
    "Artifact",
    "ExportError",
    "Verification",
    "export_model",
    "format_of",
    "verify",
]

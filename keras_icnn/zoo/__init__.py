"""Networks: ordinary ones, and the same with interpretable filters."""

from keras_icnn.zoo._matconvnet import read_matconvnet
from keras_icnn.zoo._networks import BUILDERS as _BUILDERS
from keras_icnn.zoo._preprocess_input import preprocess_input
from keras_icnn.zoo._registry import create_model, list_models, register_model

globals().update(_BUILDERS)

__all__ = [
    "create_model",
    "list_models",
    "preprocess_input",
    "read_matconvnet",
    "register_model",
    *_BUILDERS,
]

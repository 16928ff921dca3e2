"""Interpretable models: training them, converting networks, reading graphs and maps."""

import keras  # noqa: F401 (first: see `_REGISTERING` in the package's `__init__`)

from keras_icnn.models._adapt_parts import adapt_parts
from keras_icnn.models._conversion import make_interpretable
from keras_icnn.models._interpretable_model import InterpretableModel
from keras_icnn.models._name_parts import name_parts
from keras_icnn.models._views import without_masks, without_parts

__all__ = [
    "InterpretableModel",
    "adapt_parts",
    "make_interpretable",
    "name_parts",
    "without_masks",
    "without_parts",
]

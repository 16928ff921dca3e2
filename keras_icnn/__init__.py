"""Interpretable convolutional neural networks for Keras."""

from keras_icnn._filter_loss import FilterLoss
from keras_icnn._layers import InterpretableConv, InterpretableFilters
from keras_icnn._model import InterpretableModel
from keras_icnn._scope import labels
from keras_icnn._templates import PartTemplates

__version__ = "0.1.0"

__all__ = [
    "FilterLoss",
    "InterpretableConv",
    "InterpretableFilters",
    "InterpretableModel",
    "PartTemplates",
    "labels",
]

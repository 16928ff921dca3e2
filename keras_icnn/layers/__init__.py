"""The interpretable layers, the rules of their loss, and the labels they learn from."""

import keras  # noqa: F401 (first: see `_REGISTERING` in the package's `__init__`)

from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.layers._fixed_batch_normalization import FixedBatchNormalization
from keras_icnn.layers._interpretable_conv import InterpretableConv
from keras_icnn.layers._interpretable_filters import InterpretableFilters
from keras_icnn.layers._label_scope import labels
from keras_icnn.layers._state import LayerState
from keras_icnn.layers._templates import PartTemplates

__all__ = [
    "FilterLoss",
    "FixedBatchNormalization",
    "InterpretableConv",
    "InterpretableFilters",
    "LayerState",
    "PartTemplates",
    "labels",
]

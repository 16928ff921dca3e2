"""How much an interpretable layer costs beside a plain convolution.

`keras-icnn bench` prints what the functions here return. Keras is imported when they are called.
"""

from keras_icnn.bench._benchmark import benchmark_layer, benchmark_network, unmet
from keras_icnn.bench._output import plot, table_header, table_line
from keras_icnn.bench._settings import MODES, PHASES, RULES, LayerSetting, NetworkSetting
from keras_icnn.bench._timing import paired_seconds, summarize

__all__ = [
    "MODES",
    "PHASES",
    "RULES",
    "LayerSetting",
    "NetworkSetting",
    "benchmark_layer",
    "benchmark_network",
    "paired_seconds",
    "plot",
    "summarize",
    "table_header",
    "table_line",
    "unmet",
]

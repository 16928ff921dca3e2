"""Interpretable convolutional neural networks for Keras."""

import importlib
import sys
from pathlib import PurePath

__version__ = "0.1.0"

# Where each public name lives; a module stands for itself.
_PUBLIC = {
    "FilterLoss": "layers._filter_loss",
    "InterpretableConv": "layers._interpretable_conv",
    "InterpretableFilters": "layers._interpretable_filters",
    "InterpretableModel": "models._interpretable_model",
    "PartTemplates": "layers._templates",
    "explain": "explanations._explain",
    "labels": "layers._label_scope",
    "make_interpretable": "models._conversion",
    "bench": None,
    "callbacks": None,
    "datasets": None,
    "explanations": None,
    "export": None,
    "layers": None,
    "metrics": None,
    "models": None,
    "recipes": None,
    "visualize": None,
    "zoo": None,
}

__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _PUBLIC[name]
    module = importlib.import_module(f"{__name__}.{home or name}")
    value = module if home is None else getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_PUBLIC})


# Keras finds the classes of a saved model only once they are registered, which importing them
# does. The command line imports Keras, which takes seconds, when a verb needs it.
if PurePath(sys.argv[0] if sys.argv else "").stem != "keras-icnn":
    for _home in (*dict.fromkeys(filter(None, _PUBLIC.values())), "recipes._training", "zoo"):
        importlib.import_module(f"{__name__}.{_home}")

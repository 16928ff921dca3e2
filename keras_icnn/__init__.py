"""Interpretable convolutional neural networks for Keras.

Importing this package imports neither Keras nor its backend, which takes seconds: public names are
looked up when they are first used. Whichever of the two is imported first, Keras finds the classes
of saved models: as soon as both are there, the classes are registered.
"""

import importlib
from typing import TYPE_CHECKING

import wrapt

if TYPE_CHECKING:
    from keras_icnn import (
        bench,
        callbacks,
        datasets,
        explanations,
        export,
        layers,
        metrics,
        models,
        recipes,
        visualize,
        zoo,
    )
    from keras_icnn.explanations import explain
    from keras_icnn.layers import (
        FilterLoss,
        InterpretableConv,
        InterpretableFilters,
        PartTemplates,
        labels,
    )
    from keras_icnn.models import (
        InterpretableModel,
        adapt_parts,
        make_interpretable,
        name_parts,
        without_parts,
    )

__version__ = "0.1.0"

__all__ = [
    "FilterLoss",
    "InterpretableConv",
    "InterpretableFilters",
    "InterpretableModel",
    "PartTemplates",
    "adapt_parts",
    "bench",
    "callbacks",
    "datasets",
    "explain",
    "explanations",
    "export",
    "labels",
    "layers",
    "make_interpretable",
    "metrics",
    "models",
    "name_parts",
    "recipes",
    "visualize",
    "without_parts",
    "zoo",
]

# The room of each public name that is not a room itself.
_ROOMS = {
    "FilterLoss": "layers",
    "InterpretableConv": "layers",
    "InterpretableFilters": "layers",
    "InterpretableModel": "models",
    "PartTemplates": "layers",
    "adapt_parts": "models",
    "explain": "explanations",
    "labels": "layers",
    "make_interpretable": "models",
    "name_parts": "models",
    "without_parts": "models",
}

# What registers classes and functions with Keras. Of these, a room imports Keras before anything
# of its own: if that is the first import of Keras in the process, the other rooms are imported
# then, and must not meet a module of this one that is half imported. So these rooms import from one
# another's files, not from `__init__`, which is half imported itself at that moment.
_REGISTERING = ("layers", "models", "zoo", "recipes._losses", "recipes._optimizers")


if not TYPE_CHECKING:  # A type checker knows the names from the imports above.

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        room = importlib.import_module(f"{__name__}.{_ROOMS.get(name, name)}")
        value = getattr(room, name) if name in _ROOMS else room
        globals()[name] = value
        return value


def __dir__():
    return sorted({*globals(), *__all__})


def _register(keras):
    for module in _REGISTERING:
        importlib.import_module(f"{__name__}.{module}")


# At once where Keras is imported already.
wrapt.register_post_import_hook(_register, "keras")

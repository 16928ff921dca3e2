"""Interpretable models: training them, converting networks, reading graphs and maps."""

import importlib

# Imported on first use: the command line answers `--help` without Keras.
_PUBLIC = {
    "InterpretableModel": "_interpretable_model",
    "make_interpretable": "_conversion",
    "without_masks": "_views",
}

__all__ = ["InterpretableModel", "make_interpretable", "without_masks"]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__():
    return sorted({*globals(), *_PUBLIC})

"""The command line: `keras-icnn VERB`."""

from keras_icnn.cli._verbs import DONE, FAILED, INTERRUPTED, WRONG_USE, main

__all__ = ["DONE", "FAILED", "INTERRUPTED", "WRONG_USE", "main"]

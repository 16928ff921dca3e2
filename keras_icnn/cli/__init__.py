"""The command line: `keras-icnn VERB`."""

from keras_icnn.cli._main import main
from keras_icnn.cli._outcome import DONE, FAILED, INTERRUPTED, WRONG_USE

__all__ = ["DONE", "FAILED", "INTERRUPTED", "WRONG_USE", "main"]

"""Imports Keras without the lines that its backend logs meanwhile."""

import importlib
import logging
import os
import sys
import tempfile


def import_keras():
    """Imports Keras and its backend without the lines that TensorFlow logs while it loads.

    They are written before any log level applies, to the file descriptor: it is turned aside
    during the import. Who sets TF_CPP_MIN_LOG_LEVEL sees all that it admits.
    """
    if "keras" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        importlib.import_module("keras")
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # Its Python side: advice on functions that are compiled once for each network here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            importlib.import_module("keras")
        except BaseException:
            # What was said may be the reason.
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)

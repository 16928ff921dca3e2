"""How a verb ends: exit codes, and one line that tells what went wrong."""

import sys

from keras_icnn._files.whole_file import NO_ROOM

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

# What tells the user of a mistake or of a missing file; anything else is a defect of the package.
_EXPECTED = (ValueError, OSError, ImportError, FloatingPointError)


def complain(text):
    """Prints one line for the user to the error output."""
    print(f"keras-icnn: {text}", file=sys.stderr)


def told(error):
    """An exception as one line that names the fix."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        advice = "" if error.errno in NO_ROOM else " Check the path."
        return f"'{error.filename}': {error.strerror}.{advice}"
    if isinstance(error, _EXPECTED):
        return text or type(error).__name__
    return (
        f"unexpected {type(error).__name__}: {text} (a defect of keras-icnn, or too little memory; "
        "run again with --debug and report the traceback)"
    )


def code_of(error):
    """The exit code for an exception: a recipe that cannot be run is wrong use."""
    return WRONG_USE if type(error).__name__ == "RecipeError" else FAILED

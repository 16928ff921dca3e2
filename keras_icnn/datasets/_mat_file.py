"""Reading MATLAB files (v5 and v7.3, by pymatreader), with errors that name the file."""

import os

from keras_icnn import _arguments as check
from keras_icnn._files.limits import check_file


def read_mat(file, variable, ignore=()):
    """One variable of a `.mat` file.

    Args:
        file: Path.
        variable: Its name. It must be a struct, or an array of them.
        ignore: Names of fields that need not be read (v7.3 files only).

    Returns:
        dict of field name to value; a struct array gives a list a field (see `records`). Numbers
        become Python numbers or arrays, without axes of length 1.

    Raises:
        ImportError: When pymatreader is not installed.
        FileNotFoundError: When there is no such file.
        OSError: When it is not a complete MATLAB file.
        ValueError: When it has no such struct.
    """
    try:
        import pymatreader
    except ImportError as error:
        raise ImportError(
            'Reading MATLAB files needs pymatreader. Install it with pip install "keras-icnn[mat]".'
        ) from error
    if not os.path.isfile(file):
        raise FileNotFoundError(f"There is no file '{file}'. Restore it from the data set.")
    try:
        check_file(file)
        content = pymatreader.read_mat(file, variable_names=[variable], ignore_fields=ignore)
    except Exception as error:  # A damaged file fails in as many ways as it can be damaged.
        raise OSError(
            f"The MATLAB file '{file}' cannot be read: {type(error).__name__}: {error}. Restore "
            "it from its source."
        ) from error
    if not isinstance(content.get(variable), dict):
        raise ValueError(
            f"The MATLAB file '{file}' must hold a struct `{variable}`. Received: "
            f"{type(content.get(variable)).__name__}. Restore the file from its source."
        )
    return content[variable]


def records(struct, fields, where):
    """A struct array as a list of dicts, also where it has one element or none.

    Args:
        struct: What `read_mat` returned, or a struct inside of it.
        fields: Names that every record must have.
        where: What the error calls the struct.

    Raises:
        ValueError: When a field is missing or has another length than the others.
    """
    if not isinstance(struct, dict):
        if getattr(struct, "size", None) == 0 or struct == []:
            return []
        raise ValueError(
            f"{where} must be a struct with the fields {list(fields)}. Received: "
            f"{type(struct).__name__}. Restore the file from its source."
        )
    missing = [name for name in fields if name not in struct]
    if missing:
        raise ValueError(
            f"{where} must have the fields {list(fields)}. Received: "
            f"{check.shown(sorted(struct))}, without {missing}. Restore the file from its source."
        )
    columns = [struct[name] for name in fields]
    if not all(isinstance(column, list) for column in columns):
        return [dict(zip(fields, columns, strict=True))]
    if len({len(column) for column in columns}) > 1:
        raise ValueError(
            f"{where} must have fields of one length. Received: lengths "
            f"{dict(zip(fields, map(len, columns), strict=True))}. Restore the file."
        )
    return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]

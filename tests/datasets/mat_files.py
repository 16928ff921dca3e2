"""Writes small `.mat` files in the formats of the published data sets, MATLAB v5 and v7.3."""

import h5py
import numpy as np
import scipy.io


def struct_array(rows):
    """A MATLAB struct array (1 x n) for `savemat`, from dicts with the same keys."""
    array = np.zeros((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for i, row in enumerate(rows):
        for name, value in row.items():
            array[0, i][name] = value
    return array


def write_mat(file, version, variable, rows):
    """`variable` as a struct array of `rows` (dicts of column vectors, numbers or dicts)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if version == "v5":
        scipy.io.savemat(file, {variable: struct_array(rows)}, do_compression=True)
        return
    with h5py.File(file, "w", userblock_size=512) as stream:
        refs = stream.create_group("#refs#")
        struct = stream.create_group(variable)
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        for name in rows[0]:
            if len(rows) == 1:
                _write_value(struct, name, rows[0][name])
                continue
            columns = struct.create_dataset(name, (len(rows), 1), h5py.ref_dtype)
            for i, row in enumerate(rows):
                key = f"{name}{i}"
                _write_value(refs, key, row[name])
                columns[i, 0] = refs[key].ref
    with open(file, "r+b") as stream:  # the user block, by which readers know the version
        stream.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM")


def _write_value(parent, name, value):
    if isinstance(value, dict):
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, inner in value.items():
            _write_value(group, key, inner)
        return
    value = np.atleast_2d(np.asarray(value, "float64"))
    if value.size == 0:  # MATLAB stores the shape instead
        item = parent.create_dataset(name, data=np.array(value.shape, "uint64"))
        item.attrs["MATLAB_empty"] = np.uint8(1)
    else:
        item = parent.create_dataset(name, data=value.T)
    item.attrs["MATLAB_class"] = np.bytes_("double")

"""What a file may unfold to: checked before anything of that size is allocated.

A few kilobytes can declare terabytes (an array's shape that is stored nowhere, runs of zeros
packed a thousand to one). Weights hardly compress, so a file that unfolds to more than
`EXPANSION` times its size, and to more than `FLOOR` bytes, is refused.
"""

import contextlib
import math
import os
import zipfile

import h5py

from keras_icnn._files.matlab_structure import check_matlab

FLOOR = 1 << 28
EXPANSION = 100
# Groups and arrays in an HDF5 file, counted each time they can be reached.
_ITEMS = 30_000
_DEPTH = 64


def check_file(path):
    """Refuses an archive, HDF5 or MATLAB file that unfolds to far more than its size.

    Raises:
        ValueError: saying by how much; also where arrays lie in other files.
        OSError, zipfile.BadZipFile, zlib.error: for files that are damaged.
    """
    path = os.fspath(path)
    size = os.path.getsize(path)
    if not os.path.isfile(path):
        raise ValueError("it is not a regular file")
    if zipfile.is_zipfile(path) and not path.endswith((".h5", ".mat")):
        _check_zip(path, size)
    elif h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            check_hdf5(file, size)
    elif path.endswith(".mat"):
        check_matlab(path, _allowed(size))


def _allowed(size):
    return max(FLOOR, EXPANSION * size)


def _refuse(total, size):
    raise ValueError(
        f"it would take {total:,} bytes of memory, {EXPANSION} times more than its own {size:,}"
    )


def _check_zip(path, size):
    with zipfile.ZipFile(path) as archive:
        # Python reads no more of a member than it declares here.
        total = sum(member.file_size for member in archive.infolist())
        if total > _allowed(size):
            _refuse(total, size)
        for member in archive.infolist():
            if member.filename.endswith(".h5"):
                with archive.open(member) as stream, h5py.File(stream, "r") as file:
                    check_hdf5(file, size)


def check_hdf5(file, size):
    """As `check_file`, for an open HDF5 file; links and arrays of other files are refused, too."""
    total = items = 0
    pending = [(file, 0)]
    while pending:
        group, depth = pending.pop()
        if depth > _DEPTH:
            raise ValueError(f"its groups lie more than {_DEPTH} deep, or in themselves")
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"'{name}' is a link, which may lead to other files")
            item = group[name]
            items += 1
            if items > _ITEMS:
                raise ValueError(f"it holds more than {_ITEMS} groups and arrays")
            if isinstance(item, h5py.Group):
                pending.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                check_dataset(item)
                total += math.prod(item.shape or ()) * item.dtype.itemsize
                if total > _allowed(size):
                    _refuse(total, size)


def check_dataset(dataset):
    """Refuses an array whose values lie in other files."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the values of '{dataset.name}' lie in other files")


class Budget:
    """What may still be read from an HDF5 file of a size, where references are followed."""

    def __init__(self, size):
        self._size = size
        self._total = self._items = self._depth = 0

    @contextlib.contextmanager
    def entered(self):
        """Around each item: one level deeper."""
        self._depth += 1
        self._items += 1
        if self._depth > _DEPTH:
            raise ValueError(f"it leads more than {_DEPTH} levels deep, or round in a circle")
        if self._items > _ITEMS:
            raise ValueError(f"it leads to more than {_ITEMS} groups and arrays")
        yield
        self._depth -= 1

    def spend(self, dataset):
        """Counts an array that is about to be read."""
        check_dataset(dataset)
        self._total += math.prod(dataset.shape or ()) * dataset.dtype.itemsize
        if self._total > _allowed(self._size):
            _refuse(self._total, self._size)

"""Walks through a MATLAB v5 file without keeping anything, to refuse what would break its reader.

SciPy allocates what a file declares, and calls itself for each level of nesting until the process
dies. Arrays of numbers and characters, cells and structs are known here; MatConvNet's models hold
nothing else.
"""

import math
import os
import struct
import zlib

_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _SPARSE = 1, 2, 4, 5
_NUMBERS = range(6, 16)
_DEPTH = 64
_ARRAYS = 1_000_000


def check_matlab(path, allowed):
    """Refuses a file that unpacks to more than `allowed` bytes, or is nested too deeply.

    Raises:
        ValueError: saying what is wrong.
        zlib.error: where packed data are damaged.
    """
    with open(path, "rb") as file:
        header = file.read(128)
        if len(header) < 128 or 0 in header[:4]:
            return  # MATLAB v4 has neither nesting nor compression
        order = "<" if header[126:128] == b"IM" else ">"
        budget = _Budget(allowed)
        while len(tag := file.read(8)) == 8:
            kind, length = struct.unpack(f"{order}II", tag)
            start = file.tell()
            if kind == _COMPRESSED:
                source = _Unpacked(file, length, budget)
                if len(tag := source.read(8)) == 8:
                    _matrix(source, order, *struct.unpack(f"{order}II", tag), budget)
            else:
                _matrix(_Plain(file), order, kind, length, budget)
            file.seek(start + length)


class _Budget:
    """What one file may still unfold to."""

    def __init__(self, allowed):
        self.bytes = self.allowed = allowed
        self.arrays = _ARRAYS

    def spend(self, unpacked=0, arrays=0):
        self.bytes -= unpacked
        self.arrays -= arrays
        if self.bytes < 0:
            raise ValueError(f"it would take more than {self.allowed:,} bytes of memory")
        if self.arrays < 0:
            raise ValueError(f"it declares more than {_ARRAYS:,} arrays")


class _Plain:
    def __init__(self, file):
        self.read = file.read
        self.skip = lambda n: file.seek(n, os.SEEK_CUR)


class _Unpacked:
    """The bytes of a packed element, unpacked a piece at a time."""

    def __init__(self, file, length, budget):
        self._file, self._length, self._budget = file, length, budget
        self._unpacker = zlib.decompressobj()
        self._packed = b""

    def _piece(self, n):
        while not self._unpacker.eof:
            if not self._packed:
                self._packed = self._file.read(min(self._length, 1 << 16))
                self._length -= len(self._packed)
                if not self._packed:
                    break
            piece = self._unpacker.decompress(self._packed, min(n, 1 << 20))
            self._packed = self._unpacker.unconsumed_tail
            if piece:
                self._budget.spend(unpacked=len(piece))
                return piece
        return b""

    def read(self, n):
        found = b""
        while len(found) < n and (piece := self._piece(n - len(found))):
            found += piece
        return found

    def skip(self, n):
        while n and (piece := self._piece(n)):
            n -= len(piece)


def _matrix(source, order, kind, length, budget):
    """Goes through one array and all inside it; ends where it is truncated, as its reader does."""
    pending = [1]  # arrays still to come at each level
    first = True
    while pending:
        if pending[-1] == 0:
            pending.pop()
            continue
        pending[-1] -= 1
        if not first:
            tag = source.read(8)
            if len(tag) < 8:
                return
            kind, length = struct.unpack(f"{order}II", tag)
        first = False
        if kind != _MATRIX:
            raise ValueError(f"an element is of type {kind} instead of an array")
        if length == 0:
            continue
        flags = source.read(16)
        if len(flags) < 16:
            return
        (word,) = struct.unpack(f"{order}I", flags[8:12])
        dimensions = _element(source, order, keep=True)
        dimensions = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
        _element(source, order)  # its name
        children = _children(source, order, word, dimensions)
        budget.spend(arrays=1 + children)
        if children:
            pending.append(children)
            if len(pending) > _DEPTH:
                raise ValueError(f"its arrays are nested more than {_DEPTH} deep")


def _children(source, order, word, dimensions):
    """Skips an array's own values, and tells how many arrays come inside it."""
    kind, is_complex = word & 0xFF, bool(word & 0x800)
    if kind == _CELL:
        return _product(dimensions)
    if kind == _STRUCT:
        width = _element(source, order, keep=True)
        names = _element(source, order, keep=True)
        width = struct.unpack(f"{order}i", width[:4])[0] if len(width) >= 4 else 0
        if width <= 0:
            raise ValueError("a struct's field names have no length")
        return _product(dimensions) * (len(names) // width)
    if kind == _CHAR:
        elements = 1
    elif kind == _SPARSE:
        elements = 3 + is_complex
    elif kind in _NUMBERS:
        elements = 1 + is_complex
    else:
        raise ValueError(f"it holds an object of MATLAB's class {kind}")
    for _ in range(elements):
        _element(source, order)
    return 0


def _product(dimensions):
    if any(n < 0 for n in dimensions):
        raise ValueError(f"an array has the dimensions {dimensions}")
    return math.prod(dimensions)


def _element(source, order, keep=False):
    """Reads or skips one element, with its padding."""
    tag = source.read(8)
    if len(tag) < 8:
        return b""
    kind, length = struct.unpack(f"{order}II", tag)
    if kind >> 16:  # up to four bytes, in the tag itself
        return tag[4 : 4 + (kind >> 16)]
    padding = -length % 8
    if not keep:
        source.skip(length + padding)
        return b""
    if length > 1 << 20:
        raise ValueError(f"names or dimensions take {length:,} bytes")
    content = source.read(length)
    source.skip(padding)
    return content

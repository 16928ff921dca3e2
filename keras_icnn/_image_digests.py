"""What tells images apart wherever they lie: digests of 64 bits.

The last bit says what was read: 0 a file's bytes, 1 pixels. Digests of the two cannot be compared.
"""

import hashlib

import numpy as np

_BYTES = 8


def of_file(path):
    """The digest of a file's bytes: a copy or a renamed file has the same.

    Args:
        path: of an image.

    Returns:
        Integer of 64 bits.

    Raises:
        OSError: when the file cannot be read.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_BYTES))
    return int.from_bytes(digest.digest(), "big") & ~1


def of_pixels(image):
    """The digest of an array of pixels.

    Args:
        image: array `[height, width, channels]`. Whole numbers from 0 to 255 have one digest as
            integers and as floating-point numbers.

    Returns:
        Integer of 64 bits.
    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        pixels = pixels.astype("float32")
        whole = pixels.astype("uint8") if _in_bytes(pixels) else None
        if whole is not None and np.array_equal(whole, pixels):
            pixels = whole
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=_BYTES)
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return int.from_bytes(digest.digest(), "big") | 1


def of_one_kind(digests, others):
    """Those of `digests` that are of the same kind as one of `others`: of files or of pixels."""
    kinds = np.unique(np.asarray(others, "uint64") & np.uint64(1))
    return digests[np.isin(digests & np.uint64(1), kinds)]


def _in_bytes(pixels):
    # Comparisons with a value that is not a number are false.
    return bool(pixels.size) and bool(pixels.min() >= 0) and bool(pixels.max() <= 255)

"""Reading pictures from files, with errors that name the file."""

import os
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# What Pillow raises for damaged files, by format.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


def read_image(file, size=None):
    """Decodes one file.

    Args:
        file: Path.
        size: `(height, width)` to resize to (bilinear), or `None`.

    Returns:
        uint8 `[height, width, 3]`, RGB.

    Raises:
        FileNotFoundError: When there is no such file.
        OSError: When it is not a complete picture.
    """
    try:
        with Image.open(file) as image:
            image.load()
            image = ImageOps.exif_transpose(image)
            if image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")
            image = image.convert("RGB")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no picture '{file}'. Restore the file, or remove it from the data set."
        ) from None
    except _DAMAGED as error:
        raise OSError(
            f"The picture '{file}' cannot be decoded: {error}. Restore the file from its "
            "source, or remove it from the data set."
        ) from error
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.array(image)


def existing_folder(path):
    """`path` as a `Path`.

    Raises:
        FileNotFoundError: When it is not a folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`path` must be an existing folder. Received: path='{os.fspath(path)}'. Correct the "
            "path, or put the data there."
        )
    return folder


def checked_size(image_size):
    """`(height, width)` as integers, from a pair or one number.

    Raises:
        ValueError: When it is neither.
    """
    try:
        size = (image_size, image_size) if np.isscalar(image_size) else tuple(image_size)
        height, width = (int(n) for n in size)
        if (height, width) == tuple(size) and height >= 1 and width >= 1:
            return height, width
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "`image_size` must be (height, width) in pixels, positive integers. "
        f"Received: image_size={image_size!r}. Write, for example, image_size=(224, 224)."
    )

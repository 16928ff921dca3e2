"""Reading images from files, with errors that name the file."""

import contextlib
import numbers
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keras_icnn import _arguments as check

EXTENSIONS = (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# Pillow goes by a file's content, not its name, and hands PostScript to a program that runs it.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")


@contextlib.contextmanager
def _opened(file):
    """An image, not decoded yet; turns what Pillow raises into errors that name the file."""
    try:
        about = os.stat(file)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is not a regular file")
        if not about.st_size:
            raise ValueError("it is empty")
        with Image.open(file, formats=_FORMATS) as image:
            # Pillow itself only warns up to twice as many: a gigabyte.
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and image.width * image.height > most:
                raise ValueError(
                    f"it has {image.width} x {image.height} pixels, more than "
                    f"PIL.Image.MAX_IMAGE_PIXELS = {most:,}"
                )
            yield image
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no image '{file}'. Restore the file, or remove it from the data set."
        ) from None
    except Exception as error:  # A damaged file fails in as many ways as it can be damaged.
        raise OSError(
            f"The image '{file}' cannot be decoded: {error}. Restore the file from its "
            "source, or remove it from the data set."
        ) from error


def read_image(file, size=None, box=None, *, as_stored=False):
    """Decodes one file.

    Args:
        file: Path.
        size: `(height, width)` to resize to (bilinear), or `None`.
        box: `(left, top, right, bottom)` to cut out before, pixels as they are stored, the last
            two exclusive.
        as_stored: Whether EXIF data that turn the image are left alone; so they are with a `box`.
            The rule of all readers: images that annotations belong to (every file of a table of
            annotations) are as they are stored, as the tools that made the annotations took them.
            Images of a folder without annotations are turned, as people see them.

    Returns:
        uint8 `[height, width, 3]`, RGB.

    Raises:
        FileNotFoundError: When there is no such file.
        OSError: When it is not a complete image.
    """
    with _opened(file) as image:
        image.load()
        image = _eight_bits(image) if image.mode[0] in "IF" else image
        if box is not None:
            image = image.crop(box)
        elif not as_stored:
            image = ImageOps.exif_transpose(image)
        image = _opaque(image).convert("RGB")
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.array(image)


def _opaque(image):
    """An image on white where it is transparent, as it is shown elsewhere.

    What lies beneath is often black, or whatever a program left there.
    """
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _eight_bits(image):
    """An image of one deep channel with 8 bits, where Pillow would cut it off at 255.

    16 bits are scaled by their range, floating-point numbers from 0 to 1.

    Raises:
        ValueError: For pixels whose range is not known.
    """
    values = np.asarray(image)
    # Some versions of Pillow read a PNG of 16 bits, the most that PNG has, as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        eight = values.astype("uint32") >> 8
    elif image.mode == "F" and values.min(initial=0) >= 0 and values.max(initial=0) <= 1:
        # Comparisons with a value that is not a number are false.
        eight = np.round(values * 255)
    else:
        kind = "floating-point numbers beyond 0 to 1" if image.mode == "F" else "32-bit integers"
        raise ValueError(
            f"its pixels are {kind}, whose range is not known; store it with 8 or 16 bits"
        )
    result = Image.fromarray(eight.astype("uint8"))
    # A transparent value is one of 16 bits there, which is no value of 8.
    result.info = {k: value for k, value in image.info.items() if k != "transparency"}
    exif = image.getexif()
    result.getexif().update(exif)
    return result


def stored_size(file):
    """`(height, width)` of an image as it is stored, from its first bytes.

    Raises:
        FileNotFoundError: When there is no such file.
        OSError: When it is not an image.
    """
    with _opened(file) as image:
        return image.size[1], image.size[0]


def images_in(folder):
    """Paths of the images in one folder (not below it), sorted, hidden files left out."""
    with os.scandir(folder) as entries:
        return sorted(
            utf8(entry.path)
            for entry in entries
            if entry.name[0] != "." and entry.name.lower().endswith(EXTENSIONS)
        )


def utf8(name):
    """A name from the file system, which can be hashed, printed and written.

    Raises:
        ValueError: Where its bytes are no UTF-8; Python then keeps them as lone surrogates.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"Names of class folders and images must be UTF-8 text. Received: {name!a}. "
            "Rename it: `convmv -f latin1 -t utf8` does so for whole folders."
        ) from None
    return name


def existing_folder(path, where, argument="path"):
    """`path`, given to `where` as `argument`, as a `Path`.

    Raises:
        FileNotFoundError: When it is not a folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"Argument `{argument}` of {where} must be an existing folder. Received: "
            f"{argument}='{os.fspath(path)}'. Correct the path, or put the data there."
        )
    return folder


def checked_size(image_size, where, *, at_least=1, optional=False):
    """`(height, width)` as integers, from a pair or one number (or `None`, if that may be).

    Raises:
        ValueError: For anything else.
    """
    size = (image_size, image_size) if isinstance(image_size, numbers.Number) else image_size
    fix = "Write, for example, image_size=(224, 224)."
    return check.size(size, "image_size", where, at_least=at_least, optional=optional, fix=fix)

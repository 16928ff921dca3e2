"""Objects cut out by their boxes: images, points and masks in the crop's pixels."""

import math

import numpy as np

from keras_icnn.datasets._image_files import read_image

MIN_AREA = 50**2


class Crop:
    """A box in a stored image, and the size it is resized to.

    Pixel centers have whole numbers, so a pixel `x` of a crop of `w` pixels that is resized to
    `W` comes to `(x + 1/2) W / w - 1/2`.

    Args:
        box: `(left, top, right, bottom)`, pixels from 0, the last two exclusive. Fractions are
            rounded outward; what lies outside the image is cut off.
        stored_size: `(height, width)` of the image.
        image_size: `(height, width)` after resizing, or `None` to keep the crop's own.
        where: What the error calls the box.

    Attributes:
        box: The four integers in use.
        size: `(height, width)` of the result.

    Raises:
        ValueError: When no pixel is left.
    """

    __slots__ = ("box", "size")

    def __init__(self, box, stored_size, image_size, where):
        height, width = stored_size
        if not all(math.isfinite(n) for n in box):
            raise ValueError(f"{where}: the box must be four finite numbers. Received: {box}.")
        left, top = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
        right, bottom = min(math.ceil(box[2]), width), min(math.ceil(box[3]), height)
        if left >= right or top >= bottom:
            raise ValueError(
                f"{where}: the box must cover pixels of the {width} x {height} image. Received: "
                f"left, top, right, bottom = {tuple(box)}. Correct it, or leave the image out."
            )
        self.box = (left, top, right, bottom)
        self.size = (bottom - top, right - left) if image_size is None else tuple(image_size)

    @property
    def area(self):
        """Pixels of the box in the stored image."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    def image(self, file):
        """uint8 `[height, width, 3]`."""
        return read_image(file, self.size, self.box)

    def points(self, points):
        """Points `[..., 2]` of the stored image, `(x, y)`, in the crop; NaN outside of it."""
        left, top, right, bottom = self.box
        scale = np.array([self.size[1] / (right - left), self.size[0] / (bottom - top)])
        moved = (np.asarray(points, "float64") - (left, top) + 0.5) * scale - 0.5
        # A pixel reaches half a pixel beyond its center.
        inside = (moved >= -0.5) & (moved < np.array(self.size[::-1]) - 0.5)
        return np.where(inside.all(-1, keepdims=True), moved, np.nan)

    def masks(self, masks):
        """bool `[parts, height, width]` of the stored image, cut out, by nearest pixels."""
        left, top, right, bottom = self.box
        y = top + _nearest(bottom - top, self.size[0])
        x = left + _nearest(right - left, self.size[1])
        return masks[:, y[:, None], x]


def _nearest(source, target):
    return ((np.arange(target) + 0.5) * source / target).astype(int)

"""Points and masks between an image's own pixels and those of the network's input.

An image of `w` pixels that is resized to `W` moves `x` to `(x + 1/2) W / w - 1/2`: pixel centers
have whole numbers.
"""

import numpy as np


def move_points(points, source, target):
    """Points [images, ..., 2], (x, y), from images of size `source` to ones of size `target`.

    Either size is (height, width) or [images, 2].
    """
    source, target = (np.asarray(size, "float64")[..., ::-1] for size in (source, target))
    scale = target / source
    if scale.ndim == 2:
        scale = scale.reshape(len(scale), *(1,) * (points.ndim - 2), 2)
    return (points + 0.5) * scale - 0.5


def resize_masks(masks, size):
    """Bool [parts, height, width] to `size` by nearest pixels."""
    height, width = (int(n) for n in size)
    y = ((np.arange(height) + 0.5) * masks.shape[1] / height).astype(int)
    x = ((np.arange(width) + 0.5) * masks.shape[2] / width).astype(int)
    return masks[:, y[:, None], x]


def resize_image(image, size):
    """uint8 [height, width, 3] to `size`, bilinear, as the readers of data sets do."""
    from PIL import Image

    height, width = (int(n) for n in size)
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))

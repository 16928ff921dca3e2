"""Which region of the image a layer's units see."""

import numpy as np


def seen_region(values, field, radius):
    """The image-resolution receptive field of a map: where the image lies that its units saw.

    Each unit puts a soft disc on its centre, as high as its activation over the map's highest.

    Args:
        values: float `[h, w]`, one filter's map, not negative.
        field: `ReceptiveField` of the layer.
        radius: pixels at which a disc has fallen to about 14 % (two standard deviations).

    Returns:
        float64 `[height, width]`, 0 to 1; zero for a silent map.
    """
    height, width = field.image_size
    result = np.zeros((height, width))
    top = values.max()
    if top <= 0:
        return result
    for row, column in zip(*np.nonzero(values > 0.05 * top), strict=True):
        x, y = field.centers[row, column]
        disc = np.exp(-0.5 * ((np.arange(height) - y) / (radius / 2)) ** 2)[:, None] * np.exp(
            -0.5 * ((np.arange(width) - x) / (radius / 2)) ** 2
        )
        np.maximum(result, values[row, column] / top * disc, out=result)
    return result


def region_radius(radius, field):
    """Radius in pixels of the ring around a peak; None: a quarter of the theoretical field.

    Units see the middle of their theoretical receptive field far better than its border.
    """
    return max(field.size) / 4 if radius is None else float(radius)

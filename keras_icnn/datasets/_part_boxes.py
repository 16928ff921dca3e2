"""Part masks from boxes."""

import numpy as np


def box_masks(boxes, size):
    """Boxes as masks, clipped to the image.

    A pixel belongs to a box when its center lies in it or on its edge.

    Args:
        boxes: float `[parts, 4]`: center x, center y, width, height; NaN where absent.
        size: `(height, width)`.

    Returns:
        bool `[parts, height, width]`.
    """
    # A comparison with NaN is False, so a part that is absent gets an empty mask.
    x, y, width, height = boxes[:, :, None, None].transpose(1, 0, 2, 3)
    columns = np.abs(np.arange(size[1]) - x) <= width / 2
    rows = np.abs(np.arange(size[0])[:, None] - y) <= height / 2
    return rows & columns

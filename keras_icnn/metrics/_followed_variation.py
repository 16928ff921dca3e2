"""R2 of every filter against every landmark from sums alone: fast for many of both."""

import numpy as np

# Images whose float64 copies exist at a time.
_PIECE = 1024


def followed_variation(places, landmarks, counted):
    """`R2 = 1 - sum var(p_k - p(mu_hat)) / sum var(p_k)`, both axes summed.

    Variances of differences follow from sums of products, so nothing of the size [images, filters,
    landmarks] is made. Coordinates must be small, such as shares of the diagonal from the image's
    center: in float64 what the differences of the sums lose is then about 1e-15.

    Args:
        places: float [images, filters, 2], where each filter's peak is.
        landmarks: float [images, landmarks, 2].
        counted: bool [images, landmarks], the images that count for a landmark.

    Returns:
        float [filters, landmarks]; NaN for fewer than 2 images or a landmark that never moves.
    """
    filters = places.shape[1]
    n = counted.sum(axis=0)
    points = np.where(counted[..., None], landmarks, 0.0)
    squares = np.zeros((filters, landmarks.shape[1]))
    products = np.zeros_like(squares)
    sums = np.zeros((2, *squares.shape))
    for first in range(0, len(places), _PIECE):
        some = slice(first, first + _PIECE)
        weights = counted[some].astype("float64")
        x, y = np.moveaxis(places[some].astype("float64"), -1, 0)
        squares += (x * x + y * y).T @ weights
        for axis, peaks in enumerate((x, y)):
            sums[axis] += peaks.T @ weights
            products += peaks.T @ points[some, :, axis]
    images = np.maximum(n, 1)
    total_sums = points.sum(axis=0).T  # [2, landmarks]
    total_squares = np.square(points).sum(axis=(0, 2))
    total = total_squares - np.square(total_sums).sum(axis=0) / images
    apart = np.square(total_sums[:, None] - sums).sum(axis=0) / images
    residual = np.maximum(total_squares - 2 * products + squares - apart, 0.0)
    # A landmark that never moves cannot be followed; float32 peaks carry about 1e-8.
    defined = (n >= 2) & (total > 1e-12)
    return np.where(defined, 1 - residual / np.where(defined, total, 1.0), np.nan)


def best_landmark(r2):
    """The highest R2 of each filter [filters] (NaN: none is defined), and whose it is (-1)."""
    filled = np.where(np.isfinite(r2), r2, -np.inf)
    if not r2.shape[1]:
        return np.full(len(r2), np.nan), np.full(len(r2), -1)
    index = filled.argmax(axis=1)
    value = filled[np.arange(len(r2)), index]
    none = np.isneginf(value)
    return np.where(none, np.nan, value), np.where(none, -1, index)

"""Checks of the figures' arguments."""

import numpy as np


def check_dataset(dataset, name="dataset"):
    """Checks that there are images, of one size.

    Raises:
        ValueError: otherwise.
    """
    if not len(dataset):
        raise ValueError(f"`{name}` must hold at least one image. Received: none")
    if dataset.image_size is None:
        raise ValueError(
            f"`{name}` must have images of one size. Received: images that differ; read the data "
            "set with an `image_size`."
        )


def check_counts(**numbers):
    """Checks that each number is a whole one of at least 1.

    Raises:
        ValueError: otherwise.
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(
                f"`{name}` must be a whole number of at least 1. Received: {name}={value!r}"
            )


def checked_filters(filters, count, strongest=(), n=3):
    """List of filter numbers; None: the `n` first of `strongest`.

    Raises:
        ValueError: for a number that is not a filter's.
    """
    if filters is None:
        return [int(f) for f in strongest[:n]]
    filters = [filters] if np.ndim(filters) == 0 else list(filters)
    for f in filters:
        if isinstance(f, bool) or not isinstance(f, int | np.integer) or not 0 <= f < count:
            raise ValueError(
                f"`filters` must be numbers of the layer's {count} filters, 0 to {count - 1}. "
                f"Received: {f!r}"
            )
    if not filters:
        raise ValueError("`filters` must name at least one filter. Received: an empty list")
    return [int(f) for f in filters]

"""`preprocess_input` by network name."""

from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._preprocessing import preprocess


def preprocess_input(name, images, mean=None):
    """Prepares images for a network built with `include_preprocessing=False`.

    Args:
        name: String, the network's registered name, with or without `_interpretable`.
        images: RGB array `(..., height, width, 3)`, pixels in [0, 255].
        mean: Optional array that broadcasts against the images, in place of the network's mean:
            the mean image of a MatConvNet file, as `read_matconvnet` returns it.

    Returns:
        Float32 array of the images' shape.

    Raises:
        ValueError: When the name is unknown, or the images are not RGB.
    """
    key = str(name).removesuffix("_interpretable")
    if key not in MANIFEST:
        raise ValueError(
            f"`name` must be a network of the zoo, one of {sorted(MANIFEST)}. "
            f"Received: name={name!r}"
        )
    return preprocess(images, MANIFEST[key].preprocessing, mean)

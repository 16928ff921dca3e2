"""Which images a model was trained on."""

import numpy as np

from keras_icnn import _image_digests


def digests_of(x):
    """The digests of the images that `fit` was given, where they can be known.

    Args:
        x: as `fit` takes it.

    Returns:
        uint64 `[images]`; None for what gives its images only once, such as a `tf.data.Dataset`.
    """
    if hasattr(x, "image_digests"):
        return x.image_digests()
    if isinstance(x, np.ndarray) and x.ndim == 4:
        return np.array([_image_digests.of_pixels(image) for image in x], "uint64")
    return None


def merged(known, digests):
    """The digests of both, each once, in order.

    Args:
        known, digests: uint64 arrays.

    Returns:
        uint64 `[images]`.
    """
    return np.union1d(known, digests).astype("uint64")


def trained_on(model, dataset):
    """Which images of a data set a model was trained on.

    Args:
        model: any Keras model.
        dataset: `PartDataset`.

    Returns:
        Bool `[samples]`; None when the model does not know what it was trained on, or knows it of
        files where the data set has pixels, or the other way round.
    """
    known = getattr(model, "training_images", None)
    if known is None or not len(known) or not hasattr(dataset, "image_digests"):
        return None
    digests = dataset.image_digests()
    if not len(_image_digests.of_one_kind(known, digests)):
        return None
    return np.isin(digests, known)

"""Training above a network's frozen part, whose outputs are computed once for all epochs."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_icnn.datasets import PartBatches
from keras_icnn.models._tensors import input_of
from keras_icnn.recipes._feature_cache import FeatureCache, network_digest

# Features of more than this are not kept (as float16, in bytes): images are then read anew.
_LIMIT = 2**30


class Split(NamedTuple):
    """A network in two: the frozen part below, and what is trained, which shares its layers."""

    frozen: keras.Model
    trained: keras.Model


def split_above_frozen(model):
    """Splits a network where its first layer that learns begins.

    Args:
        model: Functional Keras model.

    Returns:
        `Split`; None where nothing is frozen, or where more than one tensor goes from the frozen
        part to the rest.
    """
    first = next((layer for layer in model.layers if _learns(layer)), None)
    cut = None if first is None else input_of(model, first)
    if not keras.utils.is_keras_tensor(cut) or any(cut is one for one in model.inputs):
        return None
    try:
        trained = type(model)(cut, model.outputs[0])
    except ValueError:  # Something passes the cut by.
        return None
    frozen = keras.Model(model.inputs[0], cut, name="frozen")
    return Split(frozen, trained) if frozen.weights else None


def _learns(layer):
    """Whether a layer's outputs in training depend on more than its inputs and fixed weights."""
    random = hasattr(layer, "seed_generator")
    return random or hasattr(layer, "layers") or (layer.trainable and bool(layer.weights))


def trained_part(model, splits, folder, *, epochs, batch_size, flip, verbose=False):
    """What is trained of a network, and on what: features of its frozen part, or images.

    Features are chosen where computing them once is less work than an epoch's images in every
    epoch, and where there is room for them.

    Args:
        model: Functional Keras model.
        splits: `PartSplits`, of which `train` and `validation` are used.
        folder: Where the features go.
        epochs, batch_size: As in `fit`.
        flip: Whether images are mirrored at random.
        verbose: Whether to show progress.

    Returns:
        The model to train, and a function of a data set and the options of `PartDataset.batches`
        that gives its batches.
    """

    def of_images(dataset, **options):
        return dataset.batches(batch_size, **options)

    # Mirrored images have features of their own.
    passes = 2 if flip else 1
    split = split_above_frozen(model) if epochs > passes else None
    if split is None:
        return model, of_images
    features = _FrozenFeatures(folder, split.frozen, verbose)
    images = passes * len(splits.train) + len(dict(splits.items()).get("validation", ()))
    if not features.fit_on_disk(images):
        return model, of_images

    def of_features(dataset, **options):
        return features.batches(dataset, batch_size, **options)

    return split.trained, of_features


class _FrozenFeatures:
    """The frozen part's outputs for the images of data sets, on disk.

    Args:
        folder: Where the files go.
        frozen: The frozen part.
        verbose: Whether to show progress.
    """

    def __init__(self, folder, frozen, verbose):
        self._folder, self._frozen, self._verbose = Path(folder), frozen, verbose

    def fit_on_disk(self, images):
        """Whether features of so many images are few enough to be kept."""
        return images * np.prod(self._frozen.output_shape[1:]) * 2 <= _LIMIT

    def batches(self, dataset, batch_size, *, flip=False, **options):
        """Batches of features: those of `dataset.batches` with the same arguments, in its order."""
        key = network_digest(self._frozen) + dataset.image_digests().tobytes().hex()
        cache = FeatureCache(self._folder, self._frozen, key, verbose=self._verbose)
        features = cache.get(dataset, "images")
        mirrored = cache.get(dataset.flipped(), "mirrored images") if flip else None
        return _FeatureBatches(features, mirrored, dataset, batch_size, flip=flip, **options)


class _FeatureBatches(PartBatches):
    """Batches of a `PartDataset` in which features stand for images and mirrored images."""

    def __init__(self, features, mirrored, *arguments, **options):
        super().__init__(*arguments, **options)
        self._features, self._mirrored = features, mirrored

    def _inputs(self, rows, flips):
        found = np.asarray(self._features[rows], "float32")
        if flips.any():
            found[flips] = self._mirrored[rows[flips]]
        return found

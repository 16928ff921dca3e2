"""Keypoint regression of a network: one pass over training and test images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_icnn.datasets._as_part_dataset import annotated_dataset
from keras_icnn.metrics._forward_pass import Forward, input_size_of
from keras_icnn.metrics._keypoint_regression import (
    KeypointResult,
    regress,
    relative_centers,
)
from keras_icnn.metrics._peak_table import PeakTable
from keras_icnn.metrics._resizing import move_points
from keras_icnn.models._map_reading import MapReader, peaks_of
from keras_icnn.models._receptive_field import receptive_field as compute_receptive_field

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import ArrayLike

    from keras_icnn.datasets import PartDataset
    from keras_icnn.models._receptive_field import ReceptiveField


def evaluate_keypoints(
    model: keras.Model,
    train: PartDataset,
    test: PartDataset,
    layer: keras.layers.Layer | str | None = None,
    *,
    batch_size: int = 32,
    train_features: ArrayLike | None = None,
    test_features: ArrayLike | None = None,
    receptive_field: ReceptiveField | None = None,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> KeypointResult:
    """`keypoint_regression` from the peaks of a layer's filters.

    Images without any landmark (the background) are not used. Images that differ in size are
    resized to the network's input, and measured in their own pixels.

    Args:
        model: a functional or sequential Keras model, channels last.
        train: a `PartDataset` with landmarks to fit the regression on.
        test: the `PartDataset` to measure on.
        layer: layer or name. None: the topmost interpretable layer, else the topmost map.
        batch_size: images per forward pass.
        train_features, test_features: arrays [images, ...] fed to the model in place of the
            images; need `receptive_field`.
        receptive_field: a `ReceptiveField` of the layer; None computes it from the model.
        preprocess: function applied to each batch of images (float32, 0 to 255).
        seed: of the random peaks.
        verbose: 1 shows progress bars.

    Returns:
        A `KeypointResult`.

    Raises:
        ValueError: for data sets without landmarks, with different ones, or that do not fit.
    """
    train = annotated_dataset(train, "evaluate_keypoints", "train")
    test = annotated_dataset(test, "evaluate_keypoints", "test")
    if not train.landmark_names or train.landmark_names != test.landmark_names:
        raise ValueError(
            "`train` and `test` must have the same landmarks, at least one. Received: "
            f"{train.landmark_names} and {test.landmark_names}"
        )
    if receptive_field is None and (train_features is not None or test_features is not None):
        raise ValueError(
            "With features the model does not see the image: pass `receptive_field`, computed "
            "from the full network with `receptive_field(model, layer)`. Received: None"
        )
    reader = MapReader(model, layer, batch_size)
    tables, sizes = [], []
    for dataset, features, what in (
        (train, train_features, "training images"),
        (test, test_features, "test images"),
    ):
        size = input_size_of(model, dataset, receptive_field)
        sizes.append(tuple(size))
        if receptive_field is None:
            receptive_field = compute_receptive_field(model, reader.layer, input_size=size)
        forward = Forward(reader, dataset, size, features, preprocess, what if verbose else None)
        tables.append(_peaks(forward, dataset, receptive_field.centers, size))
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"`train` and `test` must have images of one size. Received: {sizes[0]} and {sizes[1]}"
        )
    names = test.landmark_names
    return regress(
        *tables,
        head=names.index("head") if "head" in names else None,
        units=relative_centers(receptive_field.centers, sizes[0]),
        seed=seed,
    )


def _peaks(forward, dataset, centers, size):
    table = PeakTable()
    for maps, rows, own in forward.with_rows():
        peaks, strengths = peaks_of(maps, centers)
        if own is None:
            own = size
        else:
            peaks = move_points(peaks, size, own)
        table.update(peaks, dataset.landmarks[rows], strengths, image_size=own)
    return table

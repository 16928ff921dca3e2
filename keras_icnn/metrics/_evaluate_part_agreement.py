"""Agreement of parts and landmarks of a network: a pass over training and one over test images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn.datasets._as_part_dataset import annotated_dataset
from keras_icnn.metrics._forward_pass import Forward, input_size_of
from keras_icnn.metrics._part_agreement import (
    PartAgreement,
    TrainingPeaks,
    check_landmarks,
    check_parts,
    part_agreement,
)
from keras_icnn.metrics._resizing import move_points
from keras_icnn.models._map_reading import MapReader, peaks_of
from keras_icnn.models._receptive_field import receptive_field as compute_receptive_field

if TYPE_CHECKING:
    import keras

    from keras_icnn.datasets import PartDataset
    from keras_icnn.models._receptive_field import ReceptiveField


def evaluate_part_agreement(
    model: keras.Model,
    train: PartDataset,
    test: PartDataset,
    layer: keras.layers.Layer | str | None = None,
    *,
    parts: int = 8,
    batch_size: int = 32,
    receptive_field: ReceptiveField | None = None,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> PartAgreement:
    """`part_agreement` of K groups of a layer's filters.

    The filters are grouped by `group_filters` on the training images that hold a landmark; which
    landmark it is, and where, is not used. A part's map is the mean of its filters' maps, each
    divided by its mean maximum on those images. The part at a place is the one with the highest map
    at the unit whose center is nearest; where no filter of any part fires there is none.

    Args:
        model: a functional or sequential Keras model, channels last.
        train: a `PartDataset` to group the filters on.
        test: the `PartDataset` to measure on, with at least 3 landmarks.
        layer: layer or name. None: the topmost interpretable layer, else the topmost map.
        parts: K, how many groups; the literature has 4, 8 and 16.
        batch_size: images per forward pass.
        receptive_field: a `ReceptiveField` of the layer; None computes it from the model.
        preprocess: function applied to each batch of images (float32, 0 to 255).
        seed: of the grouping and of the random labels.
        verbose: 1 shows progress bars.

    Returns:
        A `PartAgreement`.

    Raises:
        ValueError: for data sets with fewer landmarks, with different ones, or that do not fit;
            where fewer than `parts` filters fire on most training images.
    """
    train = annotated_dataset(train, "evaluate_part_agreement", "train")
    test = annotated_dataset(test, "evaluate_part_agreement", "test")
    check_landmarks(len(test.landmark_names))
    if list(train.landmark_names) != list(test.landmark_names):
        raise ValueError(
            "`train` and `test` must have the same landmarks. Received: "
            f"{train.landmark_names} and {test.landmark_names}"
        )
    parts = check_parts(parts)
    reader = MapReader(model, layer, batch_size)
    size = tuple(input_size_of(model, train, receptive_field))
    if size != tuple(input_size_of(model, test, receptive_field)):
        raise ValueError("`train` and `test` must have images of one size.")
    if receptive_field is None:
        receptive_field = compute_receptive_field(model, reader.layer, input_size=size)
    centers = receptive_field.centers

    def forward(dataset, what):
        what = what if verbose else None
        return Forward(reader, dataset, size, None, preprocess, what).with_rows()

    peaks = TrainingPeaks()
    for maps, rows, own in forward(train, "training images"):
        places, strengths = peaks_of(maps, centers)
        places = places if own is None else move_points(places, size, own)
        own = size if own is None else own
        labels = train.labels[rows]
        peaks.update(places, train.landmarks[rows], strengths, labels, image_size=own)
    groups, weights = peaks.groups(parts, seed)
    found, sizes = [], []
    for maps, rows, own in forward(test, "test images"):
        points = np.asarray(test.landmarks[rows], "float64")
        points = points if own is None else move_points(points, own, size)
        found.append(_parts_at(maps, points, centers, weights))
        sizes.append(np.broadcast_to(size if own is None else own, (len(maps), 2)))
    return part_agreement(
        np.concatenate(found),
        test.landmarks,
        parts=parts,
        image_size=np.concatenate(sizes),
        seed=seed,
        groups=groups,
    )


def _parts_at(maps, points, centers, weights):
    """The part at points [images, n, 2] of the input: int [images, n], -1 for none."""
    found = np.full(points.shape[:2], -1)
    image, point = np.nonzero(np.isfinite(points).all(axis=-1))
    places = points[image, point]
    # Centers lie on a grid, so the nearest is that in either direction.
    column = np.abs(centers[0, :, 0] - places[:, :1]).argmin(axis=1)
    row = np.abs(centers[:, 0, 1] - places[:, 1:]).argmin(axis=1)
    heights = np.maximum(maps[image, row, column], 0) @ weights
    highest = heights.max(axis=1, initial=0)
    found[image, point] = np.where(highest > 0, heights.argmax(axis=1), -1)
    return found

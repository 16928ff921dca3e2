"""The size of the region a filter really responds to, measured by occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics._measured_classes import find_background
from keras_icnn.metrics._resizing import resize_image
from keras_icnn.models._map_reading import MapReader, peaks_of
from keras_icnn.models._receptive_field import receptive_field as compute_receptive_field

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from keras_icnn.datasets import PartDataset
    from keras_icnn.models._receptive_field import ReceptiveField

_OCCLUDED_IMAGES = 20


def occlusion_radius(
    model: keras.Model,
    layer: keras.layers.Layer | str | None,
    images: ArrayLike,
    *,
    stride: int = 16,
    patch: int = 16,
    batch_size: int = 32,
    receptive_field: ReceptiveField | None = None,
    verbose: int = 0,
    reader: MapReader | None = None,
) -> float:
    """Radius of the round receptive field shared by all filters of a layer.

    After Zhou et al., "Object detectors emerge in deep scene CNNs" (2015), the paper's [38]: a
    square patch of the image's mean color is moved over each image; the discrepancy map of a
    filter is the absolute change of its activation at the unit of its peak, recentered on the peak
    and averaged over the images on which the filter fires. The filter's radius is that of the
    disc whose area is the map's at half its maximum; the result is the median over the filters.

    Args:
        model: a functional or sequential Keras model.
        layer: the layer to measure, or its name.
        images: float [images, height, width, channels] as the model takes them; 20 are enough.
        stride: pixels between neighboring places of the patch.
        patch: side of the patch in pixels.
        batch_size: images per forward pass.
        receptive_field: a `ReceptiveField` of the layer; None computes it.
        verbose: 1 shows a progress bar.
        reader: internal, a forward pass that exists already.

    Returns:
        float, in pixels.

    Raises:
        ValueError: if no filter fires on any of the images, or there are none.
    """
    stride = check.whole_number(stride, "stride", "occlusion_radius", at_least=1)
    patch = check.whole_number(patch, "patch", "occlusion_radius", at_least=1)
    images = np.asarray(images, dtype="float32")
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            "`images` must have shape [images, height, width, channels] and hold at least one. "
            f"Received: images.shape={images.shape}"
        )
    if reader is None:
        reader = MapReader(model, layer, batch_size)
    if receptive_field is None:
        receptive_field = compute_receptive_field(model, reader.layer, input_size=images.shape[1:3])
    total, seen = recentered_discrepancies(
        reader, images, receptive_field.centers, stride=stride, patch=patch, verbose=verbose
    )
    mean = mean_discrepancy(total, seen)
    highest = mean.max(axis=(0, 1))
    if not (highest > 0).any():
        raise ValueError(
            f"No filter of layer '{reader.layer.name}' responds on the {len(images)} images, so "
            "no radius can be measured; pass other images, or `radius`."
        )
    return float(np.median(disc_radius(mean, stride)[highest > 0]))


def occlusion_images(
    dataset: PartDataset,
    classes: Sequence[int] | np.ndarray | None = None,
    input_size: Sequence[int] | None = None,
) -> np.ndarray:
    """The images to measure `occlusion_radius` on: 20, spread over those of the classes.

    Args:
        dataset: a `PartDataset`.
        classes: labels; None: all but the background.
        input_size: (height, width) to resize them to; needed where images differ in size.

    Returns:
        float32 [images, height, width, 3].
    """
    if classes is None:
        classes = np.setdiff1d(dataset.labels, [find_background(dataset.class_names)])
    positives = np.flatnonzero(np.isin(dataset.labels, classes))
    some = positives[:: max(1, len(positives) // _OCCLUDED_IMAGES)][:_OCCLUDED_IMAGES]
    images = [dataset[int(i)].image for i in some]
    if input_size is not None:
        images = [resize_image(image, input_size) for image in images]
    return np.stack(images).astype("float32")


def recentered_discrepancies(reader, images, centers, *, stride, patch, filters_of=None, verbose=0):
    """Discrepancy maps of all filters, each moved so that the filter's peak is in the middle.

    Args:
        reader: function of a batch of images that gives (maps, ...), with a `batch_size`.
        images: float `[images, height, width, channels]`.
        centers: float `[h, w, 2]`, (x, y) pixel of each unit's center.
        stride, patch: as in `occlusion_radius`.
        filters_of: bool `[images, filters]`, whose maps each image counts for; None: those that
            fire on it.
        verbose: 1 shows a progress bar.

    Returns:
        (total, seen), each `[2 * ny - 1, 2 * nx - 1, filters]` for `ny x nx` places of the patch:
        the sum over images of the change of the activation at the peak, and how many images reach
        each offset. Offsets are multiples of `stride` pixels; the middle is offset 0.
    """
    height, width = images.shape[1:3]
    rows = np.arange(0, max(height - patch, 0) + 1, stride)
    columns = np.arange(0, max(width - patch, 0) + 1, stride)
    ny, nx = len(rows), len(columns)
    total = seen = None
    numbers = range(len(images))
    if verbose:
        from tqdm import tqdm

        numbers = tqdm(numbers, desc="occlusion", unit="image")
    for number in numbers:
        image = images[number]
        maps = reader(image[None])[0]
        peaks, strengths = peaks_of(maps, centers)
        unit = maps[0].reshape(-1, maps.shape[-1]).argmax(axis=0)
        change = np.concatenate(
            [
                np.take_along_axis(occluded, unit[None, None], axis=1)[:, 0]
                for occluded in _occlusions(reader, image, rows, columns, patch)
            ]
        )
        change = np.abs(change - strengths[0]).reshape(ny, nx, -1)
        if total is None:
            filters = maps.shape[-1]
            total = np.zeros((2 * ny - 1, 2 * nx - 1, filters))
            seen = np.zeros_like(total)
        # The place of the patch that covers the peak best becomes the middle of the map.
        top = ny - 1 - _nearest(rows + (patch - 1) / 2, peaks[0, :, 1])
        left = nx - 1 - _nearest(columns + (patch - 1) / 2, peaks[0, :, 0])
        counts = strengths[0] > 0
        if filters_of is not None:
            counts = counts & filters_of[number]
        for f in np.flatnonzero(counts):
            window = (slice(top[f], top[f] + ny), slice(left[f], left[f] + nx), f)
            total[window] += change[..., f]
            seen[window] += 1
    return total, seen


def mean_discrepancy(total, seen):
    """The mean over images; 0 at offsets that few images reach: noise, not a receptive field."""
    mean = total / np.maximum(seen, 1)
    mean[seen < np.maximum(seen.max(axis=(0, 1)) / 2, 1)] = 0
    return mean


def disc_radius(mean, stride):
    """Radius in pixels of the disc with the area of each map at half its maximum: `[filters]`."""
    cells = (mean >= mean.max(axis=(0, 1)) / 2).sum(axis=(0, 1))
    return np.sqrt(cells * stride * stride / np.pi)


def _nearest(places, values):
    return np.abs(places[None] - values[:, None]).argmin(axis=1)


def _occlusions(reader, image, rows, columns, patch):
    """Maps [n, units, filters] of the image with the patch at every place, batch by batch."""
    color = image.mean(axis=(0, 1))
    places = [(y, x) for y in rows for x in columns]
    for first in range(0, len(places), reader.batch_size):
        mine = places[first : first + reader.batch_size]
        batch = np.repeat(image[None], len(mine), axis=0)
        for occluded, (y, x) in zip(batch, mine, strict=True):
            occluded[y : y + patch, x : x + patch] = color
        maps, _ = reader(batch)
        yield maps.reshape(len(maps), -1, maps.shape[-1])

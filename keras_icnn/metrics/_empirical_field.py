"""The empirical receptive field of a filter: what really changes it, measured by occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics._occlusion_radius import (
    disc_radius,
    mean_discrepancy,
    recentered_discrepancies,
)
from keras_icnn.models._map_reading import MapReader, peaks_of
from keras_icnn.models._receptive_field import receptive_field as compute_receptive_field

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from keras_icnn.models._receptive_field import ReceptiveField


@dataclass(frozen=True)
class EmpiricalFields:
    """Receptive fields of some filters, measured on images.

    Attributes:
        filters: their numbers, int `[n]`.
        maps: float32 `[n, 2 * height - 1, 2 * width - 1]` in pixels of the image, 0 to 1: the
            pixel in the middle is the filter's peak.
        radius: float `[n]`, pixels: of the disc with the area of the map at half its maximum; NaN
            where the filter fired on none of the images.
    """

    filters: np.ndarray
    maps: np.ndarray
    radius: np.ndarray

    def at(self, number: int, peak: Sequence[float]) -> np.ndarray:
        """The field laid over an image.

        Args:
            number: place in `filters`.
            peak: (x, y) pixel of the filter's peak in the image.

        Returns:
            float32 `[height, width]`.
        """
        height, width = (n // 2 + 1 for n in self.maps.shape[1:])
        x = int(np.clip(round(float(peak[0])), 0, width - 1))
        y = int(np.clip(round(float(peak[1])), 0, height - 1))
        return self.maps[
            number, height - 1 - y : 2 * height - 1 - y, width - 1 - x : 2 * width - 1 - x
        ]


def empirical_receptive_fields(
    model: keras.Model,
    images: ArrayLike,
    filters: Sequence[int],
    layer: keras.layers.Layer | str | None = None,
    *,
    patch: int | None = None,
    stride: int | None = None,
    top: int = 5,
    batch_size: int = 32,
    receptive_field: ReceptiveField | None = None,
    verbose: int = 0,
    reader: MapReader | None = None,
) -> EmpiricalFields:
    """Measures which pixels a filter's peak depends on, on the images it fires on most.

    After Zhou et al., "Object detectors emerge in deep scene CNNs" (2015), the paper's [38]: a
    square patch of the image's mean color is moved over each of the filter's `top` images; the
    discrepancy map is the absolute change of the activation at the peak's unit; the maps are
    recentered on the peak, averaged, and scaled to the image. Unlike the theoretical field it shows
    the size and shape of what the filter responds to. Filters share the passes of an image.

    Args:
        model: functional or sequential Keras model, channels last.
        images: float `[images, height, width, channels]` as the model takes them.
        filters: numbers of the filters.
        layer: as in `measured_layer`.
        patch, stride: side of the patch and pixels between its places; None: a fourteenth of the
            image's shorter side (16 of 224), and the same.
        top: images a filter.
        batch_size: images per forward pass; there are `(height / stride) * (width / stride)` an
            image.
        receptive_field: a `ReceptiveField` of the layer; None computes it.
        verbose: 1 shows a progress bar.
        reader: internal, a forward pass that exists already.

    Returns:
        `EmpiricalFields`.

    Raises:
        ValueError: for images of a wrong shape, or numbers below 1.
    """
    images = np.asarray(images, "float32")
    if images.ndim != 4 or not len(images):
        raise ValueError(
            "`images` must have shape [images, height, width, channels] and hold at least one. "
            f"Received: images.shape={images.shape}"
        )
    height, width = images.shape[1:3]
    patch = max(min(height, width) // 14, 1) if patch is None else patch
    stride = patch if stride is None else stride
    where = "empirical_receptive_fields"
    for name, value in (("patch", patch), ("stride", stride), ("top", top)):
        check.whole_number(value, name, where, at_least=1)
    if reader is None:
        reader = MapReader(model, layer, batch_size)
    if receptive_field is None:
        receptive_field = compute_receptive_field(model, reader.layer, input_size=(height, width))
    filters = np.atleast_1d(np.asarray(filters, int))
    if not len(filters):
        check.refuse([], "filters", where, "the numbers of one or more filters")
    counts = _strongest_images(reader, images, receptive_field.centers, filters, top)
    used = np.flatnonzero(counts.any(axis=1))
    total, seen = recentered_discrepancies(
        reader,
        images[used],
        receptive_field.centers,
        stride=stride,
        patch=patch,
        filters_of=counts[used],
        verbose=verbose,
    )
    mean = mean_discrepancy(total[..., filters], seen[..., filters])
    highest = mean.max(axis=(0, 1))
    radius = np.where(highest > 0, disc_radius(mean, stride), np.nan)
    scaled = mean / np.where(highest > 0, highest, 1.0)
    cells = np.moveaxis(scaled, -1, 0)
    maps = np.stack([_in_pixels(one, stride, height, width) for one in cells])
    return EmpiricalFields(filters, maps.astype("float32"), radius)


def _strongest_images(reader, images, centers, filters, top):
    """bool `[images, all filters]`: the `top` images of each of these filters."""
    size = reader.batch_size
    strengths = np.concatenate(
        [peaks_of(reader(images[i : i + size])[0], centers)[1] for i in range(0, len(images), size)]
    )
    counts = np.zeros(strengths.shape, bool)
    for f in filters:
        counts[np.argsort(-strengths[:, f], kind="stable")[:top], f] = True
    return counts


def _in_pixels(cells, stride, height, width):
    """Cells `stride` pixels apart, the middle one at the peak, interpolated to single pixels."""
    ny, nx = (n // 2 for n in cells.shape)
    y, x = np.arange(-ny, ny + 1) * stride, np.arange(-nx, nx + 1) * stride
    to_y, to_x = np.arange(1 - height, height), np.arange(1 - width, width)
    rows = np.stack([np.interp(to_x, x, row, left=0, right=0) for row in cells])
    return np.stack([np.interp(to_y, y, column, left=0, right=0) for column in rows.T], axis=1)

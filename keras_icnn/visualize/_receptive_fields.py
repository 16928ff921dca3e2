"""What filters really respond to: empirical receptive fields over their strongest images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._figure import (
    MAP_COLORS,
    bare,
    check_path,
    lit,
    new_figure,
    save,
)
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.metrics import MapReader, empirical_receptive_fields
from keras_icnn.visualize._checks import check_counts, checked_filters
from keras_icnn.visualize._peaks import measured_peaks

if TYPE_CHECKING:
    import os

    import keras
    from matplotlib.figure import Figure


def receptive_fields(
    model: keras.Model,
    dataset: Any,
    filters: Sequence[int] | int | None = None,
    layer: keras.layers.Layer | str | None = None,
    n: int = 5,
    path: str | os.PathLike[str] | None = None,
    *,
    patch: int | None = None,
    stride: int | None = None,
    title: str | None = None,
    batch_size: int = 32,
    verbose: int = 0,
    reader: MapReader | None = None,
) -> Figure:
    """Shows filters' empirical receptive fields, alone and laid over their strongest images.

    One row a filter: its field, measured by moving a patch over its `n` strongest images, recentred
    on the peak and averaged (Zhou et al., the paper's [38]); then these images, bright where the
    field covers them, with a line at half its height. Paper Figs. 5, 7-9.

    It takes `(height / stride) * (width / stride)` forward passes an image, 196 of 224 x 224
    pixels by default, for at most `n` images a filter.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: images of one size, in any form that `metrics.evaluate` takes; use held-out
            ones.
        filters: numbers of filters, or one; None: the three with the highest mean peak.
        layer: layer or name; None: the topmost interpretable layer, else the topmost map.
        n: images a filter.
        path: file to write, its format by its ending; None writes none.
        patch, stride: side of the patch and pixels between its places; None: a fourteenth of the
            image's shorter side, and the same.
        title: of the figure; None says which layer it is.
        batch_size: images per forward pass.
        verbose: 1 shows a progress bar.
        reader: internal, a forward pass that exists already (`MapReader`).

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a layer, filter, data set or path that does not fit.

    Reference:
        [Object Detectors Emerge in Deep Scene CNNs](https://arxiv.org/abs/1412.6856)
    """
    check_counts(n=n)
    check_path(path)
    dataset = as_part_dataset(dataset, model, "receptive_fields")
    new_figure(1, 1, 1, 1)  # a missing matplotlib is told before the measuring
    reader = reader or MapReader(model, layer, batch_size)
    peaks = measured_peaks(reader, dataset, batch_size)
    chosen = checked_filters(filters, peaks.strengths.shape[1], peaks.most_active())
    used = sorted({i for f in chosen for i in peaks.strongest(f, n)})
    fields = None
    if used:
        fields = empirical_receptive_fields(
            model,
            np.stack([dataset.image(i) for i in used]),
            chosen,
            patch=patch,
            stride=stride,
            top=n,
            receptive_field=reader.field,
            verbose=verbose,
            reader=reader,
        )
    figure, axes = new_figure(1.7 * (n + 1) + 0.4, 1.85 * len(chosen) + 0.8, len(chosen), n + 1)
    for number, (row, f) in enumerate(zip(axes, chosen, strict=True)):
        images = peaks.strongest(f, n)
        if images:
            _field(row[0], fields, number)
        row[0].set_ylabel(f"filter {f}", fontsize=11)
        for axis, i in zip(row[1:], images, strict=False):
            weight = fields.at(number, peaks.places[i, f])
            axis.imshow(lit(dataset.image(i), 2 * weight))
            if weight.max() > 0.5 > weight.min():
                axis.contour(weight, levels=[0.5], colors="white", linewidths=1)
            axis.set_title(dataset.class_names[int(dataset.labels[i])], fontsize=9)
            bare(axis)
        for axis in row[1 + len(images) :]:
            axis.set_axis_off()
        if not images:
            row[0].text(0.5, 0.5, "fires on\nnone", ha="center", va="center")
            bare(row[0])
    figure.suptitle(
        title or f"Empirical receptive fields\nlayer '{reader.layer.name}' of {model.name}",
        fontsize=12,
    )
    return save(figure, path)


def _field(axis, fields, number):
    """The middle of a field, as wide as the image, with its radius."""
    values = fields.maps[number]
    height, width = (n // 2 + 1 for n in values.shape)
    top, left = height // 2, width // 2
    axis.imshow(values[top : top + height, left : left + width], vmin=0, vmax=1, cmap=MAP_COLORS)
    axis.set_title(f"radius {fields.radius[number]:.0f} pixels", fontsize=9)
    bare(axis)

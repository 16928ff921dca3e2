"""Where all filters of a layer fire, over images (paper Fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._figure import (
    MAP_COLORS,
    as_picture,
    bare,
    check_path,
    heat,
    new_figure,
    save,
    show,
)
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.metrics import MapReader
from keras_icnn.visualize._checks import check_counts, check_dataset, checked_filters
from keras_icnn.visualize._regions import region_radius

if TYPE_CHECKING:
    import os

    import keras
    from matplotlib.figure import Figure


def part_heatmap(
    model: keras.Model,
    dataset: Any,
    layer: keras.layers.Layer | str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    n: int = 6,
    filters: Sequence[int] | int | None = None,
    radius: float | None = None,
    title: str | None = None,
    batch_size: int = 32,
    reader: MapReader | None = None,
) -> Figure:
    """Shows where the filters of a layer fire, all together, on some images.

    Each filter that fires (above a tenth of its highest peak over these images) puts a spot the
    size of its region on its peak. Bright: many filters look there. All images have one scale, the
    share of the filters. Paper Fig. 6.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: images of one size, in any form that `metrics.evaluate` takes.
        layer: layer or name; None: the topmost interpretable layer, else the topmost map.
        path: file to write, its format by its ending; None writes none.
        n: how many images, spread over the data set; all of them where there are fewer.
        filters: numbers of the filters to add up; None: all.
        radius: of a filter's region in pixels; None: a quarter of the theoretical receptive field.
        title: of the figure; None says which layer it is.
        batch_size: images per forward pass.
        reader: internal, a forward pass that exists already (`MapReader`).

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a layer, filter, data set or path that does not fit.

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935), Fig. 6
    """
    check_counts(n=n)
    check_path(path)
    dataset = as_part_dataset(dataset, model, "part_heatmap")
    check_dataset(dataset)
    places = np.unique(np.linspace(0, len(dataset) - 1, min(n, len(dataset))).round().astype(int))
    images = np.stack([dataset.image(int(i)) for i in places])
    reader = reader or MapReader(model, layer, min(batch_size, len(images)))
    maps = reader.maps(images)
    every = range(maps.after.shape[-1])
    chosen = checked_filters(every if filters is None else filters, len(every))
    values = spots(maps.after[..., chosen], reader.field, region_radius(radius, reader.field))
    figure, axes = new_figure(1.75 * len(images) + 0.9, 4.2, 2, len(images))
    top = float(values.max())
    for column, image, value in zip(axes.T, images, values, strict=True):
        show(column[0], image)
        share = np.clip(value / top if top > 0 else value, 0, 1)[..., None]
        # The picture stays visible, in gray, where nothing fires.
        gray = as_picture(image).mean(axis=-1, keepdims=True) / 255
        weight = 0.25 + 0.75 * np.sqrt(share)
        column[1].imshow(np.clip((1 - weight) * gray + weight * heat(value, top), 0, 1))
        bare(column[1])
    axes[0, 0].set_ylabel("image", fontsize=11)
    axes[1, 0].set_ylabel("where filters fire", fontsize=11)
    _scale(figure, axes, top)
    figure.suptitle(
        title or f"All {len(chosen)} filters of layer '{reader.layer.name}' of {model.name}",
        fontsize=12,
    )
    return save(figure, path)


def _scale(figure, axes, top):
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(
        ScalarMappable(Normalize(0, max(top, 1e-12)), MAP_COLORS),
        ax=list(axes[:, -1]),
        fraction=0.1,
        aspect=30,
    )
    bar.set_ticks([0, max(top, 1e-12)], labels=["no filter", f"{top:.0%} of\nthe filters"])


def spots(maps, field, radius):
    """The mean over filters of spots at their peaks, at image resolution.

    Args:
        maps: float `[images, h, w, filters]`, not negative.
        field: `ReceptiveField` of the layer.
        radius: pixels at which a spot has fallen to about 14 % (two standard deviations).

    Returns:
        float64 `[images, height, width]`; 1 is all filters at one place.
    """
    images, _, _, filters = maps.shape
    flat = maps.reshape(images, -1, filters)
    strength = flat.max(axis=1).astype("float64")
    fires = (strength > 0.1 * strength.max(axis=0)) / filters
    peaks = field.centers.reshape(-1, 2)[flat.argmax(axis=1)]
    height, width = field.image_size
    x = np.exp(-0.5 * ((np.arange(width) - peaks[..., :1]) / (radius / 2)) ** 2)
    y = np.exp(-0.5 * ((np.arange(height) - peaks[..., 1:]) / (radius / 2)) ** 2)
    return np.einsum("if,ifh,ifw->ihw", fires, y, x)

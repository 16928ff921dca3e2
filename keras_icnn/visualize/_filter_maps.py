"""A filter's map, its mask, the masked map and where it looks in the image (paper Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._figure import (
    MAP_COLORS,
    bare,
    check_path,
    lit,
    mark,
    new_figure,
    save,
    show,
)
from keras_icnn.datasets._as_part_dataset import as_image
from keras_icnn.metrics import MapReader
from keras_icnn.visualize._checks import checked_filters
from keras_icnn.visualize._regions import region_radius, seen_region

if TYPE_CHECKING:
    import os

    import keras
    from matplotlib.figure import Figure

_SEEN = "what it looks at"
_HEADINGS = ("image, ring at the peak", "map before the mask", "mask", "masked map (output)", _SEEN)
_HEADINGS_UNMASKED = ("image, ring at the peak", "map (output)", _SEEN)


def filter_maps(
    model: keras.Model,
    image: Any,
    filters: Sequence[int] | int | None = None,
    layer: keras.layers.Layer | str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    radius: float | None = None,
    title: str | None = None,
    names: Sequence[str] | None = None,
    reader: MapReader | None = None,
) -> Figure:
    """Shows what filters make of one image: map before the mask, mask, masked map, receptive field.

    One row a filter. Within a row both maps have one scale, given at the side. Last comes the image
    as far as the (masked) map's units see it, each in a round receptive field and as bright as its
    activation. For an ordinary layer, which has no mask, there is one map. Paper Fig. 4.

    Args:
        model: functional or sequential Keras model, channels last.
        image: `[height, width, 3]`, 0 to 255, as the model takes it, a `Sample`, or the path of a
            file.
        filters: numbers of filters, or one; None: the three that fire most strongly here.
        layer: layer or name; None: the topmost interpretable layer, else the topmost map.
        path: file to write, its format by its ending; None writes none.
        radius: of a unit's receptive field (and of the ring) in pixels; None: a quarter of the
            theoretical one. `keras_icnn.metrics.occlusion_radius` measures it.
        title: of the figure; None says which layer it is.
        names: labels of the rows, as many as `filters`; None: "filter 7".
        reader: internal, a forward pass that exists already (`MapReader`).

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for an image, layer, filter or path that does not fit.
        FileNotFoundError, OSError: for a file that is not there, or is no image.

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935), Fig. 4
    """
    check_path(path)
    image = np.asarray(as_image(image, model, "filter_maps"))
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(
            "`image` must be one picture of shape [height, width, 3]. Received: shape "
            f"{image.shape}. Pass `images[0]` of a batch."
        )
    maps = (reader or MapReader(model, layer, 1)).maps(image[None], before=True)
    strongest = np.argsort(-maps.after.max(axis=(0, 1, 2)), kind="stable")
    chosen = checked_filters(filters, maps.after.shape[-1], strongest)
    if names is not None and len(names) != len(chosen):
        raise ValueError(
            f"`names` must label each of the {len(chosen)} filters. Received: {len(names)} names"
        )
    masks = maps.masks() if maps.masked else None
    columns = 5 if maps.masked else 3
    figure, axes = new_figure(1.9 * columns + 1.6, 1.95 * len(chosen) + 0.75, len(chosen), columns)
    radius = region_radius(radius, maps.field)
    for number, (row, f) in enumerate(zip(axes, chosen, strict=True)):
        before, after = maps.before[0, :, :, f], maps.after[0, :, :, f]
        show(row[0], image)
        if after.max() > 0:
            mark(row[0], maps.peak(0, f), radius)
        row[0].set_ylabel(f"filter {f}" if names is None else names[number], fontsize=11)
        fires = before.max() > 0
        # A silent map has no peak, and so no place for its mask.
        panels = [before] if masks is None else [before, masks[0, :, :, f] * fires, after]
        top = float(before.max()) if fires else 1.0
        for panel, (axis, values) in enumerate(zip(row[1:-1], panels, strict=True)):
            limit = 1.0 if panel == 1 else top
            drawn = axis.imshow(
                values, vmin=0, vmax=limit, cmap="gray" if panel == 1 else MAP_COLORS
            )
            bare(axis)
        # At full light where half of the highest activation reaches.
        row[-1].imshow(lit(image, 2 * seen_region(after, maps.field, radius)))
        bare(row[-1])
        # One scale for both maps of the row.
        bar = figure.colorbar(drawn, ax=list(row[:-1]), fraction=0.03, pad=0.01, ticks=[0, top])
        bar.ax.set_yticklabels(["0", f"{top:.2g}" if fires else "silent"])
    for axis, heading in zip(
        axes[0], _HEADINGS if maps.masked else _HEADINGS_UNMASKED, strict=True
    ):
        axis.set_title(heading, fontsize=11)
    figure.suptitle(title or f"Layer '{maps.layer.name}' of {model.name}", fontsize=12)
    return save(figure, path)

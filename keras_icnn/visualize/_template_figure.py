"""The part templates of a layer (paper Fig. 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_icnn._figure import bare, check_path, new_figure, save
from keras_icnn.layers import FilterLoss
from keras_icnn.layers._templates import TemplateBank
from keras_icnn.models._map_reading import interpretable_filters
from keras_icnn.visualize._checks import check_counts

if TYPE_CHECKING:
    import os

    import keras
    from matplotlib.figure import Figure

_COLORS = "RdBu_r"


def templates(
    source: keras.Model | keras.layers.Layer | TemplateBank,
    layer: keras.layers.Layer | str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    n: int = 3,
    title: str | None = None,
) -> Figure:
    """Shows part templates: positive ones for parts at several places, and the negative one.

    Red: where activations fit the template, blue: where they do not. The positive ones are drawn
    where their parts are on the map. Paper Fig. 3.

    Args:
        source: a model with an interpretable layer, such a layer, or templates of a map size:
            `keras_icnn.PartTemplates(...).for_maps(height, width)`.
        layer: of a model: layer or name; None: the topmost interpretable layer.
        path: file to write, its format by its ending; None writes none.
        n: places along each side of the map, corners included.
        title: of the figure; None says which layer it is, and the templates' constants.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a layer that is not interpretable, or a path that does not fit.

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935), Fig. 3
    """
    check_counts(n=n)
    check_path(path)
    bank, name = _templates(source, layer)
    rows, columns = (
        np.unique(np.linspace(0, size - 1, min(n, size)).round().astype(int))
        for size in (bank.height, bank.width)
    )
    drawings = bank.bank()
    figure, axes = new_figure(
        1.35 * (len(columns) + 1) + 1.2, 1.5 * len(rows) + 0.9, len(rows), len(columns) + 1
    )
    for line, i in zip(axes, rows, strict=True):
        for axis, j in zip(line, columns, strict=False):
            drawn = _template(axis, drawings[i * bank.width + j], bank.tau)
            axis.set_title(f"part at ({j}, {i})", fontsize=9)
    for axis in axes[:, -1]:
        axis.set_axis_off()
    negative = axes[len(rows) // 2, -1]
    negative.set_axis_on()
    _template(negative, drawings[-1], bank.tau)
    negative.set_title("no part", fontsize=9)
    bar = figure.colorbar(drawn, ax=list(axes[:, -1]), ticks=[-bank.tau, 0, bank.tau], fraction=0.2)
    bar.ax.set_yticklabels(["\N{MINUS SIGN}tau", "0", "tau"])
    constants = f"tau = {bank.tau:.3g}, beta = {bank.beta:g}, {bank.norm.upper()} distance"
    size = f"{bank.height} x {bank.width} units"
    figure.suptitle(title or f"Templates{name}, {size}\n{constants}", fontsize=11)
    return save(figure, path)


def _templates(source, layer):
    """The `TemplateBank` of what was given, and what to call them."""
    if isinstance(source, TemplateBank):
        return source, ""
    if hasattr(source, "layers"):
        from keras_icnn.metrics import measured_layer

        source = measured_layer(source, layer)
    filters = interpretable_filters(source)
    if filters is None:
        raise ValueError(
            "`source` must be a model with an interpretable layer, such a layer, or "
            "`PartTemplates(...).for_maps(height, width)`. "
            f"Received: {getattr(source, 'name', source)!r}"
        )
    shape = source.output.shape
    if filters.data_format == "channels_first":
        shape = (shape[0], *shape[2:], shape[1])
    # Without a loss the mask has the default rule's templates.
    rule = FilterLoss.parse(filters.filter_loss or "default")
    return rule.templates.for_maps(*shape[1:3]), f" of layer '{source.name}'"


def _template(axis, values, tau):
    drawn = axis.imshow(values, vmin=-tau, vmax=tau, cmap=_COLORS)
    bare(axis)
    return drawn

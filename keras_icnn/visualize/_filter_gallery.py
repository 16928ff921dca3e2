"""The images that a filter fires on most strongly, with the place marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._figure import check_path, mark, new_figure, save, show
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.metrics import MapReader
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.models._map_reading import interpretable_filters
from keras_icnn.visualize._checks import check_counts, checked_filters
from keras_icnn.visualize._peaks import measured_peaks
from keras_icnn.visualize._regions import region_radius

if TYPE_CHECKING:
    import os

    import keras
    from matplotlib.figure import Figure

    from keras_icnn.visualize._peaks import Peaks


def filter_gallery(
    model: keras.Model,
    dataset: Any,
    filter: int,
    layer: keras.layers.Layer | str | None = None,
    n: int = 12,
    path: str | os.PathLike[str] | None = None,
    *,
    compare: keras.Model | None = None,
    compare_filter: int | None = None,
    compare_layer: keras.layers.Layer | str | None = None,
    columns: int = 6,
    radius: float | None = None,
    title: str | None = None,
    batch_size: int = 32,
    reader: MapReader | None = None,
    peaks: Peaks | None = None,
) -> Figure:
    """Shows the images on which a filter is strongest, its peak ringed in each.

    A filter that stands for a part has its ring on the same part every time. Paper Figs. 5, 7-9.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: images of one size, in any form that `metrics.evaluate` takes; use held-out
            ones.
        filter: number of the filter.
        layer: layer or name; None: the topmost interpretable layer, else the topmost map.
        n: how many images; fewer are shown where it fires on fewer.
        path: file to write, its format by its ending; None writes none.
        compare: another model, such as the ordinary twin, whose filter is shown below in the same
            way on its own strongest images.
        compare_filter: number of that filter; None: the one that fires most on the images this
            filter fires on (its strengths over the data set correlate best).
        compare_layer: that model's layer, as `layer`.
        columns: images in a row.
        radius: of the ring in pixels; None: a quarter of the theoretical receptive field.
        title: of the figure; None says which filter it is, and of which category.
        batch_size: images per forward pass.
        reader: internal, a forward pass that exists already (`MapReader`).
        peaks: internal, its `Peaks` over `dataset`, where known already.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a layer, filter, data set or path that does not fit.
    """
    check_counts(n=n, columns=columns)
    check_path(path)
    dataset = as_part_dataset(dataset, model, "filter_gallery")
    if compare is None and (compare_filter is not None or compare_layer is not None):
        raise ValueError(
            "`compare_filter` and `compare_layer` belong to a model given as `compare`. Received: "
            "compare=None"
        )
    shown = [_Chosen(model, dataset, filter, layer, n, batch_size, reader, peaks)]
    if compare is not None:
        other = MapReader(compare, compare_layer, batch_size)
        theirs = measured_peaks(other, dataset, batch_size)
        if compare_filter is None:
            compare_filter = most_alike(shown[0].strengths, theirs.strengths)
        shown.append(
            _Chosen(compare, dataset, compare_filter, compare_layer, n, batch_size, other, theirs)
        )
    columns = min(columns, max(1, *(len(block.order) for block in shown)))
    heights = [max(-(-len(block.order) // columns), 1) for block in shown]
    figure, axes = new_figure(
        1.55 * columns, 1.8 * sum(heights) + 0.85 + 0.15 * len(shown), sum(heights), columns
    )
    first = 0
    for block, height in zip(shown, heights, strict=True):
        rows = axes[first : first + height]
        _draw(rows, block, dataset, region_radius(radius, block.reader.field))
        if len(shown) > 1:
            rows[0, 0].set_axis_on()
            rows[0, 0].set_ylabel(
                f"{block.model.name}\nfilter {block.filter}", fontsize=10, loc="center"
            )
        first += height
    figure.supxlabel("ring: where the filter fires; number: how strongly", fontsize=9)
    figure.suptitle(title or _title(shown, dataset), fontsize=12)
    return save(figure, path)


class _Chosen:
    """One filter and its strongest images."""

    def __init__(self, model, dataset, filter, layer, n, batch_size, reader, peaks):
        self.model = model
        self.reader = reader or MapReader(model, layer, batch_size)
        peaks = peaks or measured_peaks(self.reader, dataset, batch_size)
        (self.filter,) = checked_filters(filter, peaks.strengths.shape[1], ())
        self.strengths = peaks.strengths[:, self.filter]
        self.places = peaks.places[:, self.filter]
        self.order = peaks.strongest(self.filter, n)


def most_alike(strengths, others):
    """The filter of another network that fires on the same images: highest correlation.

    Args:
        strengths: float `[images]`.
        others: float `[images, filters]`.

    Returns:
        int; of equal ones, and where nothing correlates, the one that fires most.
    """
    a = strengths - strengths.mean()
    b = others - others.mean(axis=0)
    size = np.sqrt((a**2).sum() * (b**2).sum(axis=0))
    alike = np.where(size > 0, a @ b / np.where(size > 0, size, 1.0), -1.0)
    best = np.flatnonzero(alike >= alike.max() - 1e-9)
    return int(best[others[:, best].mean(axis=0).argmax()])


def _draw(axes, block, dataset, radius):
    for axis, i in zip(axes.flat, block.order, strict=False):
        show(axis, dataset.image(i))
        mark(axis, block.places[i], radius)
        name = dataset.class_names[int(dataset.labels[i])]
        axis.set_title(f"{name}  {block.strengths[i]:.1f}", fontsize=9)
    for axis in axes.flat[len(block.order) :]:
        axis.set_axis_off()


def _title(shown, dataset):
    block = shown[0]
    if len(shown) > 1:
        return (
            f"Filter {block.filter} of {block.model.name} beside filter {shown[1].filter} of "
            f"{shown[1].model.name}: strongest images of {len(dataset)}"
        )
    name = f"Filter {block.filter} of {block.model.name}"
    if not block.order:
        return f"{name} fires on none of these {len(dataset)} images"
    category = _category_name(block, dataset)
    target = f", category '{category}'" if category else ""
    return f"{name}{target}: its {len(block.order)} strongest images of {len(dataset)}"


def _category_name(block, dataset):
    """Name of the filter's target category, or "" where there is none or no name."""
    inner = interpretable_filters(block.reader.layer)
    if inner is None or dataset.class_names is None:
        return ""
    class_names = in_model_classes(block.model, dataset, block.reader.layer).class_names
    target = int(inner.target_categories()[block.filter])
    return str(class_names[target]) if 0 <= target < len(class_names) else ""

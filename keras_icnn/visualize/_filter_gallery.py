"""The images that a filter fires on most strongly, with the place marked."""

import numpy as np

from keras_icnn.visualize._figure import mark, new_figure, save, show
from keras_icnn.visualize._maps import MapsReader, category_name, checked_filters, region_radius


def filter_gallery(
    model,
    dataset,
    filter,
    layer=None,
    n=12,
    path=None,
    *,
    columns=6,
    radius=None,
    title=None,
    batch_size=32,
    reader=None,
):
    """Shows the images on which a filter is strongest, its peak ringed in each.

    A filter that stands for a part has its ring on the same part every time. Paper Figs. 5, 7-9.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: `PartDataset` of images of one size; use held-out ones.
        filter: number of the filter.
        layer: layer or name; None: the topmost interpretable layer, else the topmost map.
        n: how many images; fewer are shown where it fires on fewer.
        path: file to write, its format by its ending; None writes none.
        columns: images in a row.
        radius: of the ring in pixels; None: a quarter of the theoretical receptive field.
        title: of the figure; None says which filter it is, and of which category.
        batch_size: images per forward pass.
        reader: internal, a forward pass that exists already (`MapsReader`).

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a layer, filter, data set or path that does not fit.
    """
    if n < 1 or columns < 1:
        raise ValueError(
            f"`n` and `columns` must be at least 1. Received: n={n}, columns={columns}"
        )
    reader = reader or MapsReader(model, layer, batch_size)
    strengths, peaks = _peaks(reader, dataset, filter, batch_size)
    order = [i for i in np.argsort(-strengths, kind="stable")[:n] if strengths[i] > 0]
    columns = min(columns, max(len(order), 1))
    rows = max(-(-len(order) // columns), 1)
    figure, axes = new_figure(1.55 * columns, 1.8 * rows + 0.85, rows, columns)
    radius = region_radius(radius, reader.field)
    for axis, i in zip(axes.flat, order, strict=False):
        show(axis, dataset.image(int(i)))
        mark(axis, peaks[i], radius)
        name = dataset.class_names[int(dataset.labels[i])]
        axis.set_title(f"{name}  {strengths[i]:.1f}", fontsize=9)
    for axis in axes.flat[len(order) :]:
        axis.set_axis_off()
    figure.supxlabel("ring: where the filter fires; number: how strongly", fontsize=9)
    figure.suptitle(title or _title(model, reader.layer, filter, dataset, len(order)), fontsize=12)
    return save(figure, path)


def _title(model, layer, filter, dataset, shown):
    if not shown:
        return f"Filter {filter} of {model.name} fires on none of these {len(dataset)} images"
    category = category_name(layer, filter, dataset.class_names)
    target = f", category '{category}'" if category else ""
    return (
        f"Filter {filter} of {model.name}{target}: its {shown} strongest images of {len(dataset)}"
    )


def _peaks(reader, dataset, filter, batch_size):
    """Strength `[images]` and peak `[images, 2]` of one filter; maps are not kept."""
    if not len(dataset):
        raise ValueError("`dataset` must hold at least one image. Received: none")
    strengths, peaks = [], []
    batches = dataset.batches(batch_size)
    for number in range(len(batches)):
        maps = reader(batches[number][0])
        (f,) = checked_filters(filter, maps.after.shape[-1], ())
        one = maps.after[:, :, :, f].reshape(len(maps.after), -1)
        strengths.append(one.max(axis=1))
        peaks.append(reader.field.centers.reshape(-1, 2)[one.argmax(axis=1)])
    return np.concatenate(strengths), np.concatenate(peaks)

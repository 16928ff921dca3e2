"""Which category each filter stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._figure import MAP_COLORS, check_path, new_figure, save
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.metrics import MapReader, measured_layer
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.models._map_reading import interpretable_filters
from keras_icnn.visualize._checks import check_dataset

if TYPE_CHECKING:
    import os

    import keras
    from matplotlib.figure import Figure


def category_filters(
    model: keras.Model,
    dataset: Any = None,
    layer: keras.layers.Layer | str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
    batch_size: int = 32,
) -> Figure:
    """Shows which filters each category has, and how exclusively they fire on it.

    Left, how many filters have each category for their target. Right, a column a filter: the mean
    over each category's images of its activation (summed over the map), as a share of its highest;
    filters are in the order of their categories, then of how exclusive they are. A filter that
    stands for a part of one category has one bright place. Paper section 3.1.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: `PartDataset` to measure the activations on, for any network. None: the running
            means that an interpretable layer keeps of its training images.
        layer: layer or name; None: the topmost interpretable layer, else the topmost map.
        path: file to write, its format by its ending; None writes none.
        class_names: names of the classes; None: the data set's, else numbers.
        title: of the figure; None says which layer it is.
        batch_size: images per forward pass.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: without a data set, for an ordinary layer or one that was not trained; for a
            number of names or a path that does not fit.
    """
    check_path(path)
    if dataset is not None:
        dataset = as_part_dataset(dataset, model, "category_filters")
        check_dataset(dataset)
        reader = MapReader(model, layer, batch_size)
        if interpretable_filters(reader.layer) is not None:
            dataset = in_model_classes(model, dataset, reader.layer)
        measured, means, known = reader.layer, *_measured(reader, dataset, batch_size)
        class_names = dataset.class_names if class_names is None else class_names
    else:
        measured = measured_layer(model, layer)
        means, known = _kept(measured)
    names = [f"class {c}" for c in range(len(means))] if class_names is None else list(class_names)
    if len(names) != len(means):
        raise ValueError(
            f"`class_names` must name the {len(means)} classes. Received: {len(names)} names"
        )
    shown = np.flatnonzero(known)
    share = means / np.where(means.max(axis=0) > 0, means.max(axis=0), 1.0)
    target = _targets(measured, means)
    others = share.sum(axis=0) - share[target, np.arange(len(target))]
    order = np.lexsort((others, target))
    figure, axes = new_figure(
        10, max(2.6, 0.32 * len(shown) + 1.5), 1, 2, width_ratios=(1, 3), sharey=True
    )
    bars, table = axes[0]
    _draw_counts(bars, [int((target == c).sum()) for c in shown], [names[c] for c in shown])
    drawn = table.imshow(
        share[shown][:, order],
        vmin=0,
        vmax=1,
        cmap=MAP_COLORS,
        aspect="auto",
        interpolation="nearest",
    )
    bars.set_ylim(len(shown) - 0.5, -0.5)
    table.set_xlabel(f"{len(target)} filters, by category")
    table.set_xticks([])
    table.tick_params(left=False)
    figure.colorbar(drawn, ax=table, fraction=0.04, label="mean activation,\nshare of the highest")
    figure.suptitle(
        title or f"Categories of the filters of layer '{measured.name}' of {model.name}",
        fontsize=12,
    )
    return save(figure, path)


def _targets(layer, means):
    """Each filter's category: its own target where it has one, else where it is most active."""
    target = means.argmax(axis=0)
    filters = interpretable_filters(layer)
    if filters is None:
        return target
    own = np.asarray(filters.target_categories())
    return np.where(own >= 0, own, target)


def _draw_counts(bars, counts, names):
    """How many filters have each category for their target."""
    places = np.arange(len(counts))
    bars.barh(places, counts, color="#0072b2", height=0.7)
    for place, count in zip(places, counts, strict=True):
        bars.annotate(
            str(count),
            (count, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    bars.margins(x=0.25)
    bars.set_yticks(places, names)
    bars.set_xlabel("filters with this target")
    for side in ("top", "right"):
        bars.spines[side].set_visible(False)


def _measured(reader, dataset, batch_size):
    """Mean sum of each filter's map over each class's images `[classes, filters]`; which are."""
    classes = len(dataset.class_names)
    sums, count = None, np.zeros(classes)
    batches = dataset.batches(batch_size)
    for number in range(len(batches)):
        images, labels = batches[number]
        labels = np.asarray(labels).astype(int)
        total = reader.maps(images).after.sum(axis=(1, 2), dtype="float64")
        sums = np.zeros((classes, total.shape[1])) if sums is None else sums
        np.add.at(sums, labels, total)
        np.add.at(count, labels, 1)
    return sums / np.maximum(count, 1)[:, None], count > 0


def _kept(layer):
    """The running means of an interpretable layer."""
    filters = interpretable_filters(layer)
    if filters is None:
        raise ValueError(
            f"Layer '{layer.name}' is an ordinary one and keeps no class means: pass a `dataset`."
        )
    state = filters.state
    if not (state.class_count > 0).any():
        raise ValueError(
            f"Layer '{layer.name}' has seen no labels yet: train the model, or pass a `dataset`."
        )
    return state.class_activation, state.class_count > 0

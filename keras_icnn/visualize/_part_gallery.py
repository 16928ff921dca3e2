"""What the parts of a category are: a row a part, its filters ringed on some images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn._figure import check_path, new_figure, save, show
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.metrics import MapReader, peaks_of
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.models._name_parts import given_names
from keras_icnn.models._part_membership import part_key, part_membership
from keras_icnn.visualize._checks import check_counts, check_dataset

if TYPE_CHECKING:
    import os

    import keras
    from matplotlib.figure import Figure


# A filter fires where it reaches this share of its highest peak over the images shown.
_FIRES = 0.1
_RING = "#ff3b1f"


def part_gallery(
    model: keras.Model,
    dataset: Any,
    category: str | int,
    layer: keras.layers.Layer | str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    n: int = 8,
    filters: int = 8,
    title: str | None = None,
    batch_size: int = 32,
) -> Figure:
    """Shows each part of a category on the same images of it.

    A row a part, a column an image. Rings mark where the part's filters fire: where they lie on
    one another, the filters agree, and where they lie on the same place of the object in every
    column, the part is real. Use it to find a name for a part.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: images of one size, in any form that `metrics.evaluate` takes; those of the
            category are shown.
        category: name or number of the class.
        layer: layer or name; None: the topmost interpretable layer.
        path: file to write, its format by its ending; None writes none.
        n: how many images, spread over those of the category; all where there are fewer.
        filters: how many filters of each part are ringed, those that fire most.
        title: of the figure; None says which layer it is.
        batch_size: images per forward pass.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a layer without parts, a category without filters or images, and arguments
            that do not fit.
    """
    check_counts(n=n, filters=filters)
    check_path(path)
    dataset = as_part_dataset(dataset, model, "part_gallery")
    check_dataset(dataset)
    reader = MapReader(model, layer, min(batch_size, n, len(dataset)))
    if part_membership(reader.layer) is not None:
        dataset = in_model_classes(model, dataset, reader.layer)
    number, name = _class(dataset, category)
    mine = np.flatnonzero(np.asarray(dataset.labels) == number)
    if not len(mine):
        raise ValueError(f"`dataset` has no image of the category '{name}' to show.")
    places = np.unique(np.linspace(0, len(mine) - 1, min(n, len(mine))).round().astype(int))
    images = np.stack([dataset.image(int(mine[i])) for i in places])
    parts = _parts_of(reader.layer, number, name)
    given = given_names(model, reader.layer)
    maps = reader.maps(images).after
    peaks, strength = peaks_of(maps, reader.field.centers)
    radius = max(float(np.ptp(reader.field.centers[..., 0])) / maps.shape[2] * 0.6, 2.0)
    figure, axes = new_figure(
        1.3 * len(images) + 0.9, 1.3 * len(parts) + 0.6, len(parts), len(images)
    )
    for row, (part, members) in zip(axes, parts.items(), strict=True):
        shown = members[np.argsort(-strength[:, members].mean(axis=0), kind="stable")[:filters]]
        for column, axis in enumerate(row):
            show(axis, images[column])
            fires = strength[column] > _FIRES * strength.max(axis=0)
            for f in shown[fires[shown]]:
                _ring(axis, peaks[column, f], radius)
        called = "\n".join([*filter(None, [given.get((number, part))]), part_key(name, part)])
        row[0].set_ylabel(f"{called}\n{len(members)} filters", fontsize=9)
    figure.suptitle(title or f"Parts of '{name}', layer '{reader.layer.name}'", fontsize=12)
    return save(figure, path)


def _class(dataset, category):
    """Number and name of a class of the data set."""
    names = list(dataset.class_names)
    if isinstance(category, str) and category in names:
        return names.index(category), category
    if not isinstance(category, str) and 0 <= int(category) < len(names):
        return int(category), names[int(category)]
    raise ValueError(
        f"`category` must be one of {names}, or its number. Received: category={category!r}"
    )


def _parts_of(layer, number, name):
    """The filters of each part of a class: dict of part number to an array."""
    membership = part_membership(layer)
    if membership is None:
        raise ValueError(
            f"`layer` must have parts, as those of the default rule do. Received: layer "
            f"'{layer.name}' without; look at its filters with `filter_gallery`."
        )
    category, part = membership
    known = sorted(set(part[(category == number) & (part >= 0)].tolist()))
    if not known:
        raise ValueError(f"No filter of layer '{layer.name}' stands for the category '{name}'.")
    return {k: np.flatnonzero((category == number) & (part == k)) for k in known}


def _ring(axis, center, radius):
    from matplotlib.patches import Circle

    axis.add_patch(Circle(tuple(center), radius, fill=False, edgecolor=_RING, linewidth=1.2))

"""The HTML report: a network's filters, measures and decisions on one page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.explanations._category_effects import effects_with, spread_over_classes
from keras_icnn.explanations._explain import Explainer
from keras_icnn.metrics import (
    MapReader,
    evaluate,
    find_background,
    occlusion_images,
    occlusion_radius,
    receptive_field,
)
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.metrics._training_mark import training_mark
from keras_icnn.models._name_parts import given_names, part_keys
from keras_icnn.models._part_membership import part_membership
from keras_icnn.models._training_images import trained_on
from keras_icnn.visualize import _report_data as data
from keras_icnn.visualize import _report_page as page
from keras_icnn.visualize._checks import check_dataset
from keras_icnn.visualize._regions import region_radius

if TYPE_CHECKING:
    import os

    import keras


# Images that say which filters fire on the same place; more change the groups little.
_REFERENCE = 200
# Images that say what switching a part off does to other categories, and how many passes from the
# maps to the output that may take for all parts.
_OTHERS, _PASSES = 100, 20_000


def report(
    model: keras.Model,
    dataset: Any,
    path: str | os.PathLike[str],
    compare: keras.Model | None = None,
    *,
    layer: keras.layers.Layer | str | None = None,
    compare_layer: keras.layers.Layer | str | None = None,
    n: int = 1000,
    top: int = 12,
    thumbnail: int = 160,
    title: str | None = None,
    radius: float | None = None,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    batch_size: int = 32,
    from_logits: bool | None = None,
    verbose: int = 0,
) -> Path:
    """Writes a page that shows what a network's filters stand for and why it decides as it does.

    One HTML file that opens from disk in any browser of the last years and loads nothing: the
    measures with the trivial detectors beside them, every filter with its strongest images, every
    image with the explanation of its decision (`icnn.explain`, by gradient). With `compare` both
    networks stand side by side, each filter beside the one that has the same rank in the other.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: held-out images of one size, in any form that `metrics.evaluate` takes. Landmarks
            and parts of a `PartDataset` are used; without, filters are listed but not measured.
        path: file to write, in a folder that exists.
        compare: another network for the same classes and images, such as the ordinary twin.
        layer, compare_layer: layer or name in either network; None: the topmost interpretable
            layer, else the topmost map.
        n: most images on the page, spread over the classes. Measures are always taken on the whole
            data set.
        top: how many of its strongest images each filter shows.
        thumbnail: longer side of an image on the page in pixels; smaller images stay as they
            are. The file takes about `n * 7` kB for images of 160 pixels.
        title: title of the page; None: the networks' names.
        radius: radius in pixels of the round receptive fields, for both networks. None: measured by
            occlusion where the data set has parts, else a quarter of the theoretical field. It is
            measured on `compare` if that is given, since an interpretable network should be
            measured with the radius of its ordinary twin.
        preprocess: function applied to each batch of images (float32, 0 to 255), where the networks
            do not do it themselves.
        batch_size: images per forward pass.
        from_logits: whether the networks' outputs are logits, that of `compare` too; None: what
            each network tells.
        verbose: 1 shows progress bars.

    Returns:
        The `pathlib.Path` that was written.

    Raises:
        ImportError: without Jinja2, which comes with the extra `report`.
        ValueError: for networks, layers and data that do not fit together, or a path whose folder
            does not exist.
    """
    dataset = as_part_dataset(dataset, model, "report")
    environment = page.environment()
    path = page.checked_path(path)
    _check(model, dataset, compare, n, top, thumbnail)
    dataset = in_model_classes(model, dataset)
    rows = spread_over_classes(dataset.labels, n)
    shown = dataset.subset(rows)
    networks = [(model, layer), (compare, compare_layer)][: 1 if compare is None else 2]
    names = _names([network.name for network, _ in networks])
    readers = [MapReader(network, chosen, batch_size) for network, chosen in networks]
    size = dataset.image_size
    fields = [receptive_field(r.model, r.layer, input_size=size) for r in readers]
    if radius is None and dataset.part_names:
        radius = _measured_radius(readers[-1], fields[-1], dataset, preprocess, verbose)
    options = {"preprocess": preprocess, "batch_size": batch_size, "from_logits": from_logits}
    reports, packed, trained = [], [], []
    for reader, field, name in zip(readers, fields, names, strict=True):
        recorder = data.Recorder(reader, rows, top)
        measured = evaluate(
            reader.model,
            dataset,
            reader.layer,
            radius=radius,
            receptive_field=field,
            name=name,
            verbose=verbose,
            reader=recorder,
            **options,
        )
        reports.append(measured)
        packed.append(
            {
                "name": name,
                "radius": region_radius(radius, field) / max(size),
                **recorder.packed(field),
                **_explained(reader, recorder, measured, dataset, shown, options, verbose),
            }
        )
        seen = trained_on(reader.model, dataset)
        trained.append(None if seen is None else int(seen.sum()))
        packed[-1]["trained"] = [] if seen is None else np.flatnonzero(seen[rows]).tolist()
    content = {**_images(dataset, shown, thumbnail), "networks": packed}
    title = (title or " beside ".join(names)) + training_mark(model, dataset).suffix
    return page.write(environment, path, content, reports, title, trained)


def _check(model, dataset, compare, n, top, thumbnail):
    for name, value, least in (("n", n, 1), ("top", top, 1), ("thumbnail", thumbnail, 16)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(
                f"`{name}` must be a whole number of at least {least}. Received: {name}={value!r}"
            )
    check_dataset(dataset)
    if compare is None:
        return
    outputs = [tuple(network.outputs[0].shape[1:]) for network in (model, compare)]
    if outputs[0] != outputs[1]:
        raise ValueError(
            "`compare` must answer the same question as `model`: outputs of the same shape, "
            f"{outputs[0]}. Received: {outputs[1]}"
        )


def _measured_radius(reader, field, dataset, preprocess, verbose):
    """Radius in pixels of the round receptive fields, by occlusion."""
    images = occlusion_images(dataset)
    return occlusion_radius(
        reader.model,
        reader.layer,
        images if preprocess is None else np.asarray(preprocess(images)),
        receptive_field=field,
        verbose=verbose,
        reader=reader,
    )


def _explained(reader, recorder, measured, dataset, shown, options, verbose):
    """What the page says of a layer, its filters and the decisions on the images it shows."""
    explainer = Explainer(
        reader.model,
        method="gradient",
        layer=reader.layer,
        reference=shown.subset(spread_over_classes(shown.labels, _REFERENCE)),
        parts=measured if dataset.landmark_names else None,
        class_names=dataset.class_names,
        **options,
    )
    progress = _progress(verbose, f"explain {measured.name}")
    groups = _groups(explainer, explainer.split.filters)
    return {
        "layer": reader.layer.name,
        "interpretable": hasattr(reader.layer, "target_categories"),
        "columns": data.filter_columns(measured),
        "groups": groups,
        "away": _distances(recorder, explainer, groups, shown),
        "effects": _effects(explainer, groups, shown),
        "decisions": data.explanations(
            explainer, shown, dataset.image_size, reader.batch_size, progress
        ),
    }


def _distances(recorder, explainer, groups, shown):
    """How far each filter fires from the annotated part that its group follows."""
    names = list(shown.landmark_names)
    field = explainer._field
    followed = [groups["follows"][group] if group >= 0 else "" for group in groups["of"]]
    labels = np.asarray(shown.labels)
    # A filter without a category counts on all images that show one.
    anything = labels != find_background(shown.class_names)
    counted = np.repeat(anything[:, None], len(followed), axis=1)
    for f, group in enumerate(groups["of"]):
        if group >= 0 and groups["categories"][group] in shown.class_names:
            counted[:, f] = labels == shown.class_names.index(groups["categories"][group])
    return data.steady_distances(
        recorder.peaks(field),
        recorder.firing(),
        shown.landmarks,
        [names.index(name) if name in names else -1 for name in followed],
        counted,
        shown.image_size,
    )


def _effects(explainer, groups, shown):
    """What each category rests on; empty for a layer without parts."""
    count = sum(map(bool, groups["keys"]))
    if not count:
        return []
    found = effects_with(explainer, shown, min(_OTHERS, _PASSES // count))
    return data.effects_of_categories(found, groups["keys"])


def _images(dataset, shown, thumbnail):
    """What the page says of the data set and the images it shows."""
    height, width = dataset.image_size
    return {
        "size": {"width": width, "height": height},
        "classes": [str(name) for name in dataset.class_names],
        "background": find_background(dataset.class_names),
        "landmarks": list(dataset.landmark_names),
        "labels": shown.labels.tolist(),
        "files": [_short_name(name) for name in shown.files],
        "pictures": page.thumbnails(shown, thumbnail),
    }


def _names(names):
    """Names of the networks that differ."""
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


def _short_name(file):
    """A file's name and its folder: enough to find it, and no path of somebody's machine."""
    return "/".join(Path(str(file).replace("\\", "/")).parts[-2:])


def _groups(explainer, filters):
    """Each filter's group, and of the groups, "" where unknown: what they were named, the landmark
    that they follow, their keys here and in the model, and their categories."""
    groups = explainer.groups
    model, layer = explainer.model, explainer.layer
    given = given_names(model, layer)
    own = {place: key for key, place in part_keys(model, layer).items()} if any(groups.keys) else {}
    places = [
        tuple(int(column[members[0]]) for column in part_membership(layer)) if key else None
        for members, key in zip(groups.groups, groups.keys, strict=True)
    ]
    number = [-1] * filters
    for place, members in enumerate(groups.groups):
        for f in members:
            number[int(f)] = place
    return {
        "of": number,
        "names": [given.get(place, "") for place in places],
        "follows": [str(name or "") for name in groups.follows],
        "keys": list(groups.keys),
        # A data set may name a class in another way than the model, which keeps the parts' names.
        "own": [own.get(place, "") for place in places],
        "categories": [key.rpartition("/")[0] for key in groups.keys],
    }


def _progress(verbose, what):
    if not verbose:
        return iter
    from tqdm import tqdm

    return lambda batches: tqdm(batches, desc=what, unit="batch")

"""Every measure of a network in one pass over a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.metrics._evaluate_maps import evaluate_maps
from keras_icnn.metrics._evaluation_report import EvaluationReport
from keras_icnn.metrics._forward_pass import Forward, input_size_of
from keras_icnn.metrics._measured_classes import measured_classes
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.metrics._occlusion_radius import occlusion_images, occlusion_radius
from keras_icnn.metrics._training_mark import TrainingMark, training_mark
from keras_icnn.models._map_reading import MapReader
from keras_icnn.models._output_meaning import output_meaning, settled
from keras_icnn.models._part_membership import part_membership
from keras_icnn.models._receptive_field import receptive_field as compute_receptive_field

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from keras_icnn.models._receptive_field import ReceptiveField


def evaluate(
    model: keras.Model,
    dataset: Any,
    layer: keras.layers.Layer | str | None = None,
    *,
    batch_size: int = 32,
    radius: float | None = None,
    parts: bool = True,
    categories: Sequence[str] | None = None,
    features: ArrayLike | None = None,
    receptive_field: ReceptiveField | None = None,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    from_logits: bool | None = None,
    independent_outputs: bool | None = None,
    target_categories: ArrayLike | None = None,
    name: str | None = None,
    seed: int = 0,
    verbose: int = 0,
    reader: MapReader | None = None,
) -> EvaluationReport:
    """Measures a network's filters and accuracy, with the trivial detectors beside them.

    One pass over the images, a batch in memory at a time; maps and predictions come from the same
    forward pass. Images that differ in size (a data set read with `image_size=None`) are resized
    to the network's input; peaks and landmarks are compared in each image's own pixels, as shares
    of its own diagonal. The maps measured are the layer's output (for interpretable layers the
    masked map). The peak is the highest unit of a map. Images of the background class count for
    accuracy only. With several categories each filter is measured in its target category, and, for
    the `*_best_class` figures, in the category where it does best (paper section 5.2).

    Args:
        model: a functional or sequential Keras model, channels last.
        dataset: a `PartDataset`, or what else Keras users have: arrays (x, y), a `tf.data.Dataset`
            or `keras.utils.PyDataset` of (images, labels), the path of a folder of class folders.
            Its classes are the model's, matched by name where `model.class_names` has them. Use
            held-out images: figures on images that the model was trained on are marked as such.
        layer: layer or name. None: the topmost interpretable layer, else the topmost map.
        batch_size: images per forward pass.
        radius: radius in pixels of the round receptive fields; None measures it by occlusion on
            20 images (`occlusion_radius`). For an interpretable network, pass the radius that was
            measured for its ordinary twin.
        parts: False leaves part interpretability out (and the occlusion with it).
        categories: names of the classes to measure; None: all but the background.
        features: array [images, ...] fed to the model in place of the images, in the data set's
            order: cached outputs of frozen lower layers. Needs `receptive_field`, and `radius`
            unless `parts` is False.
        receptive_field: a `ReceptiveField` of the layer; None computes it from the model.
        preprocess: function applied to each batch of images (float32, 0 to 255).
        from_logits: whether a single output is a logit (decided at 0) or a probability (at 0.5).
            None: read from the network's graph, else from predictions outside 0 to 1.
        independent_outputs: whether each of several outputs is a yes-no decision of its own, so
            that `accuracy_outputs` applies. None: yes if the network ends in a sigmoid.
        target_categories: int [filters], label of each filter's target category; None: the
            layer's own, and for ordinary layers (or -1) the category with the highest mean of
            sum_ij x.
        name: what the tables call the network; None: the model's name.
        seed: of the random detector.
        verbose: 1 shows a progress bar.
        reader: internal, a forward pass that exists already.

    Returns:
        An `EvaluationReport`. Where the layer's filters were assigned to parts, its table of
        filters says which: `part_category`, the name of the class, and `part_number`, -1 for none.

    Raises:
        ValueError: for a model, layer, data set and features that do not fit together; for a
            single output that may be a logit or a probability.
    """
    radius = check.positive(radius, "radius", "evaluate", optional=True)
    dataset = as_part_dataset(dataset, model, "evaluate")
    if reader is None:
        reader = MapReader(model, layer, batch_size)
    dataset = in_model_classes(model, dataset, reader.layer)
    size = input_size_of(model, dataset, receptive_field)
    if features is not None:
        _require_features(features, dataset, receptive_field, radius, parts)
    field = _field(model, reader.layer, size, receptive_field)
    has_parts = bool(parts and len(dataset.part_names))
    if has_parts and radius is None:
        classes = measured_classes(categories, dataset.class_names, dataset.labels)
        radius = _measured_radius(reader, model, dataset, classes, field, preprocess, verbose)
    own = getattr(reader.layer, "target_categories", None)
    if target_categories is None and own is not None:
        target_categories = np.asarray(own())
    # A reader that remembers what it reads must not see the first images twice.
    plain = getattr(reader, "plain", reader)
    kind = _kind(model, plain, dataset, size, features, preprocess, from_logits)
    # Features tell nothing of the images they were made of.
    mark = TrainingMark("", "") if features is not None else training_mark(model, dataset)
    forward = Forward(reader, dataset, size, features, preprocess, "evaluate" if verbose else None)
    report = evaluate_maps(
        forward,
        dataset.labels,
        dataset.landmarks,
        field.centers,
        image_size=size if forward.sizes is None else forward.sizes,
        input_size=size,
        class_names=dataset.class_names,
        landmark_names=dataset.landmark_names,
        part_names=dataset.part_names,
        part_masks=dataset.part_masks if has_parts else None,
        radius=radius,
        from_logits=kind == "linear" if from_logits is None else from_logits,
        independent_outputs=(
            kind == "sigmoid" if independent_outputs is None else independent_outputs
        ),
        categories=categories,
        target_categories=target_categories,
        name=(name or model.name) + mark.suffix,
        layer=reader.layer.name,
        seed=seed,
    )
    membership = _membership_columns(reader.layer, dataset.class_names)
    filters = {**report.filters, **membership}
    notes = [*report.notes, *([mark.note] if mark.note else [])]
    values = {**report.values, **best_part(filters)}
    return replace(report, filters=filters, values=values, notes=notes)


def _kind(model, reader, dataset, size, features, preprocess, from_logits):
    """How the model's first output is to be read: "softmax", "sigmoid" or "linear"."""
    meaning = output_meaning(model)
    single = tuple(model.outputs[0].shape[1:]) == (1,)
    if meaning.kind != "unknown" or not single or from_logits is not None:
        return meaning.kind
    # The first batch: what has values beyond 0 and 1 gives no probabilities.
    _, values = next(iter(Forward(reader, dataset, size, features, preprocess)))
    return settled(model, meaning, values=values).kind


def _membership_columns(layer, class_names):
    """The columns of the per-filter table that say what the layer assigned its filters to."""
    found = part_membership(layer)
    if found is None:
        return {}
    known = (found.part >= 0) & (found.category < len(class_names))
    names = [
        str(class_names[c]) if yes else "" for c, yes in zip(found.category, known, strict=True)
    ]
    return {"part_category": np.array(names, dtype=object), "part_number": found.part}


def best_part(filters):
    """How well the best-followed part of each category is followed: a figure of the report.

    Args:
        filters: Per-filter table of a layer with parts; of others nothing is said.

    Returns:
        `{"best_part": value}`: the largest mean of `r2_strongest` over the filters of one part,
        averaged over the categories; or an empty dict.
    """
    if "part_number" not in filters:
        return {}
    category = np.asarray(filters["part_category"]).astype(str)
    number, r2 = np.asarray(filters["part_number"]), np.asarray(filters["r2_strongest"], "float64")
    found = []
    for c in sorted(set(category[number >= 0].tolist())):
        known = (category == c) & (number >= 0) & np.isfinite(r2)
        means = [r2[known & (number == k)].mean() for k in set(number[known].tolist())]
        if means:
            found.append(max(means))
    return {"best_part": float(np.mean(found))} if found else {}


def _field(model, layer, size, given):
    """The `ReceptiveField` of the layer, computed where none is given."""
    field = given
    if field is None:
        field = compute_receptive_field(model, layer, input_size=size)
    if tuple(field.image_size) != tuple(size):
        raise ValueError(
            "Argument `receptive_field` of evaluate must belong to the size of the network's "
            f"input, {tuple(size)}. Received: receptive_field.image_size={field.image_size}"
        )
    return field


def _measured_radius(reader, model, dataset, classes, field, preprocess, verbose):
    """The radius of the round receptive fields, by occlusion on images of the classes."""
    images = occlusion_images(dataset, classes, field.image_size)
    return occlusion_radius(
        model,
        reader.layer,
        images if preprocess is None else np.asarray(preprocess(images)),
        receptive_field=field,
        verbose=verbose,
        reader=reader,
    )


def _require_features(features, dataset, receptive_field, radius, parts):
    if len(features) != len(dataset):
        raise ValueError(
            f"`features` must have one row for each of the {len(dataset)} images. "
            f"Received: {len(features)} rows"
        )
    if receptive_field is None:
        raise ValueError(
            "With `features` the model does not see the image: pass `receptive_field`, computed "
            "from the full network with `receptive_field(model, layer)`. Received: None"
        )
    if radius is None and parts and len(dataset.part_names):
        raise ValueError(
            "With `features` the radius cannot be measured by occlusion: pass `radius` (see "
            "`occlusion_radius`), or `parts=False`. Received: radius=None"
        )

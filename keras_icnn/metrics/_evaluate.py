"""Every measure of a network in one pass over a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn.metrics import _checks
from keras_icnn.metrics._accuracy import Accuracy
from keras_icnn.metrics._association import association_rates
from keras_icnn.metrics._category import CategoryMeasures
from keras_icnn.metrics._discs import pack_discs
from keras_icnn.metrics._diversity import PeakDiversity, part_diversity
from keras_icnn.metrics._forward import Forward
from keras_icnn.metrics._frames import resize_image, resize_masks
from keras_icnn.metrics._location_instability import mean_or_nan
from keras_icnn.metrics._occlusion import occlusion_radius
from keras_icnn.metrics._part_interpretability import IOU
from keras_icnn.metrics._report import EvaluationReport
from keras_icnn.metrics._trivial import TrivialRegions, trivial_detectors
from keras_icnn.models._map_reading import MapReader, output_activation
from keras_icnn.models._receptive_field import receptive_field as compute_receptive_field

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from keras_icnn.datasets import PartDataset
    from keras_icnn.models._receptive_field import ReceptiveField

_BACKGROUND = ("negative", "negatives", "background")
_OCCLUDED_IMAGES = 20
_NAN = float("nan")


def evaluate(
    model: keras.Model,
    dataset: PartDataset,
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
    of its own diagonal. The maps
    measured are the layer's output (for interpretable layers the masked map), the peak is its
    highest unit. Images of the background class count for accuracy only. With several categories
    each filter is measured in its target category, and, for the `*_best_class` figures, in the
    category where it does best (paper section 5.2).

    Args:
        model: a functional or sequential Keras model, channels last.
        dataset: a `PartDataset`; use held-out images.
        layer: layer or name. None: the topmost interpretable layer, else the topmost map.
        batch_size: images per forward pass.
        radius: radius in pixels of the round receptive fields; None measures it by occlusion on
            20 images (`occlusion_radius`). For an interpretable network pass its ordinary twin's.
        parts: False leaves part interpretability out (and the occlusion with it).
        categories: names of the classes to measure; None: all but the background.
        features: array [images, ...] fed to the model in place of the images, in the data set's
            order: cached outputs of frozen lower layers. Needs `receptive_field`, and `radius`
            unless `parts` is False.
        receptive_field: a `ReceptiveField` of the layer; None computes it from the model.
        preprocess: function applied to each batch of images (float32, 0 to 255).
        from_logits: whether a single output is a logit (decided at 0) or a probability (at .5);
            None: looks at the last layer's activation.
        independent_outputs: whether several outputs are yes-no decisions of their own, so that
            `accuracy_outputs` applies; None: where the last layer's activation is the sigmoid.
        target_categories: int [filters], label of each filter's target category; None: the
            layer's own, and for ordinary layers (or -1) the category with the highest mean of
            sum_ij x.
        name: what the tables call the network; None: the model's name.
        seed: of the random detector.
        verbose: 1 shows a progress bar.
        reader: internal, a forward pass that exists already.

    Returns:
        An `EvaluationReport`.

    Raises:
        ValueError: for a model, layer, data set and features that do not fit together.
    """
    if reader is None:
        reader = MapReader(model, layer, batch_size)
    size = input_size_of(model, dataset, receptive_field)
    if features is not None:
        _require_features(features, dataset, receptive_field, radius, parts)
    if receptive_field is None:
        receptive_field = compute_receptive_field(model, reader.layer, input_size=size)
    if tuple(receptive_field.image_size) != tuple(size):
        raise ValueError(
            "`receptive_field` must belong to the size of the network's input, "
            f"{tuple(size)}. Received: receptive_field.image_size={receptive_field.image_size}"
        )
    has_parts = bool(parts and len(dataset.part_names))
    background = find_background(dataset.class_names)
    measured = _measured_classes(categories, dataset.class_names, dataset.labels, background)
    if has_parts and radius is None:
        images = occlusion_images(dataset, measured, size)
        radius = occlusion_radius(
            model,
            reader.layer,
            images if preprocess is None else np.asarray(preprocess(images)),
            receptive_field=receptive_field,
            verbose=verbose,
            reader=reader,
        )
    own = getattr(reader.layer, "target_categories", None)
    if target_categories is None and own is not None:
        target_categories = np.asarray(own())
    activation = output_activation(model)
    forward = Forward(reader, dataset, size, features, preprocess, "evaluate" if verbose else None)
    return evaluate_maps(
        forward,
        dataset.labels,
        dataset.landmarks,
        receptive_field.centers,
        image_size=size if forward.sizes is None else forward.sizes,
        input_size=size,
        class_names=dataset.class_names,
        landmark_names=dataset.landmark_names,
        part_names=dataset.part_names,
        part_masks=dataset.part_masks if has_parts else None,
        radius=radius,
        from_logits=activation == "linear" if from_logits is None else from_logits,
        independent_outputs=(
            activation == "sigmoid" if independent_outputs is None else independent_outputs
        ),
        categories=categories,
        target_categories=target_categories,
        name=name or model.name,
        layer=reader.layer.name,
        seed=seed,
    )


def occlusion_images(
    dataset: PartDataset,
    classes: Sequence[int] | None = None,
    input_size: Sequence[int] | None = None,
) -> np.ndarray:
    """The images an occlusion uses: 20, spread over those of the measured classes.

    Args:
        dataset: a `PartDataset`.
        classes: labels; None: all but the background.
        input_size: (height, width) to resize them to; needed where images differ in size.

    Returns:
        float32 [images, height, width, 3].
    """
    if classes is None:
        classes = np.setdiff1d(dataset.labels, [find_background(dataset.class_names)])
    positives = np.flatnonzero(np.isin(dataset.labels, classes))
    some = positives[:: max(1, len(positives) // _OCCLUDED_IMAGES)][:_OCCLUDED_IMAGES]
    images = [dataset[int(i)].image for i in some]
    if input_size is not None:
        images = [resize_image(image, input_size) for image in images]
    return np.stack(images).astype("float32")


def input_size_of(model, dataset, receptive_field=None):
    """(height, width) of the network's input on a data set.

    It is the data set's `image_size`, which must fit the model; images that differ are resized to
    the model's own input size, or to that of `receptive_field` where the model sees features.

    Raises:
        ValueError: where the two do not fit, or nothing tells the size.
    """
    expected = model.inputs[0].shape[1:3]
    size = dataset.image_size
    if size is None:
        size = expected if receptive_field is None else receptive_field.image_size
        if any(n is None for n in size):
            raise ValueError(
                "`dataset` has images that differ in size, and the model's input leaves its size "
                f"open: {tuple(model.inputs[0].shape)}. Read the data set with an `image_size`, "
                "or build the model with an input of fixed size."
            )
        return tuple(size)
    if receptive_field is not None:
        return tuple(size)
    if any(n is not None and n != m for n, m in zip(expected, size, strict=True)):
        raise ValueError(
            f"`dataset` must have images of the model's input size, {tuple(expected)}. "
            f"Received: dataset.image_size={tuple(size)}; read it with that `image_size`, or pass "
            "`features` and `receptive_field` if the model is the upper part of a network."
        )
    return tuple(size)


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


def find_background(class_names: Sequence[str]) -> int | None:
    """Label of the background class (class 0, if it is named so), or -1."""
    return 0 if class_names and str(class_names[0]).lower() in _BACKGROUND else -1


def _measured_classes(categories, class_names, labels, background):
    present = set(np.unique(labels).tolist())
    if categories is None:
        measured = [c for c in range(len(class_names)) if c != background and c in present]
    else:
        unknown = [c for c in categories if c not in list(class_names)]
        if unknown:
            raise ValueError(
                f"`categories` must be names among {list(class_names)}. Received: {unknown}"
            )
        measured = [list(class_names).index(c) for c in categories]
    if not measured or not set(measured) <= present:
        raise ValueError(
            "There must be images of every category to measure. Received: "
            f"{[class_names[c] for c in measured]}, with images of "
            f"{[class_names[c] for c in sorted(present)]} only"
        )
    return measured


def evaluate_maps(
    maps: ArrayLike | Iterable[Any],
    labels: ArrayLike,
    landmarks: ArrayLike,
    centers: ArrayLike,
    *,
    image_size: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    landmark_names: Sequence[str],
    input_size: Sequence[int] | None = None,
    part_names: Sequence[str] = (),
    part_masks: Callable[[int], np.ndarray] | None = None,
    radius: float | None = None,
    predictions: ArrayLike | None = None,
    from_logits: bool = False,
    independent_outputs: bool = False,
    categories: Sequence[str] | None = None,
    target_categories: ArrayLike | None = None,
    name: str = "network",
    layer: str | None = None,
    seed: int = 0,
) -> EvaluationReport:
    """The core of `evaluate`, on arrays; no Keras model is needed.

    Args:
        maps: float [images, h, w, filters], or an iterable of batches in the images' order, each
            an array or a pair (maps, predictions or None).
        labels: int [images], indices into `class_names`.
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        centers: float [h, w, 2], (x, y) pixel of each unit's centre.
        image_size: (height, width) in pixels, or an array [images, 2] where images differ. Then
            distances are shares of each image's own diagonal. The array may still be filled while
            `maps` is iterated over.
        class_names: class 0 is the background if named "negative" or "background".
        landmark_names: the one named "head" gives facing.
        input_size: (height, width) of the network's input, in whose pixels `centers` and `radius`
            are; None: `image_size`. Needed where images differ.
        part_names: names of the parts.
        part_masks: function of an image's number that gives bool [parts, height, width]; None
            leaves part interpretability out.
        radius: of the round receptive field in pixels; needed with `part_masks`.
        predictions: [images, classes] where `maps` does not carry them; None: no accuracy.
        independent_outputs: whether several outputs are yes-no decisions of their own, so that
            `accuracy_outputs` applies.
        from_logits, categories, target_categories, name, layer, seed: as in `evaluate`.

    Returns:
        An `EvaluationReport`.
    """
    labels = np.asarray(labels)
    landmarks = _checks.as_landmarks(landmarks, len(labels))
    centers = _checks.as_centers(centers)
    landmark_names, part_names = list(landmark_names), list(part_names)
    head = landmark_names.index("head") if "head" in landmark_names else None
    background = find_background(class_names)
    measured = _measured_classes(categories, class_names, labels, background)
    input_size, sizes = _sizes(image_size, input_size, len(labels))
    if sizes is not None and part_masks is not None:
        part_masks = _resized(part_masks, input_size)
    if part_masks is not None and radius is None:
        raise ValueError("`part_masks` needs `radius` in pixels. Received: radius=None")
    members = {c: np.flatnonzero(labels == c) for c in measured}
    measures = {
        c: CategoryMeasures(
            landmarks[ids], ids, centers, input_size, radius, part_masks, head, sizes
        )
        for c, ids in members.items()
    }
    diversity = PeakDiversity(input_size)
    accuracy = Accuracy(from_logits=from_logits, background=background)
    outputs = _OutputAccuracy(from_logits)

    def measure(batch, predicted, ids):
        for c in measured:
            mine = np.flatnonzero(labels[ids] == c)
            if len(mine):
                measures[c].update([batch[i] for i in mine], ids[mine], diversity)
        if predicted is not None:
            accuracy.update(predicted, labels[ids])
            if independent_outputs:
                outputs.update(predicted, labels[ids])

    images = 0
    # A batch is measured while the network, in this thread, works on the next one.
    with ThreadPoolExecutor(1) as worker:
        pending = None
        for batch, predicted in _batches(maps, predictions):
            ids = np.arange(images, images + len(batch))
            images += len(batch)
            if images > len(labels):
                break
            if pending is not None:
                pending.result()
            pending = worker.submit(measure, batch, predicted, ids)
        if pending is not None:
            pending.result()
    if images != len(labels):
        raise ValueError(
            f"`maps` must have one map for each of the {len(labels)} `labels`. Received: "
            f"{'more' if images > len(labels) else images}"
        )
    trivial, results = {}, []
    if part_masks is not None:
        discs = pack_discs(centers.reshape(-1, 2), radius, input_size)
    for c, ids in members.items():
        mine = measures.pop(c)  # what it holds is let go of before the next category's result
        own = input_size if sizes is None else sizes[ids]
        trivial[c] = trivial_detectors(
            landmarks[ids],
            centers,
            image_size=own,
            input_size=input_size,
            landmark_names=landmark_names,
            seed=seed,
        )
        rates = None
        if part_masks is not None:
            fixed = TrivialRegions(landmarks[ids], landmark_names, centers, own, input_size, discs)
            groups = [fixed.detectors(), mine.parts.detectors()]
            # The images came in the order of `ids`, so that a place means the same in both.
            trivial_rates, rates = association_rates(part_masks, ids, fixed.regions, groups, IOU)
            fixed.fill(trivial[c], trivial_rates)
        chance = trivial[c].get("random", {}).get("instability", _NAN)
        results.append(mine.result(chance, rates))
    chosen = _targets(results, measured, target_categories)
    values, filters = _figures(
        results, chosen, [class_names[c] for c in measured], landmark_names, part_names
    )
    plain, balanced = accuracy.result()
    values = {
        "accuracy": plain,
        "balanced_accuracy": balanced,
        **outputs.result(),
        **values,
        "diversity": diversity.result(),
        "radius": _NAN if radius is None or part_masks is None else float(radius),
        "images": len(labels),
        "images_measured": int(sum(len(ids) for ids in members.values())),
        "filters": len(chosen),
    }
    return EvaluationReport(
        name=name,
        layer=layer,
        values=values,
        filters=filters,
        trivial=_mean_tables([trivial[c] for c in measured]),
        categories=[class_names[c] for c in measured],
        landmarks=landmark_names,
    )


def _batches(maps, predictions):
    if isinstance(maps, np.ndarray):
        # Pieces, so that no measure makes a temporary copy of everything.
        step, array = 256, maps
        maps = (array[i : i + step] for i in range(0, len(array), step))
    given = 0
    for item in maps:
        batch, predicted = item if isinstance(item, tuple) else (item, None)
        batch = _checks.as_maps(batch)
        if predicted is None and predictions is not None:
            predicted = np.asarray(predictions[given : given + len(batch)])
        given += len(batch)
        yield batch, predicted


class _OutputAccuracy:
    """Mean accuracy of independent yes-no outputs (the paper's footnote 4 on Table 7)."""

    def __init__(self, from_logits):
        self._cut = 0.0 if from_logits else 0.5
        self._right = self._count = 0

    def update(self, predictions, labels):
        if predictions.ndim != 2 or predictions.shape[1] < 2:
            return
        truth = labels[:, None] == np.arange(predictions.shape[1])
        self._right += int(((predictions > self._cut) == truth).sum())
        self._count += truth.size

    def result(self):
        return {"accuracy_outputs": self._right / self._count} if self._count else {}


def _sizes(image_size, input_size, images):
    """(height, width) of the input, and the images' own [images, 2], or None where the same."""
    own = np.asarray(image_size)
    if own.ndim == 1 and input_size is None:
        return tuple(_checks.as_image_size(image_size)), None
    if input_size is None:
        raise ValueError(
            "`input_size` is needed where images differ in size: the (height, width) of the "
            "network's input. Received: input_size=None"
        )
    frame = tuple(_checks.as_image_size(input_size, name="input_size"))
    if own.ndim == 1 and tuple(_checks.as_image_size(image_size)) == frame:
        return frame, None
    if own.shape not in ((2,), (images, 2)):
        raise ValueError(
            f"`image_size` must be (height, width) or an array [images={images}, 2] of them. "
            f"Received: image_size.shape={own.shape}"
        )
    return frame, np.broadcast_to(own, (images, 2))


def _resized(part_masks, size):
    return lambda i: resize_masks(np.asarray(part_masks(i), bool), size)


def _targets(results, measured, target_categories):
    """Place in `measured` of each filter's target category."""
    sums = np.stack([result.mean_sum for result in results])
    chosen = sums.argmax(axis=0)
    if target_categories is not None and len(measured) > 1:
        target_categories = np.asarray(target_categories)
        if target_categories.shape != chosen.shape:
            raise ValueError(
                f"`target_categories` must have one label for each of the {len(chosen)} filters. "
                f"Received: shape {target_categories.shape}"
            )
        for place, c in enumerate(measured):
            chosen = np.where(target_categories == c, place, chosen)
    return chosen


def _figures(results, chosen, names, landmark_names, part_names):
    """Figures over the filters, and the per-filter table, each filter in its category `chosen`."""
    every = np.arange(len(chosen))

    def per_filter(get):
        return np.stack([np.asarray(get(result)) for result in results])[chosen, every]

    def named(index, labels):
        return np.array([labels[i] if i >= 0 else "" for i in index], dtype=object)

    is_alive = per_filter(lambda r: r.alive)
    filters = {
        "filter": every,
        "category": np.array([names[c] for c in chosen], dtype=object),
        "alive": is_alive,
        "fired": per_filter(lambda r: r.fired),
        "mean_peak": per_filter(lambda r: r.mean_peak),
        "instability": per_filter(lambda r: r.instability.per_filter),
    }
    for k, landmark in enumerate(landmark_names):
        filters[f"instability_{landmark}"] = per_filter(
            lambda r, k=k: r.instability.per_landmark[:, k]
        )
    for way in ("r2", "r2_strongest", "r2_facing"):
        filters[way] = per_filter(lambda r, way=way: getattr(r.tracking, f"best_{way}"))
        filters[f"{way}_landmark"] = named(
            per_filter(lambda r, way=way: getattr(r.tracking, f"{way}_landmark")), landmark_names
        )
    has_parts = results[0].parts is not None
    if has_parts:
        filters["part_interpretability"] = per_filter(lambda r: r.parts.per_filter)
        filters["part"] = named(per_filter(lambda r: r.parts.part), part_names)
    instability = _instability_or_random(results)
    tracking = {way: _r2_or_minus_one(results, way) for way in ("r2", "r2_strongest", "r2_facing")}
    values = {"instability": _mean(instability[chosen, every])}
    for way, table in tracking.items():
        values[way] = _mean(table[chosen, every])
        values[f"{way}_median"] = _median(table[chosen, every])
    values["part_interpretability"] = _mean(filters["part_interpretability"]) if has_parts else _NAN
    if len(results) > 1:
        filters["best_category"] = np.array(
            [names[c] for c in _filled(instability, np.inf).argmin(axis=0)], dtype=object
        )
        filters["best_instability"] = _best(instability, np.nanmin)
        filters["best_r2"] = _best(tracking["r2"], np.nanmax)
        values["instability_best_class"] = _mean(filters["best_instability"])
        values["r2_best_class"] = _mean(filters["best_r2"])
        if has_parts:
            filters["best_part_interpretability"] = _best(
                np.stack([r.parts.per_filter for r in results]), np.nanmax
            )
            values["part_interpretability_best_class"] = _mean(
                filters["best_part_interpretability"]
            )
    values["alive"] = float(np.mean(is_alive))
    values["fired"] = float(np.mean(filters["fired"]))
    # Filters not alive stand for no part.
    stands_for = filters["part"] if has_parts else filters["r2_landmark"]
    values["part_diversity"] = part_diversity(stands_for[is_alive])
    return values, filters


def _instability_or_random(results):
    return np.stack(
        [np.where(r.alive, r.instability.per_filter, r.random_instability) for r in results]
    )


def _r2_or_minus_one(results, way):
    # Where a measure is undefined for everybody (no landmarks, no facing) it stays undefined.
    tables = np.stack([getattr(r.tracking, f"best_{way}") for r in results])
    alive = np.stack([r.alive for r in results])
    defined = np.isfinite(tables).any(axis=1, keepdims=True)
    return np.where(~alive & defined, -1.0, tables)


def _filled(table, value):
    return np.where(np.isfinite(table), table, value)


def _best(table, reduce):
    """Best over the categories; NaN where no category is defined."""
    nothing = ~np.isfinite(table).any(axis=0)
    return np.where(nothing, np.nan, reduce(np.where(nothing, 0.0, table), axis=0))


def _mean(column):
    return float(mean_or_nan(column))


def _median(column):
    column = column[np.isfinite(column)]
    return float(np.median(column)) if len(column) else _NAN


def _mean_tables(tables):
    """Means of the trivial detectors over the categories, and the best category's figures."""
    names = dict.fromkeys(name for table in tables for name in table)
    result = {}
    for name in names:
        rows = [table[name] for table in tables if name in table]
        result[name] = {key: _mean([row[key] for row in rows]) for key in rows[0]}
        if len(tables) > 1:
            for key, reduce in (
                ("instability", np.min),
                ("r2", np.max),
                ("part_interpretability", np.max),
            ):
                defined = [row[key] for row in rows if np.isfinite(row[key])]
                result[name][f"{key}_best_class"] = float(reduce(defined)) if defined else _NAN
    return result

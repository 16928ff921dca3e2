"""Every measure of feature maps in one pass: the core of `evaluate`, without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics import _array_shapes as shapes
from keras_icnn.metrics._accuracy import Accuracy, OutputAccuracy
from keras_icnn.metrics._bit_masks import pack_discs
from keras_icnn.metrics._category_measures import CategoryMeasures
from keras_icnn.metrics._diversity import PeakDiversity
from keras_icnn.metrics._evaluation_figures import (
    figures_of_filters,
    landmark_coverage,
    mean_tables,
    target_places,
)
from keras_icnn.metrics._evaluation_report import EvaluationReport
from keras_icnn.metrics._measured_classes import find_background, measured_classes
from keras_icnn.metrics._part_association import association_rates
from keras_icnn.metrics._part_interpretability import IOU
from keras_icnn.metrics._resizing import resize_masks
from keras_icnn.metrics._trivial_detectors import trivial_detectors
from keras_icnn.metrics._trivial_regions import TrivialRegions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_NAN = float("nan")
_RADIUS = "It belongs to `part_masks`: measure it with `occlusion_radius`."


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
        centers: float [h, w, 2], (x, y) pixel of each unit's center.
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
    measured = measured_classes(categories, class_names, labels)
    sizes = _sizes(image_size, input_size, len(labels))
    setting = _checked(
        labels, landmarks, landmark_names, centers, sizes, part_masks, radius, measured
    )
    background = find_background(class_names)
    measures = _Measures(setting, background, from_logits, independent_outputs)
    _go_through(_batches(maps, predictions), len(labels), measures.add)
    trivial, results = _results(setting, measures.by_class, seed)
    names = [class_names[c] for c in setting.members]
    chosen = target_places(results, list(setting.members), target_categories)
    covered, left_out = landmark_coverage(results, names, setting.landmark_names)
    values, filters = figures_of_filters(
        results, chosen, names, setting.landmark_names, list(part_names)
    )
    values = {
        **measures.accuracies(),
        **values,
        "diversity": measures.diversity.result(),
        "radius": _NAN if setting.radius is None else setting.radius,
        "images": len(labels),
        "images_measured": sum(len(ids) for ids in setting.members.values()),
        "filters": len(chosen),
    }
    return EvaluationReport(
        name=name,
        layer=layer,
        values=values,
        filters=filters,
        trivial=mean_tables(trivial),
        categories=names,
        landmarks=setting.landmark_names,
        notes=left_out,
        landmark_coverage=covered,
    )


class _Setting(NamedTuple):
    """What `evaluate_maps` is given besides maps and predictions, checked.

    `members`: dict of label to the numbers of its images, the classes that are measured;
    `sizes` [images, 2]: the images' own sizes, None where they are `input_size`; `radius`: None
    without part masks, which are in the input's pixels.
    """

    labels: np.ndarray
    landmarks: np.ndarray
    landmark_names: list
    centers: np.ndarray
    input_size: tuple
    sizes: np.ndarray | None
    part_masks: Callable | None
    radius: float | None
    members: dict


def _checked(labels, landmarks, landmark_names, centers, sizes, part_masks, radius, measured):
    input_size, own = sizes
    if part_masks is None:
        radius = None
    else:
        radius = check.positive(radius, "radius", "evaluate_maps", fix=_RADIUS)
        if own is not None:
            part_masks = _resized(part_masks, input_size)
    return _Setting(
        labels,
        shapes.as_landmarks(landmarks, len(labels)),
        list(landmark_names),
        shapes.as_centers(centers),
        input_size,
        own,
        part_masks,
        radius,
        {c: np.flatnonzero(labels == c) for c in measured},
    )


class _Measures:
    """All measures of a network, gathered batch by batch.

    Attributes:
        by_class: dict of label to its `CategoryMeasures`.
        diversity: the `PeakDiversity` over all measured classes.
    """

    def __init__(self, setting, background, from_logits, independent_outputs):
        names = setting.landmark_names
        self._labels = setting.labels
        self.diversity = PeakDiversity(setting.input_size)
        # Of one output's two classes the first is the negative one, whatever its name.
        self._accuracy = Accuracy(from_logits=from_logits, background=max(background, 0))
        self._outputs = OutputAccuracy(from_logits) if independent_outputs else None
        self.by_class = {
            c: CategoryMeasures(
                setting.landmarks[ids],
                ids,
                setting.centers,
                setting.input_size,
                setting.radius,
                setting.part_masks,
                names.index("head") if "head" in names else None,
                setting.sizes,
                names,
            )
            for c, ids in setting.members.items()
        }

    def add(self, maps, predictions, ids):
        """Adds maps [images, h, w, filters] and predictions (or None) of images `ids`."""
        labels = self._labels[ids]
        for c, measures in self.by_class.items():
            mine = np.flatnonzero(labels == c)
            if len(mine):
                measures.update([maps[i] for i in mine], ids[mine], self.diversity)
        if predictions is not None:
            self._accuracy.update(predictions, labels)
            if self._outputs is not None:
                self._outputs.update(predictions, labels)

    def accuracies(self):
        """The figures of the predictions, as a report has them."""
        plain, balanced = self._accuracy.result()
        outputs = {} if self._outputs is None else self._outputs.result()
        return {"accuracy": plain, "balanced_accuracy": balanced, **outputs}


def _go_through(batches, expected, add):
    """Calls `add(maps, predictions, numbers)` for every batch.

    A batch is measured in a thread of its own, while the network works on the next one in this.
    """
    images = 0
    with ThreadPoolExecutor(1) as worker:
        pending = None
        for batch, predicted in batches:
            ids = np.arange(images, images + len(batch))
            images += len(batch)
            if images > expected:
                break
            if pending is not None:
                pending.result()
            pending = worker.submit(add, batch, predicted, ids)
        if pending is not None:
            pending.result()
    if images != expected:
        raise ValueError(
            f"`maps` must have one map for each of the {expected} `labels`. Received: "
            f"{'more' if images > expected else images}"
        )


def _results(setting, measures, seed):
    """The tables of the trivial detectors and the `CategoryResult`s, a list of each."""
    trivial, results = [], []
    size, names = setting.input_size, setting.landmark_names
    if setting.part_masks is not None:
        discs = pack_discs(setting.centers.reshape(-1, 2), setting.radius, size)
    for c, ids in setting.members.items():
        mine = measures.pop(c)  # what it holds is let go of before the next category's result
        landmarks = setting.landmarks[ids]
        own = size if setting.sizes is None else setting.sizes[ids]
        table = trivial_detectors(
            landmarks,
            setting.centers,
            image_size=own,
            input_size=size,
            landmark_names=names,
            seed=seed,
        )
        rates = None
        if setting.part_masks is not None:
            fixed = TrivialRegions(landmarks, names, setting.centers, own, size, discs)
            groups = [fixed.detectors(), mine.parts.detectors()]
            # The images came in the order of `ids`, so that a place means the same in both.
            trivial_rates, rates = association_rates(
                setting.part_masks, ids, fixed.regions, groups, IOU
            )
            fixed.fill(table, trivial_rates)
        trivial.append(table)
        chance = table.get("random", {}).get("instability", _NAN)
        results.append(mine.result(chance, rates))
    return trivial, results


def _batches(maps, predictions):
    if isinstance(maps, np.ndarray):
        # Pieces, so that no measure makes a temporary copy of everything.
        step, array = 256, maps
        maps = (array[i : i + step] for i in range(0, len(array), step))
    given = 0
    for item in maps:
        batch, predicted = item if isinstance(item, tuple) else (item, None)
        batch = shapes.as_maps(batch)
        if predicted is None and predictions is not None:
            predicted = np.asarray(predictions[given : given + len(batch)])
        given += len(batch)
        yield batch, predicted


def _sizes(image_size, input_size, images):
    """(height, width) of the input, and the images' own [images, 2], or None where the same."""
    own = np.asarray(image_size)
    if own.ndim == 1 and input_size is None:
        return tuple(shapes.as_image_size(image_size)), None
    if input_size is None:
        raise ValueError(
            "`input_size` is needed where images differ in size: the (height, width) of the "
            "network's input. Received: input_size=None"
        )
    frame = tuple(shapes.as_image_size(input_size, name="input_size"))
    if own.ndim == 1 and tuple(shapes.as_image_size(image_size)) == frame:
        return frame, None
    if own.shape not in ((2,), (images, 2)):
        raise ValueError(
            f"`image_size` must be (height, width) or an array [images={images}, 2] of them. "
            f"Received: image_size.shape={own.shape}"
        )
    return frame, np.broadcast_to(own, (images, 2))


def _resized(part_masks, size):
    return lambda i: resize_masks(np.asarray(part_masks(i), bool), size)

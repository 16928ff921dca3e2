"""Which filters decided the class of an image, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_icnn._figure import as_picture
from keras_icnn.datasets._as_part_dataset import as_image, as_part_dataset
from keras_icnn.explanations._classes import Classes, probabilities
from keras_icnn.explanations._decision_checks import (
    DecisionChecks,
    ReferenceRecord,
    require_fitting,
)
from keras_icnn.explanations._explanation import Explanation
from keras_icnn.explanations._filter_effects import METHODS, Effects, filter_effects
from keras_icnn.explanations._filter_groups import (
    FilterGroups,
    is_annotated,
    like_filters,
    measured,
    measured_groups,
    named_groups,
    names_of,
)
from keras_icnn.explanations._image_parts import parts_here
from keras_icnn.explanations._part_groups import member_groups, named_parts
from keras_icnn.explanations._part_map import outside_share, shown_places, unit_effects
from keras_icnn.metrics import EvaluationReport, peaks_of, receptive_field
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.models._name_parts import given_names
from keras_icnn.models._part_membership import part_membership
from keras_icnn.models._split_model import SplitModel

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike


def explain(
    model: keras.Model,
    image: Any,
    target: int | str | None = None,
    method: Literal["ablation", "gradient"] = "ablation",
    *,
    against: int | str | None = None,
    layer: keras.layers.Layer | str | None = None,
    reference: Any = None,
    parts: Sequence[str] | np.ndarray | EvaluationReport | None = None,
    class_names: Sequence[str] | None = None,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    batch_size: int = 32,
    from_logits: bool | None = None,
) -> Explanation:
    """Tells which filters (parts) decided the class of an image, from the network itself.

    The score explained is the logit of `target`: the class's value before the last softmax or
    sigmoid. A filter's effect is what its (masked) map does to it: above 0 it speaks for the class.

    - `method="ablation"`: the logit minus the logit with the filter's map set to zero. Exact for
      each filter, and for each part, whose filters are removed at once.
    - `method="gradient"`: the sum of activation times gradient over the map; one backward pass.

    The score is the sum of three terms: what is left without any filter (`baseline`), the effects
    of the parts, and a `remainder`. The remainder is 0 where what is above the layer is linear.
    For ablation it holds what filters do together: two filters that can stand in for each other
    have no effect alone.

    A part is shown once, with the number of its filters. Where the layer's filters are assigned
    to parts (the rule "default" does so), these are the parts, with the names that
    `icnn.name_parts` gave them; one without a name is called by its category and number,
    "tiger/0". In other layers, filters that fire on the same place in the same images count as one
    part. To know which do, `reference` images are needed; with this image alone, filters that fire
    on one place here are put together.

    Args:
        model: functional or sequential Keras model, channels last, that classifies.
        image: `[height, width, 3]`, 0 to 255, of the model's input size, a `Sample`, or a path.
        target: number of the class to explain, or its name; None: the predicted class. A model with
            one output has the classes 0 and 1; the score of class 0 is minus the logit.
        method: "ablation" or "gradient".
        against: another class. The score is then the target's logit minus this one's: why the
            model chose one class rather than the other.
        layer: layer or name; None: the topmost interpretable layer, else the topmost map.
        reference: (held-out) images that show which filters fire alike, in any form that
            `metrics.evaluate` takes. If it has landmarks, filters that follow one (R2 above one
            half) are named after it and grouped by that name; a part of the layer is named after
            the landmark that at least half of its living filters follow. Also a `FilterGroups`, or
            False: every filter alone.
        parts: what each filter is known to stand for. An `EvaluationReport` replaces the names that
            `reference` would give. Names `[filters]` ("" unknown) also replace the layer's parts:
            filters of one name and category are then one part.
        class_names: names of the classes; for a model with one output of both (background first).
            None: the model's own (`model.class_names`), else those of `reference`.
        preprocess: function applied to a batch of images (float32, 0 to 255) for the model.
        batch_size: number of images, or of sets of changed maps, per forward pass.
        from_logits: whether the model's output is a logit; None: read from the network.

    Returns:
        An `Explanation`: `.table()`, `.summary()`, `.plot()`.

    Raises:
        ValueError: for a model, image, class or layer that does not fit.

    Example:

    ```python
    explanation = icnn.explain(model, image, reference=data.validation)
    print(explanation.summary())
    explanation.plot(path="why.png")
    ```
    """
    explainer = Explainer(
        model,
        method,
        layer=layer,
        reference=reference,
        parts=parts,
        class_names=class_names,
        preprocess=preprocess,
        batch_size=batch_size,
        from_logits=from_logits,
    )
    return explainer(image, target, against)


class Explainer:
    """`explain` for many images: compiled once, `reference` measured once.

    Args:
        model, method, layer, reference, parts, class_names, preprocess, batch_size, from_logits: as
            in `explain`.

    Attributes:
        classes: `Classes` of the network.
        groups: `FilterGroups` from the layer's own parts, `reference` and `parts`; None: filters
            are grouped image by image.
        checks: `DecisionChecks`, the limits of `Explanation.warnings` from `reference`.
    """

    def __init__(
        self,
        model: keras.Model,
        method: Literal["ablation", "gradient"] = "ablation",
        *,
        layer: keras.layers.Layer | str | None = None,
        reference: Any = None,
        parts: Sequence[str] | np.ndarray | EvaluationReport | None = None,
        class_names: Sequence[str] | None = None,
        preprocess: Callable[[np.ndarray], Any] | None = None,
        batch_size: int = 32,
        from_logits: bool | None = None,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {METHODS}. Received: method={method!r}")
        self.model, self.method = model, method
        self.split = SplitModel(model, layer, batch_size, from_logits)
        self.layer = self.split.layer
        self._preprocess = preprocess
        if not (reference is None or reference is False or isinstance(reference, FilterGroups)):
            reference = as_part_dataset(reference, model, "explain", "reference")
        size, self._field = tuple(model.inputs[0].shape[1:3]), None
        self._size = size = getattr(reference, "image_size", None) if None in size else size
        if size is not None:
            self._field = receptive_field(model, self.layer, input_size=size)
        categories = getattr(self.layer, "target_categories", None)
        self.categories = None if categories is None else np.asarray(categories())
        if self.categories is not None and hasattr(reference, "with_classes"):
            # The categories of the filters are the model's classes.
            require_fitting(reference, self._size)
            reference = in_model_classes(model, reference, self.layer, class_names, "reference")
        self.classes = Classes(self.split.classes, class_names, model, reference)
        self._record = None
        if reference is not None and hasattr(reference, "batches"):
            self._record = ReferenceRecord(self.split, self.classes)
        self.groups = self._groups(reference, parts)
        self.checks = self._checks(reference)

    def __call__(
        self, image: Any, target: int | str | None = None, against: int | str | None = None
    ) -> Explanation:
        """The `Explanation` of one image."""
        image = np.asarray(as_image(image, self.model, "explain"))
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(
                "`image` must be one image of shape [height, width, 3]. Received: shape "
                f"{image.shape}. Pass `images[0]` of a batch."
            )
        tensors = self._below(image[None])
        peaks, strengths = peaks_of(np.maximum(tensors[0], 0), self._field.centers)
        groups = self._groups_here(peaks, strengths)
        logits = self._finite(self.split.logits(tensors))[0]
        target, against, weights = self.classes.asked(logits, target, against)
        effects = filter_effects(self.split, tensors, weights, groups.groups, self.method)
        gradient = self.split.gradient(tensors, weights[None])
        here = (tensors[0][0] * gradient[0], peaks[0], strengths[0])
        return self._explanation(image, here, groups, effects, (target, against))

    def batch(
        self, images: ArrayLike, targets: Sequence[int | str | None] | np.ndarray | None = None
    ) -> list[Explanation]:
        """The explanations of many images; by gradient in one pass forward and one backward.

        Args:
            images: `[images, height, width, 3]`, 0 to 255.
            targets: class of each image, or None: the predicted ones.

        Returns:
            List of `Explanation`.
        """
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(
                "`images` must have the shape [images, height, width, 3]. Received: shape "
                f"{images.shape}"
            )
        if targets is not None and len(targets) != len(images):
            raise ValueError(
                f"`targets` must give a class for each of the {len(images)} images. Received: "
                f"{len(targets)}"
            )
        targets = [None] * len(images) if targets is None else list(targets)
        if self.method == "ablation":
            return [self(image, target) for image, target in zip(images, targets, strict=True)]
        result = []
        for first in range(0, len(images), self.split.batch_size):
            chosen = slice(first, first + self.split.batch_size)
            result += self._batch_by_gradient(images[chosen], targets[chosen])
        return result

    def _batch_by_gradient(self, images, targets):
        tensors = self._below(images)
        logits = self._finite(self.split.logits(tensors))
        without = self.split.logits([np.zeros_like(tensors[0]), *tensors[1:]])
        asked = [
            self.classes.asked(row, target, None)
            for row, target in zip(logits, targets, strict=True)
        ]
        weights = np.stack([w for _, _, w in asked])
        contributions = tensors[0].astype("float64") * self.split.gradient(tensors, weights)
        single = contributions.sum(axis=(1, 2))
        peaks, strengths = peaks_of(np.maximum(tensors[0], 0), self._field.centers)
        result = []
        for i, (target, against, w) in enumerate(asked):
            groups = self._groups_here(peaks[i : i + 1], strengths[i : i + 1])
            joint = np.array([single[i, list(group)].sum() for group in groups.groups])
            effects = Effects(
                logits[i], float(logits[i] @ w), float(without[i] @ w), single[i], joint
            )
            here = (contributions[i], peaks[i], strengths[i])
            result.append(self._explanation(images[i], here, groups, effects, (target, against)))
        return result

    def peaks(self, images: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) pixels `[n, filters, 2]` and heights `[n, filters]` of the filters' peaks."""
        tensors = self._below(np.asarray(images))
        return peaks_of(np.maximum(tensors[0], 0), self._field.centers)

    # --- what the arguments mean --------------------------------------------------------------

    def _groups(self, reference, parts):
        filters = self.split.filters
        names = self._known = None if parts is None else names_of(parts, filters)
        if reference is False or isinstance(reference, FilterGroups):
            alone = FilterGroups([(f,) for f in range(filters)], [""] * filters, "nothing")
            groups = alone if reference is False else reference
            found = sorted(f for group in groups.groups for f in group)
            if found != list(range(filters)):
                raise ValueError(
                    f"`reference` must hold each of the layer's {filters} filters once. Received: "
                    f"FilterGroups of {len(found)} filters"
                )
            return (
                groups
                if names is None
                else named_groups(groups.groups, names, self.categories, groups.grouped_by)
            )
        if reference is not None:
            require_fitting(reference, self._size)
        membership = part_membership(self.layer)
        if membership is not None:
            return self._layers_own(membership, reference, parts, names)
        if reference is None:
            return None
        return measured_groups(
            self._below, reference, self._field, self.split.batch_size, names, self.categories
        )

    def _checks(self, reference):
        """The `DecisionChecks` of the reference images, which `_below` has recorded."""
        record, self._record = self._record, None
        if record is None:
            return DecisionChecks()
        if len(record) < len(reference):
            # Nothing had to be asked of them until now.
            record = ReferenceRecord(self.split, self.classes)
            batches = reference.batches(self.split.batch_size)
            for number in range(len(batches)):
                record.add(self._below(batches[number][0]), self._field.centers)
        return record.checks(reference, self._field.centers, self.categories)

    def _layers_own(self, membership, reference, parts, names):
        """The groups of a layer whose filters were assigned to parts, with their names."""
        like, report = None, parts if isinstance(parts, EvaluationReport) else None
        landmarks = names is None and reference is not None and is_annotated(reference)
        # Images tell nothing else of a layer whose filters all have a part.
        if reference is not None and (landmarks or (membership.part < 0).any()):
            batch_size = self.split.batch_size
            like, found = measured(
                self._below, reference, self._field, batch_size, landmarks, self.categories
            )
            report = report or found
        groups = member_groups(membership, self.classes, like)
        given = given_names(self.model, self.layer)
        return named_parts(groups, membership, given, names, report, self.categories)

    def _groups_here(self, peaks, strengths):
        if self.groups is not None:
            return self.groups
        groups = like_filters(peaks, strengths, self._field.image_size)
        return named_groups(groups, self._known, self.categories, "image")

    # --- the network --------------------------------------------------------------------------

    def _below(self, images):
        images = np.asarray(images, "float32")
        size = tuple(images.shape[1:3])
        wanted = tuple(self.model.inputs[0].shape[1:3])
        if any(n is not None and n != m for n, m in zip(wanted, size, strict=True)):
            raise ValueError(
                f"Images must have the model's input size, {wanted} (height, width). Received: "
                f"{size}. Resize them, or read the data set with that `image_size`."
            )
        if self._field is None or tuple(self._field.image_size) != size:
            self._field = receptive_field(self.model, self.layer, input_size=size)
        if self._preprocess is not None:
            images = np.asarray(self._preprocess(images), "float32")
        tensors = self.split.below(images)
        if self._record is not None:
            self._record.add(tensors, self._field.centers)
        return tensors

    def _finite(self, logits):
        if not np.isfinite(logits).all():
            raise ValueError(
                f"Model '{self.model.name}' predicts NaN or infinite values for the given image, "
                "which no part can explain. Check that its weights did not diverge in training "
                "(`keras_icnn.callbacks.StopOnNaN` stops such a run), and that the image is finite."
            )
        return logits

    def _explanation(self, image, here, groups, effects, asked):
        (contributions, peaks, strengths), (target, against) = here, asked
        predicted = self.classes.predicted(effects.logits)
        parts = parts_here(peaks, strengths, groups, effects.joint, self._category)
        centers, radius = self._field.centers, max(self._field.size) / 4
        places = shown_places(peaks, strengths, groups.groups)
        return Explanation(
            image=as_picture(image),
            model=self.model.name,
            layer=self.layer.name,
            method=self.method,
            target=target,
            target_name=self.classes.name(target),
            against=against,
            against_name="" if against is None else self.classes.name(against),
            prediction=predicted,
            prediction_name=self.classes.name(predicted),
            logits=effects.logits,
            probabilities=probabilities(effects.logits, self.split.activation),
            logit=effects.score,
            baseline=effects.baseline,
            effects=effects.single,
            filter_remainder=effects.score - effects.baseline - float(effects.single.sum()),
            parts=parts,
            remainder=effects.score - effects.baseline - sum(part.effect for part in parts),
            strengths=strengths,
            peaks=peaks.astype("float32"),
            field_radius=radius,
            categories=self.categories,
            grouped_by=groups.grouped_by,
            outside_share=outside_share(contributions, centers, places, radius),
            unit_effects=unit_effects(contributions, parts),
            centers=centers,
            warnings=self.checks.warnings(effects.single, peaks, centers, target, self.categories),
        )

    def _category(self, group):
        if self.categories is None:
            return ""
        return self.classes.common_name(self.categories[list(group)])

"""What a category rests on as a whole, and what changes when parts are switched off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.explanations._explain import Explainer
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.models._part_membership import part_membership
from keras_icnn.models._views import without_parts

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class PartEffect:
    """What one part does for its category, over the category's images.

    Attributes:
        key: category and number of the part, such as "tiger/0".
        name: its name, or "".
        category: name of its category.
        filters: tuple of the numbers of its filters.
        images: how many images of the category were looked at.
        mean: mean of its effect on the category's score, in logit units: the score less the score
            without the part's filters.
        spread: standard deviation of the effect over the images.
        supports: share of the images on which the effect is above 0.
        accuracy, accuracy_without: share of the category's images classified rightly, with all
            parts and without this one.
        others, others_without: the same for images of other classes. NaN: not measured.
    """

    key: str
    name: str
    category: str
    filters: tuple[int, ...]
    images: int
    mean: float
    spread: float
    supports: float
    accuracy: float
    accuracy_without: float
    others: float
    others_without: float

    @property
    def label(self) -> str:
        """The part's name, or its key."""
        return self.name or self.key


@dataclass(frozen=True)
class CategoryEffects:
    """What each category of a network rests on.

    Attributes:
        model, layer: names.
        parts: tuple of `PartEffect`, by category, the largest mean effect first.
    """

    model: str
    layer: str
    parts: tuple[PartEffect, ...]

    def table(self, category: str | None = None) -> list[dict[str, Any]]:
        """One dict a part.

        Args:
            category: name of a category; None: all.

        Returns:
            List of dicts of the attributes of `PartEffect`, and `part`, its label.
        """
        return [
            {"part": part.label, **asdict(part)}
            for part in self.parts
            if category is None or part.category == category
        ]

    def summary(self) -> str:
        """The table as text."""
        rows = self.table()
        width = max([len("part"), *(len(row["part"]) for row in rows)])
        lines = [
            f"{'part':<{width}}  {'filters':>7}  {'images':>6}  {'mean':>7}  {'spread':>7}  "
            f"{'right':>6}  {'without':>7}  {'others':>6}  {'without':>7}"
        ]
        for row in rows:
            right = [_percent(row[name]) for name in ("accuracy", "accuracy_without")]
            others = [_percent(row[name]) for name in ("others", "others_without")]
            lines.append(
                f"{row['part']:<{width}}  {len(row['filters']):>7}  {row['images']:>6}  "
                f"{row['mean']:>+7.2f}  {row['spread']:>7.2f}  {right[0]:>6}  {right[1]:>7}  "
                f"{others[0]:>6}  {others[1]:>7}"
            )
        return "\n".join(
            [
                *lines,
                "",
                "Mean and spread (standard deviation) of the part's effect on its category's score "
                "(logit), over the category's images.",
                "Right: share of the category's images classified rightly, with all parts and "
                "without this one; others: the same for images of other classes.",
            ]
        )


def category_effects(
    model: keras.Model,
    dataset: Any,
    *,
    layer: keras.layers.Layer | str | None = None,
    class_names: Sequence[str] | None = None,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    others: int = 200,
    batch_size: int = 32,
    from_logits: bool | None = None,
) -> CategoryEffects:
    """Tells what each category rests on: the effect of each of its parts over many images.

    An explanation of one image says what decided there. This is the mean over all images of the
    category, with its spread: a part with a large mean and a small spread is what the network
    recognizes the category by. Each part is removed from each image (ablation, exact), which also
    tells how many images are classified wrongly without it.

    Args:
        model: functional or sequential Keras model whose layer has parts (the rule "default").
        dataset: held-out images, in any form that `icnn.metrics.evaluate` takes.
        layer: layer or name; None: the topmost interpretable layer.
        class_names: names of the classes; None: the model's own, else the data set's.
        preprocess: function applied to a batch of images (float32, 0 to 255) for the model.
        others: how many images, spread over the classes, tell what switching a part off does to
            other categories; 0 leaves this out.
        batch_size: images per forward pass.
        from_logits: whether the model's output is a logit; None: read from the network.

    Returns:
        `CategoryEffects`. A category without images has no parts in it.

    Raises:
        ValueError: for a layer without parts, and data that do not fit.

    Example:

    ```python
    print(icnn.explanations.category_effects(model, data.validation).summary())
    ```
    """
    dataset = in_model_classes(model, as_part_dataset(dataset, model, "category_effects"))
    explainer = _explainer(model, dataset, layer, class_names, preprocess, batch_size, from_logits)
    return effects_with(explainer, dataset, others)


def effects_with(explainer, dataset, others):
    """`category_effects` by an `Explainer` that is there: of a layer with parts, of these classes.

    Args:
        explainer: `Explainer`.
        dataset: `PartDataset` of the model's classes.
        others: as for `category_effects`.
    """
    groups, classes = explainer.groups, explainer.classes
    membership = part_membership(explainer.layer)
    labels = np.asarray(dataset.labels)
    sample = _Switched(explainer, dataset, spread_over_classes(labels, others))
    parts = []
    for category in sorted(set(membership.category[membership.part >= 0].tolist())):
        mine = np.flatnonzero(labels == category)
        if not len(mine):
            continue
        numbers = [
            g
            for g, (group, key) in enumerate(zip(groups.groups, groups.keys, strict=True))
            if key and membership.category[group[0]] == category
        ]
        effects, right, without = _own_images(explainer, dataset, mine, category, numbers)
        found = []
        for place, g in enumerate(numbers):
            found.append(
                PartEffect(
                    key=groups.keys[g],
                    name=groups.names[g],
                    category=classes.name(category),
                    filters=groups.groups[g],
                    images=len(mine),
                    mean=float(effects[:, place].mean()),
                    spread=float(effects[:, place].std()),
                    supports=float((effects[:, place] > 0).mean()),
                    accuracy=float(right.mean()),
                    accuracy_without=float(without[:, place].mean()),
                    others=sample.accuracy((), category),
                    others_without=sample.accuracy(groups.groups[g], category),
                )
            )
        parts += sorted(found, key=lambda part: -part.mean)
    return CategoryEffects(explainer.model.name, explainer.layer.name, tuple(parts))


def accuracy_without_parts(
    model: keras.Model,
    dataset: Any,
    parts: Sequence[str],
    *,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    batch_size: int = 32,
    from_logits: bool | None = None,
) -> list[dict[str, Any]]:
    """The accuracy of each class with all parts and with some of them switched off.

    Args:
        model: as in `keras_icnn.without_parts`.
        dataset: held-out images, in any form that `icnn.metrics.evaluate` takes.
        parts: keys or names of parts, as in `keras_icnn.without_parts`.
        preprocess: function applied to a batch of images (float32, 0 to 255) for the model.
        batch_size: images per forward pass.
        from_logits: whether the model's output is a logit; None: read from the network.

    Returns:
        List of dicts of `category`, `images`, `accuracy` and `accuracy_without`, one for each
        class that has images.

    Raises:
        ValueError: as `keras_icnn.without_parts`, and for data that do not fit.
    """
    dataset = in_model_classes(model, as_part_dataset(dataset, model, "accuracy_without_parts"))
    view = without_parts(model, parts)
    right = []
    for network in (model, view):
        explainer = _explainer(network, dataset, None, None, preprocess, batch_size, from_logits)
        right.append(_Switched(explainer, dataset, np.arange(len(dataset))).right(()))
    labels = np.asarray(dataset.labels)
    return [
        {
            "category": explainer.classes.name(category),
            "images": int((labels == category).sum()),
            "accuracy": float(right[0][labels == category].mean()),
            "accuracy_without": float(right[1][labels == category].mean()),
        }
        for category in sorted(set(labels.tolist()))
    ]


def spread_over_classes(labels, n):
    """Positions of at most `n` images, each class with its share, ascending.

    Args:
        labels: int `[images]`.
        n: how many.
    """
    if len(labels) <= n:
        return np.arange(len(labels))
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.linspace(0, len(labels) - 1, max(n, 0)).round().astype(int)])


def _explainer(model, dataset, layer, class_names, preprocess, batch_size, from_logits):
    """The `Explainer`, of a layer with parts and of data that fit."""
    if not len(dataset):
        raise ValueError("`dataset` must hold at least one image. Received: none")
    if class_names is None and not getattr(model, "class_names", None):
        class_names = dataset.class_names
    explainer = Explainer(
        model,
        "ablation",
        layer=layer,
        class_names=class_names,
        preprocess=preprocess,
        batch_size=batch_size,
        from_logits=from_logits,
    )
    if part_membership(explainer.layer) is None:
        raise ValueError(
            "`model` must have a layer with parts, as the rule 'default' gives it. Received: layer "
            f"'{explainer.layer.name}' without parts."
        )
    classes = max(explainer.split.classes, 2)
    if len(dataset.class_names) != classes:
        raise ValueError(
            f"`dataset` must have the model's {classes} classes. Received: "
            f"{len(dataset.class_names)} classes. Choose them with `dataset.select(classes=[...])`."
        )
    return explainer


def _own_images(explainer, dataset, rows, category, numbers):
    """What a category's parts do to its own images.

    Returns:
        (effects float `[images, parts]`, whether each image is classified rightly bool `[images]`,
        and without each part bool `[images, parts]`).
    """
    size = explainer.split.batch_size
    effects = np.zeros((len(rows), len(numbers)))
    right, without = np.zeros(len(rows), bool), np.zeros(effects.shape, bool)
    for first in range(0, len(rows), size):
        some = slice(first, first + size)
        tensors = _tensors(explainer, dataset, rows[some])
        logits = explainer.split.logits(tensors)
        right[some] = _predicted(explainer, logits) == category
        for place, g in enumerate(numbers):
            lacking = explainer.split.logits(_silenced(tensors, explainer.groups.groups[g]))
            effects[some, place] = _scores(logits, category) - _scores(lacking, category)
            without[some, place] = _predicted(explainer, lacking) == category
    return effects, right, without


class _Switched:
    """Images whose maps are kept, so that filters can be switched off again and again."""

    def __init__(self, explainer, dataset, rows):
        self._explainer = explainer
        self._labels = np.asarray(dataset.labels)[rows]
        size = explainer.split.batch_size
        self._batches = [
            _tensors(explainer, dataset, rows[first : first + size])
            for first in range(0, len(rows), size)
        ]
        self._known = {}

    def right(self, filters):
        """Whether each image is classified rightly without some filters: bool `[images]`."""
        if filters not in self._known:
            logits = [self._explainer.split.logits(_silenced(b, filters)) for b in self._batches]
            predicted = [_predicted(self._explainer, some) for some in logits]
            self._known[filters] = np.concatenate([*predicted, []]) == self._labels
        return self._known[filters]

    def accuracy(self, filters, category):
        """Share of the images of other classes than a category that are classified rightly."""
        counted = self._labels != category
        return float(self.right(filters)[counted].mean()) if counted.any() else math.nan


def _tensors(explainer, dataset, rows):
    return explainer._below(np.stack([dataset.image(int(i)) for i in rows]))


def _silenced(tensors, filters):
    """What the head takes, with the maps of some filters set to zero."""
    if not filters:
        return tensors
    maps = tensors[0].copy()
    maps[..., list(filters)] = 0
    return [maps, *tensors[1:]]


def _scores(logits, category):
    """The score of a category for each image; a single output is that of class 1."""
    if logits.shape[1] == 1:
        return logits[:, 0] if category == 1 else -logits[:, 0]
    return logits[:, category]


def _predicted(explainer, logits):
    return np.array([explainer.classes.predicted(row) for row in logits])


def _percent(value):
    return "-" if math.isnan(value) else f"{value:.0%}"

"""A data set in the numbering of a network's classes.

Labels are positions in `class_names`, and a selection of a data set's classes has a numbering of
its own. Whatever compares labels with outputs or with target categories asks here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_icnn.models._finding_layers import is_interpretable_like
from keras_icnn.models._inlined import inlined

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from keras_icnn.datasets import PartDataset


def in_model_classes(
    model: keras.Model,
    dataset: PartDataset,
    layer: keras.layers.Layer | None = None,
    class_names: Sequence[str] | None = None,
    argument: str = "dataset",
) -> PartDataset:
    """The data set with labels that are the model's class numbers.

    Where both have names, classes are matched by name: of a network with four classes, a selection
    of two of them keeps the network's numbers. Where the model has none (`model.class_names`), the
    data set must have as many classes as the model, in the order of its training.

    Args:
        model: functional or Sequential Keras model.
        dataset: `PartDataset`.
        layer: the interpretable layer that tells the classes of a model without a classifier.
        class_names: the caller's names of the model's classes; None: `model.class_names`.
        argument: name of the argument, for the error.

    Returns:
        `PartDataset`: the same one where its numbering is the model's.

    Raises:
        ValueError: where the classes of the two do not fit together.
    """
    count = class_count(model, layer)
    own = list(dataset.class_names)
    if count is None:
        return dataset
    known = class_names if class_names is not None else getattr(model, "class_names", None)
    known = None if known is None or len(known) != count else [str(name) for name in known]
    if known is not None and known != own:
        present = {own[label] for label in set(dataset.labels.tolist())}
        if present <= set(known):
            return dataset.with_classes(known)
        if class_names is None:
            raise ValueError(
                f"`{argument}` must have images of the model's classes, {_listed(known)}. "
                f"Received: images of {_listed(sorted(present - set(known)))}. Leave these out "
                "with `select`, or give the classes the model's names."
            )
    if len(own) != count:
        raise ValueError(
            f"`{argument}` must have the model's {count} classes"
            f"{_background(model, count)}, in the order of its training. Received: {len(own)} "
            f"classes, {_listed(own)}. A selection of classes is numbered anew: pass the data set "
            "with all of them, `dataset.with_classes(names_of_all)`, or set `model.class_names`. "
            "To measure only the maps of a network for other classes, leave its head off: "
            "`keras.Model(model.input, layer.output)`."
        )
    return dataset


def class_count(model, layer=None):
    """Number of classes of a model, 2 for one output; None where it has no classifier.

    Args:
        model: functional or Sequential Keras model.
        layer: an interpretable layer, whose classes count where the output is no classifier's.
    """
    shape = tuple(inlined(model).outputs[0].shape)
    if len(shape) == 2:
        return max(int(shape[-1]), 2)
    if layer is not None and is_interpretable_like(layer):
        inner = getattr(layer, "interpretable", layer)
        return getattr(inner, "num_classes", None)
    return None


def _background(model, count):
    single = count == 2 and tuple(inlined(model).outputs[0].shape)[1:] == (1,)
    return " (one output: the background first)" if single else ""


def _listed(names, most=6):
    shown = ", ".join(repr(str(name)) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")

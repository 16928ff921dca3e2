"""Turning a Keras CNN into an interpretable one.

The graph is rebuilt from clones, so the model that comes in stays as it was, and what comes out is
one flat graph: nested models are inlined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import keras
from keras import layers as klayers

from keras_icnn._arguments import called_here
from keras_icnn.layers._fixed_batch_normalization import FixedBatchNormalization
from keras_icnn.layers._grouped_conv import GroupedConv2D
from keras_icnn.layers._interpretable_conv import InterpretableConv
from keras_icnn.layers._interpretable_filters import InterpretableFilters
from keras_icnn.models._conversion_check import check_converted
from keras_icnn.models._flat_copy import flatten, fresh, functional
from keras_icnn.models._inlined import in_view
from keras_icnn.models._interpretable_model import InterpretableModel
from keras_icnn.models._operations import classifier_below, top_map
from keras_icnn.models._signed_filters import SignedInterpretableFilters
from keras_icnn.models._tensors import activation_of

if TYPE_CHECKING:
    from keras_icnn.layers import FilterLoss

NEW_LAYER = "interpretable_conv"
PLAIN_LAYER = "extra_conv"


@called_here("classes", "num_classes")
def make_interpretable(
    model: keras.Model,
    *,
    num_classes: int,
    layers: str | Sequence[str] | None = None,
    extra_layer: bool = True,
    background_class: int | None = None,
    filter_loss: FilterLoss | str | None = "default",
    mask: bool = True,
    normalization: Literal["batch"] | None = "batch",
    new_filters: int | None = None,
    name: str | None = None,
) -> InterpretableModel:
    """Turns a Keras CNN into an interpretable one that keeps its weights.

    The top feature map becomes interpretable, and section 5's new 3x3xM layer with zero padding,
    `interpretable_conv`, is added above it. A convolution with ReLU becomes an `InterpretableConv`
    of the same name; any other map (an addition, a concatenation, an activation) is followed by an
    `InterpretableFilters` named `<layer>_interpretable`. On a map with negative values the mask
    implies a ReLU that the original does not have, which changes its function: there, fine-tuning
    starts from a changed network.

    With `extra_layer=False` and the mask switched off on every layer, the result predicts what the
    original predicts, also where maps are signed.

    The head is kept with its weights when its units fit `num_classes` and the new layer has as many
    filters as the map below it; a layer whose shapes do not fit is fresh. A network without a
    classifier gets global average pooling (where its output is a map) and a dense layer,
    `predictions`.

    Args:
        model: Functional or Sequential Keras model, built, with a static input size. Not changed.
        num_classes: Integer, the number of label classes. 1 is the single-category task: one
            sigmoid unit, class 0 is background.
        layers: Name or names of the layers whose maps become interpretable; `None` finds the top
            map; `()` leaves every existing map as it is and only adds the new layer. Names inside
            nested models count.
        extra_layer: Boolean, whether the new layer is added, above the top map or above the last
            of `layers`.
        background_class: Integer, the class no filter may stand for; `None` for none (class 0 when
            `num_classes=1`).
        filter_loss: `"default"`, `"paper"`, `"official"`, `None` (mask only) or a `FilterLoss`.
        mask: Boolean, whether the maps are masked.
        normalization: `"batch"` or `None`, the new layer's normalization. Existing maps get none.
        new_filters: Integer, M, the filters of the new layer; `None` for the map's own number.
        name: String, the new model's name; `None` for the old one with `_interpretable`.

    Returns:
        `InterpretableModel`, not compiled.

    Raises:
        ValueError: When the model is subclassed, not built or already interpretable, when it has no
            spatial map or one of 1 x 1 or unknown size, or when a named layer does not exist or
            makes no map.

    Example:

    ```python
    cnn = keras.applications.ResNet50(weights="imagenet")
    model = icnn.make_interpretable(cnn, num_classes=6)
    ```

    Reference:
        - [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935)
    """
    if isinstance(num_classes, bool) or not hasattr(num_classes, "__index__") or num_classes < 1:
        raise ValueError(
            f"`num_classes` must be an integer of at least 1. Received: num_classes={num_classes!r}"
        )
    return transform(
        model,
        num_classes=num_classes,
        layers=layers,
        extra_layer=extra_layer,
        interpretable=layer_arguments(num_classes, background_class, filter_loss, mask),
        normalization=normalization,
        new_filters=new_filters,
        name=name or f"{model.name}_interpretable",
        check=True,
    )


def layer_arguments(num_classes, background_class=None, filter_loss="default", mask=True):
    """The interpretable layers' own arguments for a task with `num_classes` classes.

    One class is the single-category task: one logit, two categories, of which class 0 ("random
    images") is background.

    Args:
        num_classes: Integer >= 1, the number of label classes.
        background_class: Integer or `None`, the class that no filter may take as its category.
        filter_loss: What `InterpretableConv` takes.
        mask: Boolean, whether the maps are masked.

    Returns:
        Dictionary of keyword arguments.
    """
    if num_classes == 1:
        num_classes = 2
        background_class = 0 if background_class is None else background_class
    return {
        "num_classes": num_classes,
        "background_class": background_class,
        "filter_loss": filter_loss,
        "mask": mask,
    }


def add_layer(
    x, filters=None, normalization="batch", interpretable=None, dtype=None, free=lambda name: name
):
    """Adds section 5's new layer, 3x3xM with zero padding, above a feature map.

    Args:
        x: Keras tensor `(batch, height, width, channels)`.
        filters: Integer, M; `None` for the map's own channel number.
        normalization: `"batch"` or `None`.
        interpretable: What `layer_arguments` returns; `None` adds the plain twin (convolution, the
            same normalization, ReLU).
        dtype: Policy of the new layers.
        free: Function of a name that gives one that no layer has yet.

    Returns:
        Keras tensor `(batch, height, width, filters)`.
    """
    convolution = {
        "filters": filters or x.shape[-1],
        "kernel_size": 3,
        "padding": "same",
        # N(0, 2 / fan_in), not truncated: as the measured networks have it.
        "kernel_initializer": keras.initializers.VarianceScaling(
            2.0, mode="fan_in", distribution="untruncated_normal"
        ),
        "dtype": dtype,
    }
    if interpretable is not None:
        return InterpretableConv(
            **convolution, normalization=normalization, name=free(NEW_LAYER), **interpretable
        )(x)
    if normalization is None:
        return klayers.Conv2D(**convolution, activation="relu", name=free(PLAIN_LAYER))(x)
    x = klayers.Conv2D(**convolution, name=free(PLAIN_LAYER))(x)
    # The constants of the interpretable layer's own normalization.
    x = klayers.BatchNormalization(
        epsilon=1e-5, momentum=0.95, dtype=dtype, name=free(f"{PLAIN_LAYER}_bn")
    )(x)
    return klayers.ReLU(dtype=dtype, name=free(f"{PLAIN_LAYER}_relu"))(x)


def finish(inputs, outputs, name, interpretable):
    """A model of the right class: interpretable layers need one that feeds them labels."""
    if interpretable:
        return InterpretableModel(inputs, outputs, name=name)
    return keras.Model(inputs, outputs, name=name)


def transform(
    model,
    *,
    name,
    num_classes=None,
    layers=None,
    extra_layer=False,
    interpretable=None,
    normalization="batch",
    new_filters=None,
    fixed_normalization=False,
    check=False,
):
    """Rebuilds a model as a flat graph, with interpretable maps and the new layer or its twin.

    Args:
        model, layers, extra_layer, normalization, new_filters, name: As in `make_interpretable`.
        num_classes: Units of the classifier (1 or 2 fit one unit); `None` leaves the head alone.
        interpretable: What `layer_arguments` returns; `None` for an ordinary network.
        fixed_normalization: Whether the model's batch normalization keeps its statistics.
        check: Whether to compare the result with the original, as far as it is meant to be equal.

    Returns:
        `keras.Model`, or `InterpretableModel` when `interpretable` is given.
    """
    flat, graph, originals = flatten(functional(model))
    _check_ordinary(graph, model.name)
    maps, base = _choose(graph, layers, extra_layer or interpretable is not None)
    if interpretable is None:
        maps = []
    head = None if num_classes is None else _plan_head(graph, base, num_classes)
    # Over one unit a softmax is 1, whatever the network says.
    idle = [] if head is None else head.idle_softmaxes(graph)
    copies, free = [], _free_names(graph)

    def clone(op):
        config = op.get_config()
        if op.name in idle:
            dtype = getattr(op, "dtype_policy", None)
            return klayers.Activation("sigmoid", dtype=dtype, name=f"{op.name}_sigmoid")
        if not isinstance(op, keras.Layer):
            return fresh(op, config)
        if op.name in maps and _is_rectified_conv(op):
            config["activation"] = None
            new = InterpretableConv.from_config({**config, **interpretable})
        elif fixed_normalization and type(op) is klayers.BatchNormalization:
            new = FixedBatchNormalization.from_config(config)
        elif head is not None and op is head.classifier and head.units is not None:
            return fresh(op, head.changed(config))
        else:
            new = fresh(op, config)
        copies.append((op, new))
        return new

    def call(op, *args, **kwargs):
        if op.name.removesuffix("_sigmoid") in idle:
            kwargs = {}  # What a `Softmax` was called with, such as a mask.
        x = op(*args, **kwargs)
        dtype = getattr(op, "dtype_policy", None)
        if op.name in maps and not isinstance(op, InterpretableConv):
            kind = (
                InterpretableFilters
                if graph.is_nonnegative(op.name)
                else SignedInterpretableFilters
            )
            # An operation such as `x + y` has a running number for a name.
            stem = op.name if isinstance(op, keras.Layer) or op.name != base else "top_map"
            x = kind(**interpretable, dtype=dtype, name=free(f"{stem}_interpretable"))(x)
        if extra_layer and op.name == base:
            x = add_layer(x, new_filters, normalization, interpretable, dtype, free)
        return x

    built = keras.models.clone_model(flat, clone_function=clone, call_function=call)
    outputs = built.output
    if head is not None and head.classifier is None:
        outputs = head.add(outputs, free)
    result = finish(built.input, outputs, name, interpretable is not None)
    downstream = graph.downstream(base) if base else set()
    for old, new in copies:
        _copy_weights(originals.get(old.name, old), new, may_differ=old.name in downstream)
    if check:
        # Masks change what comes above them, and so do new layers and heads.
        above = [*maps, base] if extra_layer or head.units or interpretable["mask"] else []
        above += idle
        changed = set(idle).union(*(graph.downstream(name) for name in above if name))
        old = {op.name: originals.get(op.name, op) for op in graph.ops}
        check_converted(
            model,
            result,
            [(old[op.name], new) for op, new in copies],
            {id(in_view(model, old[name])) for name in changed},
        )
    return result


def _free_names(graph):
    """A function of a name that gives it, or one with a number where a layer has it already."""
    taken = {op.name for op in graph.ops}

    def free(name):
        found, number = name, 0
        while found in taken:
            number += 1
            found = f"{name}_{number}"
        taken.add(found)
        return found

    return free


def _check_ordinary(graph, name):
    """Checks that a network is channels last and not interpretable yet."""
    for op in graph.ops:
        if getattr(op, "data_format", None) == "channels_first":
            raise ValueError(
                f"`model` must be channels last. Build it after `keras.config."
                f"set_image_data_format('channels_last')`. Received: layer {op.name!r} with "
                "data_format='channels_first'"
            )
        if isinstance(op, (InterpretableFilters, InterpretableConv)):
            raise ValueError(
                f"`model` is already interpretable: its layer {op.name!r} is. Pass the ordinary "
                f"network. Received: model={name!r}"
            )


def _choose(graph, layers, needed):
    """Names of the maps that become interpretable, and of the map under the new layer."""
    if not needed:
        return [], None
    if layers is None:
        top = top_map(graph)
        return [top], top
    names = [layers] if isinstance(layers, str) else list(layers)
    for name in names:
        graph.check_map(name)
    if not names:
        return [], top_map(graph)
    return names, max(names, key=graph.position)


def _is_rectified_conv(op):
    return type(op) in (klayers.Conv2D, GroupedConv2D) and op.activation is keras.activations.relu


class _Head:
    """What becomes of the classifier: kept, given other units, or added."""

    def __init__(self, classifier, units, num_classes):
        self.classifier = classifier
        self.units = units
        self.num_classes = num_classes

    def changed(self, config):
        """The classifier's configuration with the units of this task."""
        key = "units" if "units" in config else "filters"
        return {**config, key: self.units, "activation": self._activation(config["activation"])}

    def idle_softmaxes(self, graph):
        """Names of the softmaxes that follow a classifier of one unit."""
        if self.units != 1:
            return []
        below = graph.downstream(self.classifier.name)
        return [op.name for op in graph.ops if op.name in below and activation_of(op) == "softmax"]

    def _activation(self, activation):
        if self.units == 1 and activation == "softmax":
            return "sigmoid"
        return activation

    def add(self, x, free):
        if len(x.shape) == 4:
            x = klayers.GlobalAveragePooling2D(name=free("avg_pool"))(x)
        activation = "sigmoid" if self.num_classes == 1 else "softmax"
        return klayers.Dense(self.num_classes, activation=activation, name=free("predictions"))(x)


def _plan_head(graph, base, num_classes):
    classifier = classifier_below(graph, base)
    if classifier is None:
        if len(graph.outputs) != 1 or len(graph.outputs[0].shape) not in (2, 4):
            raise ValueError(
                "`model` has no classifier, and none can be put on its output: it must have one "
                "output, a map (batch, height, width, channels) or features (batch, n). Received: "
                f"outputs of shapes {[tuple(t.shape) for t in graph.outputs]}"
            )
        return _Head(None, None, num_classes)
    units = getattr(classifier, "units", None) or classifier.filters
    fits = units == num_classes or (units == 1 and num_classes == 2)
    return _Head(classifier, None if fits else num_classes, num_classes)


def _copy_weights(old, new, may_differ):
    values = old.get_weights()
    targets = new.weights[: len(values)]
    if may_differ and [v.shape for v in values] != [tuple(t.shape) for t in targets]:
        return
    for target, value in zip(targets, values, strict=True):
        target.assign(value)
    # `Normalization` computes with tensors that it makes of its weights.
    if values and hasattr(new, "finalize_state"):
        new.finalize_state()

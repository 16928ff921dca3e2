"""Views: models and layers that share a network's weights and compute something else.

Nothing is set on the network's own layers, neither when a view is made nor when it runs, so that
another thread may use the network meanwhile. Views are for inference.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.layers._interpretable_conv import InterpretableConv
from keras_icnn.layers._interpretable_filters import InterpretableFilters
from keras_icnn.models._flat_copy import functional, is_model
from keras_icnn.models._map_reading import measured_layer
from keras_icnn.models._name_parts import part_keys
from keras_icnn.models._part_membership import part_membership
from keras_icnn.models._signed_filters import SignedInterpretableFilters


class WithoutMask(keras.layers.Layer):
    """An interpretable layer without its mask: its maps rectified, as in inference.

    Args:
        layer: the `InterpretableConv` or `InterpretableFilters`, whose weights it shares.
    """

    mask = False

    def __init__(self, layer):
        super().__init__(dtype=_policy(layer), name=layer.name)
        self.layer = layer
        self.built = True

    @property
    def window_of(self):
        """The layer whose kernel, strides and padding these are, for `receptive_field`."""
        return self.layer

    @property
    def interpretable(self):
        """The `InterpretableFilters` that keeps the statistics."""
        return getattr(self.layer, "interpretable", self.layer)

    def call(self, inputs):
        if isinstance(self.layer, SignedInterpretableFilters):
            return self.layer.unmasked(inputs)
        return self.layer.rectified(inputs)

    def target_categories(self):
        """See `InterpretableFilters.target_categories`."""
        return self.layer.target_categories()

    def parts(self):
        """See `InterpretableFilters.parts`."""
        return self.layer.parts()


class WithoutFilters(keras.layers.Layer):
    """An interpretable layer some of whose filters are silent: their maps are zeros.

    Args:
        layer: the `InterpretableConv` or `InterpretableFilters`, whose weights it shares.
        silent: int sequence, numbers of the silent filters.
    """

    def __init__(self, layer, silent):
        super().__init__(dtype=layer.compute_dtype, name=layer.name)
        self.layer = layer
        keep = np.ones(len(layer.target_categories()), "float32")
        keep[list(silent)] = 0
        last = layer.data_format == "channels_last"
        self._keep = keep.reshape((1, 1, -1) if last else (-1, 1, 1))
        self.built = True

    @property
    def window_of(self):
        """The layer whose kernel, strides and padding these are, for `receptive_field`."""
        return self.layer

    @property
    def interpretable(self):
        """The `InterpretableFilters` that keeps the statistics."""
        return getattr(self.layer, "interpretable", self.layer)

    @property
    def mask(self):
        """Whether the layer masks its maps."""
        return self.layer.mask

    def call(self, inputs):
        return self._kept(self.layer.call(inputs, training=False))

    def rectified(self, inputs, training=False):
        """The maps before the mask, as in inference."""
        return self._kept(self.layer.rectified(inputs))

    def _kept(self, maps):
        return maps * keras.ops.cast(self._keep, maps.dtype)

    def masks(self, maps):
        """See `InterpretableFilters.masks`."""
        return self.layer.masks(maps)

    def target_categories(self):
        """See `InterpretableFilters.target_categories`."""
        return self.layer.target_categories()

    def parts(self):
        """See `InterpretableFilters.parts`."""
        return self.layer.parts()


class WithoutActivation(keras.layers.Layer):
    """A layer with weights as it is before its activation.

    Args:
        layer: the layer, whose weights it shares; it has an attribute `activation`.
    """

    def __init__(self, layer):
        super().__init__(dtype=_policy(layer))
        self.layer = layer
        self.built = True

    def call(self, inputs):
        # A second object with the same variables: what is set on it is not seen by the layer. (A
        # copy by `copy.copy` would be a Keras save and load, with variables of its own.)
        twin = object.__new__(type(self.layer))
        twin.__dict__.update(self.layer.__dict__, activation=keras.activations.linear)
        quantized = getattr(twin, "quantization_mode", None) is not None
        return twin.quantized_call(inputs) if quantized else twin.call(inputs)


def _policy(layer):
    """A policy under which a stand-in computes as the layer does.

    Not the layer's own: of a quantized layer it would have the stand-in quantized, too. Not the
    type that it computes in alone: variables of another type would not be cast to it.
    """
    mixed = layer.compute_dtype != layer.variable_dtype
    return f"mixed_{layer.compute_dtype}" if mixed else layer.compute_dtype


def without_masks(model: keras.Model) -> keras.Model:
    """A view of a network whose interpretable layers do not mask their maps.

    It shows what masks do: compare what it predicts, or its maps, with the model's. The view shares
    the model's layers and weights, so that later training of the model changes the view, too; the
    model itself stays as it is. It is for inference only: train and save the model.

    Args:
        model: Functional or Sequential Keras model with interpretable layers, which may lie in
            nested models.

    Returns:
        `keras.Model` with the model's inputs and outputs, not compiled. Where the model has an
        interpretable layer, `get_layer` gives a stand-in of the same name.

    Raises:
        ValueError: When the model is subclassed, not built, or has no interpretable layer.

    Example:

    ```python
    plain = icnn.models.without_masks(model)
    changed = model.predict(images).argmax(-1) != plain.predict(images).argmax(-1)
    ```
    """
    model = functional(model)
    if not _has_interpretable(model):
        raise ValueError(
            "`model` must have an interpretable layer; only those mask their maps. Received: "
            f"model={model.name!r} with the layers {[layer.name for layer in model.layers]}. "
            "`icnn.make_interpretable` makes a network interpretable."
        )
    views = {}

    def call(op, *args, **kwargs):
        if is_interpretable(op):
            if id(op) not in views:
                views[id(op)] = WithoutMask(op)
            # Of the call's arguments only the maps count: `training` has no place in inference.
            return views[id(op)](args[0])
        if is_model(op) and _has_interpretable(op):
            if id(op) not in views:
                views[id(op)] = without_masks(op)
            op = views[id(op)]
        return op(*args, **kwargs)

    # A copy of the outermost shell, which is not compiled: no optimizer is made for the view.
    shell = keras.Model(model.input, model.output, name=model.name)
    return keras.models.clone_model(shell, clone_function=lambda op: op, call_function=call)


def without_parts(model: keras.Model, parts: Sequence[str]) -> keras.Model:
    """A view of a network in which some of its parts are switched off.

    The filters of these parts give maps of zeros, whatever the image shows. Compare what the view
    predicts with the model's predictions: it shows what the network needs the parts for. The view
    shares the model's layers and weights; the model itself stays as it is, and may be used by
    another thread meanwhile. It is for inference only.

    Args:
        model: Functional or Sequential Keras model whose topmost interpretable layer has parts.
        parts: keys of parts, such as `["tiger/0"]`, or names that they were given by `name_parts`
            (all parts of that name).

    Returns:
        `keras.Model` with the model's inputs and outputs, not compiled. `get_layer` gives a
        stand-in for the interpretable layer.

    Raises:
        ValueError: for a model without parts, or a part that it does not have.

    Example:

    ```python
    headless = icnn.without_parts(model, ["tiger/0"])
    changed = model.predict(images).argmax(-1) != headless.predict(images).argmax(-1)
    ```
    """
    keys = _parts_named(model, parts)
    layer = measured_layer(model)
    off = {place for key, place in part_keys(model, layer).items() if key in keys}
    pairs = zip(*(column.tolist() for column in part_membership(layer)), strict=True)
    view = WithoutFilters(layer, [f for f, place in enumerate(pairs) if place in off])
    network = functional(model)

    def call(op, *args, **kwargs):
        return view(args[0]) if op is layer else op(*args, **kwargs)

    shell = keras.Model(network.input, network.output, name=model.name)
    copy = keras.models.clone_model(shell, clone_function=lambda op: op, call_function=call)
    # What the model knows, so that explanations of the view speak as those of the model.
    copy.class_names = getattr(model, "class_names", None)
    copy.part_names = getattr(model, "part_names", {})
    return copy


def _parts_named(model, parts):
    """The keys that are meant by keys and names of parts."""
    known = part_keys(model)
    given = getattr(model, "part_names", None) or {}
    named = {
        name: {key for key in given if given[key] == name} & set(known) for name in given.values()
    }
    choices = [*known, *(name for name, keys in named.items() if keys and name not in known)]
    parts = check.names(parts, "parts", "without_parts", among=choices)
    return set().union(*({part} if part in known else named[part] for part in parts))


def is_interpretable(layer):
    """Whether a layer is one of the two interpretable ones."""
    return isinstance(layer, (InterpretableConv, InterpretableFilters))


def _has_interpretable(model):
    return any(
        is_interpretable(layer) or (is_model(layer) and _has_interpretable(layer))
        for layer in model.layers
    )

"""The public builders: one pair for each network, made from the tables."""

import inspect

from keras_icnn.zoo import _make
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._registry import register_model

_ARGUMENTS = """
    Args:
        include_top: Boolean, whether to add the classifier.
        weights: `None` (random), `"imagenet"`, or the path of a local weights file: `.npz` with
            keys `layer/variable`, Keras `.h5`, `.weights.h5` or `.keras`, MatConvNet `.mat`.
        input_tensor: Optional Keras tensor to build on.
        input_shape: `(height, width, channels)`{static};
            {default} when `include_top`.
        pooling: For `include_top=False`: `None` (the map), `"avg"` or `"max"`.
        classes: Integer, the number of label classes. 1 is the single-category task: one unit,
            class 0 is background. Counts also with `include_top=False`.
        classifier_activation: `"softmax"`, `"sigmoid"` (logistic), any activation, or `None` for
            logits. With `classes=1`, softmax means its two-class form, the sigmoid.
        name: String, the model's name.
        include_preprocessing: Boolean, whether `{mode}` preprocessing is the model's first layer;
            the model then takes RGB pixels in [0, 255].
        extra_layer: Boolean, whether {extra}.
        new_filters: Integer, M, the filters of that layer; `None` for the top map's number.
        normalization: `"batch"` or `None`, that layer's normalisation.
        dropout: Rate of the head's dropout; `None` for the network's own.
        new_head: Boolean, whether the head stays fresh when weights are loaded; `None` for
            {head}."""

_INTERPRETABLE = """
        interpret_top: Boolean, whether the pretrained top map is interpretable, too.
        background_class: Integer, the class no filter may stand for; `None` for none (class 0 when
            `classes=1`).
        filter_loss: `"default"` (the measured rule), `"paper"`, `"official"`, `None` (mask only)
            or a `FilterLoss`.
        mask: Boolean, whether the maps are masked."""

_ENDING = """

    Returns:
        {returns}

    Raises:
        ValueError: When an argument is out of range, or weights are unreadable or do not fit.

    Reference:
        - [{title}]({reference}){paper}
    """


def _ordinary(name):
    def builder(
        include_top=True,
        weights=None,
        input_tensor=None,
        input_shape=None,
        pooling=None,
        classes=1000,
        classifier_activation="softmax",
        name=name,
        *,
        include_preprocessing=False,
        extra_layer=False,
        new_filters=None,
        normalization="batch",
        dropout=None,
        new_head=None,
    ):
        return _make.create(key, _arguments(builder, locals()))

    key = name
    card = MANIFEST[name]
    builder.__doc__ = f"{card.title}, the ordinary network.\n" + _document(
        name,
        static="",
        extra=(
            "a plain 3x3xM layer (`extra_conv`) is added above the top map:\n"
            "            the twin of the interpretable network"
        ),
        head="`extra_layer`",
        returns="`keras.Model`.",
        paper="",
    )
    return _publish(builder, name)


def _interpretable(name):
    def builder(
        include_top=True,
        weights=None,
        input_tensor=None,
        input_shape=None,
        pooling=None,
        classes=1000,
        classifier_activation="softmax",
        name=f"{name}_interpretable",
        *,
        filter_loss="default",
        mask=True,
        background_class=None,
        include_preprocessing=False,
        extra_layer=True,
        interpret_top=True,
        new_filters=None,
        normalization="batch",
        dropout=None,
        new_head=None,
    ):
        return _make.create(key, _arguments(builder, locals()) | {"interpretable": True})

    key = name
    card = MANIFEST[name]
    builder.__doc__ = (
        f"{card.title} with interpretable filters, as in section 5 of the paper.\n\n"
        "    The top map is made interpretable, and a new 3x3xM interpretable layer with zero\n"
        "    padding, `interpretable_conv`, is added above it. The layers below keep their\n"
        "    weights; the new layer and the head are fresh.\n"
        + _document(
            name,
            static=", height and width known",
            extra="the new interpretable layer is added",
            head="`True`",
            returns="`InterpretableModel`.",
            paper="\n        - [Interpretable Convolutional Neural Networks]"
            "(https://arxiv.org/abs/1710.00935)",
        )
    )
    return _publish(builder, f"{name}_interpretable")


def _arguments(builder, values):
    """The arguments among a builder's local names."""
    return {name: values[name] for name in inspect.signature(builder).parameters}


def _document(name, static, extra, head, returns, paper):
    card = MANIFEST[name]
    size = _make.default_size(name)
    text = _ARGUMENTS + ("" if returns == "`keras.Model`." else _INTERPRETABLE) + _ENDING
    return text.format(
        default=f"({size}, {size}, 3)",
        static=static,
        mode=card.preprocessing,
        extra=extra,
        head=head,
        returns=returns,
        title=card.title,
        reference=card.reference,
        paper=paper,
    )


def _publish(builder, name):
    builder.__name__ = builder.__qualname__ = name
    builder.__module__ = "keras_icnn.zoo"
    return register_model(name)(builder)


BUILDERS = {}
for _name in MANIFEST:
    BUILDERS[_name] = _ordinary(_name)
    BUILDERS[f"{_name}_interpretable"] = _interpretable(_name)

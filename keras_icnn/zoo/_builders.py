"""The public builders: each network ordinary and interpretable."""

import inspect

from keras_icnn.zoo import _application_networks, _architecture_networks, _shipped
from keras_icnn.zoo._application_networks import APPLICATIONS
from keras_icnn.zoo._architectures import ARCHITECTURES
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._options import Options
from keras_icnn.zoo._registry import register_model
from keras_icnn.zoo._signatures import InterpretableBuilder, OrdinaryBuilder

_PAPER = "\n    - [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935)"


def _ordinary(network: str) -> OrdinaryBuilder:
    summary = f"{MANIFEST[network].title}, the ordinary network."
    return _publish(network, network, OrdinaryBuilder, _document(network, summary, OrdinaryBuilder))


def _interpretable(network: str) -> InterpretableBuilder:
    summary = f"""\
{MANIFEST[network].title} with interpretable filters, as in section 5 of the paper.

The top map is made interpretable, and a new 3x3xM interpretable layer with zero padding,
`interpretable_conv`, is added above it. The layers below keep their weights; the new
layer and the head are fresh."""
    document = _document(network, summary, InterpretableBuilder) + _PAPER
    return _publish(
        f"{network}_interpretable", network, InterpretableBuilder, document, interpretable=True
    )


def _publish(name, network, protocol, document, **fixed):
    """A registered function with the signature of a protocol's `__call__`."""
    call = inspect.signature(protocol.__call__)
    signature = call.replace(parameters=list(call.parameters.values())[1:])  # Without `self`.

    def builder(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            hint = " It is called `classes` here." if "num_classes" in kwargs else ""
            raise TypeError(f"{name}() {error}.{hint}") from None
        bound.apply_defaults()
        if bound.arguments["name"] is None:
            bound.arguments["name"] = name
        return _create(network, {**bound.arguments, **fixed})

    builder.__name__ = builder.__qualname__ = name
    builder.__module__ = "keras_icnn.zoo"
    builder.__doc__ = document
    builder.__signature__ = signature
    builder.__annotations__ = dict(protocol.__call__.__annotations__)
    return register_model(name)(builder)


def _create(network, arguments):
    table, build = _home(network)
    weights = arguments["weights"]
    shipped = "interpretable" in arguments and _shipped.is_shipped(network, weights)
    if shipped:
        arguments = _shipped.checked_arguments(network, weights, arguments)
    options = Options(
        **arguments,
        shipped=shipped,
        min_size=table.min_size,
        default_size=table.default_size,
    )
    model = build(network, options)
    if options.class_names is not None:
        model.class_names = options.class_names
    if shipped:
        _shipped.load(model, network, weights)
    return model


def _home(network):
    """What describes a network, and the function that builds it."""
    if network in ARCHITECTURES:
        return ARCHITECTURES[network], _architecture_networks.build
    return APPLICATIONS[network], _application_networks.build


def _document(network, summary, protocol):
    """A builder's docstring: the network's facts, and the arguments as the protocol has them."""
    card, size = MANIFEST[network], _home(network)[0].default_size
    source = card.source
    weights = "none to fetch" if source is None else f"{source.url}, {source.licence}"
    arguments = inspect.getdoc(protocol.__call__).partition("\n\n")[2]
    return f"""{summary}

Facts of the ordinary network:
    - Input: ({size}, {size}, 3), `"{card.preprocessing}"` preprocessing.
    - Parameters: {card.parameters:,} with the head of 1000 classes, \
{card.parameters_without_top:,} without a head.
    - ImageNet weights: {weights}.

{arguments}

Reference:
    - [{card.title}]({card.reference})"""


alexnet: OrdinaryBuilder = _ordinary("alexnet")
alexnet_interpretable: InterpretableBuilder = _interpretable("alexnet")
alexnet_v2: OrdinaryBuilder = _ordinary("alexnet_v2")
alexnet_v2_interpretable: InterpretableBuilder = _interpretable("alexnet_v2")
convnext_tiny: OrdinaryBuilder = _ordinary("convnext_tiny")
convnext_tiny_interpretable: InterpretableBuilder = _interpretable("convnext_tiny")
densenet121: OrdinaryBuilder = _ordinary("densenet121")
densenet121_interpretable: InterpretableBuilder = _interpretable("densenet121")
efficientnet_v2_b0: OrdinaryBuilder = _ordinary("efficientnet_v2_b0")
efficientnet_v2_b0_interpretable: InterpretableBuilder = _interpretable("efficientnet_v2_b0")
mobilenet_v2: OrdinaryBuilder = _ordinary("mobilenet_v2")
mobilenet_v2_interpretable: InterpretableBuilder = _interpretable("mobilenet_v2")
resnet50: OrdinaryBuilder = _ordinary("resnet50")
resnet50_interpretable: InterpretableBuilder = _interpretable("resnet50")
squeezenet: OrdinaryBuilder = _ordinary("squeezenet")
squeezenet_interpretable: InterpretableBuilder = _interpretable("squeezenet")
vgg16: OrdinaryBuilder = _ordinary("vgg16")
vgg16_interpretable: InterpretableBuilder = _interpretable("vgg16")
vgg19: OrdinaryBuilder = _ordinary("vgg19")
vgg19_interpretable: InterpretableBuilder = _interpretable("vgg19")
vgg_m: OrdinaryBuilder = _ordinary("vgg_m")
vgg_m_interpretable: InterpretableBuilder = _interpretable("vgg_m")
vgg_s: OrdinaryBuilder = _ordinary("vgg_s")
vgg_s_interpretable: InterpretableBuilder = _interpretable("vgg_s")

"""Networks of keras.applications: built there, then made flat and interpretable."""

from dataclasses import dataclass, field

import keras
from keras import layers

from keras_icnn.models import _conversion
from keras_icnn.models._flat_copy import flatten
from keras_icnn.zoo import _download, _fine_tuning, _weights
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._preprocessing import ImagePreprocessing


@dataclass(frozen=True)
class Application:
    """One network of keras.applications.

    Args:
        function: Name of the function there.
        dropout: The head's rate.
        arguments: Further arguments of the function.
    """

    function: str
    dropout: float = 0.0
    arguments: dict = field(default_factory=dict)
    default_size: int = 224
    min_size: int = 32

    def __call__(self, **arguments):
        return getattr(keras.applications, self.function)(**self.arguments, **arguments)


_OURS = {"include_preprocessing": False}
APPLICATIONS = {
    "mobilenet_v2": Application("MobileNetV2"),
    "resnet50": Application("ResNet50"),
    "densenet121": Application("DenseNet121"),
    "convnext_tiny": Application("ConvNeXtTiny", arguments=_OURS),
    "efficientnet_v2_b0": Application("EfficientNetV2B0", dropout=0.2, arguments=_OURS),
}


def build(network, options):
    """Builds a network of keras.applications, with its weights.

    Args:
        network: Key of `APPLICATIONS`.
        options: `Options`.

    Returns:
        `keras.Model`, or `InterpretableModel` when the options ask for one.
    """
    application = APPLICATIONS[network]
    inputs = x = keras.Input(options.input_shape)
    if options.include_preprocessing:
        x = ImagePreprocessing(MANIFEST[network].preprocessing, name="preprocessing")(x)
    backbone = application(
        weights=None,
        include_top=False,
        input_tensor=x,
        input_shape=options.input_shape,
        pooling="avg" if options.include_top else options.pooling,
    )
    pretrained = _weights.weighted(backbone)
    loads = options.weights is not None and not options.shipped
    if options.top_map is not None:
        # The weights are those of the whole network.
        if loads:
            _load(application, options, backbone, backbone, x)
        backbone = _cut(backbone, inputs, options)
        pretrained = _weights.weighted(backbone)
    outputs = backbone.output
    if options.include_top:
        rate = application.dropout if options.dropout is None else options.dropout
        if rate:
            outputs = layers.Dropout(rate, name="top_dropout")(outputs)
        outputs = layers.Dense(
            options.classes, activation=options.classifier_activation, name="predictions"
        )(outputs)
    model = keras.Model(inputs, outputs, name=application.function.lower())
    if loads and options.top_map is None:
        _load(application, options, model, backbone, x)
    if options.input_tensor is not None:
        sources, tensor = options.input()
        model = keras.Model(sources, model(tensor))
    interpretable = None
    if options.interpretable:
        interpretable = _conversion.layer_arguments(
            options.classes, options.background_class, options.filter_loss, options.mask
        )
    result = _conversion.transform(
        model,
        name=options.name,
        layers=None if options.interpret_top else (),
        extra_layer=options.extra_layer,
        interpretable=interpretable,
        normalization=options.normalization,
        new_filters=options.new_filters,
        fixed_normalization=options.pretrained,
    )
    if options.pretrained:
        _fine_tuning.freeze(
            result, network, [layer.name for layer in pretrained], options.fine_tune
        )
    return result


def _cut(backbone, inputs, options):
    """The backbone up to the layer `top_map`, pooled as the options say."""
    own = (layers.InputLayer, ImagePreprocessing)
    maps = [
        layer.name
        for layer in backbone.layers
        if len(layer.output.shape) == 4 and not isinstance(layer, own)
    ]
    if options.top_map not in maps:
        options.refuse_top_map(maps)
    x = backbone.get_layer(options.top_map).output
    pooling = "avg" if options.include_top else options.pooling
    if pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    return keras.Model(inputs, x, name=backbone.name)


def _load(application, options, model, backbone, x):
    """Loads the weights into a network.

    Args:
        application: `Application`.
        options: `Options`.
        model: The network.
        backbone: The network without its head, of the same layers.
        x: The tensor that the application was built on.
    """
    backbone_layers = len(_weights.weighted(backbone))
    wants_head = options.include_top and not options.new_head
    weights = options.weights

    def reference(include_top, classes=1000, input_shape=None, weights=None):
        return application(
            weights=weights,
            include_top=include_top,
            input_shape=None if include_top and weights else input_shape,
            classes=classes,
            pooling=None if include_top else "avg",
        )

    if weights == "imagenet":
        with _download.named(options.name):
            source = reference(wants_head, input_shape=options.input_shape, weights="imagenet")
    elif weights.endswith(".npz"):
        names = [layer.name for layer in _weights.weighted(model)]
        _weights.assign(
            model,
            _weights.load_npz(weights),
            names[:backbone_layers],
            names[backbone_layers:] if wants_head else (),
            source=repr(weights),
        )
        return
    else:
        references = [
            # The network itself, without the preprocessing: what does not fit is given up.
            lambda: keras.Model(x, backbone.output),
            lambda: reference(True),
        ]
        if wants_head:
            references.insert(0, lambda: reference(True, options.classes, options.input_shape))
        if any(isinstance(layer, keras.Model) for layer in model.layers):
            # Our own ordinary networks have the layers of Keras's nested models in one graph.
            references += [lambda build=build: flatten(build())[0] for build in references]
        source = _weights.load_keras(weights, references)
    _weights.transfer(source, model, None if wants_head else backbone_layers)

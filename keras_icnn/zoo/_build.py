"""From a builder's arguments to a model with its weights."""

import keras

from keras_icnn.zoo import _applications, _builder, _weights
from keras_icnn.zoo._applications import APPLICATIONS
from keras_icnn.zoo._architectures import ARCHITECTURES
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._options import Options


def default_size(name):
    """Height and width of a network's default input."""
    return _table(name).default_size


def create(name, arguments):
    """Builds a network and gives it its weights.

    Args:
        name: Key of `MANIFEST`.
        arguments: Dictionary of `Options`' fields.

    Returns:
        `keras.Model`, or `InterpretableModel`.
    """
    table = _table(name)
    options = Options(**arguments, min_size=table.min_size, default_size=table.default_size)
    preprocessing = MANIFEST[name].preprocessing
    if name in APPLICATIONS:
        return _applications.build(table, options, preprocessing)
    return _create_from_table(name, table, options, preprocessing)


def _table(name):
    return ARCHITECTURES[name] if name in ARCHITECTURES else APPLICATIONS[name]


def _create_from_table(name, architecture, options, preprocessing):
    model = _builder.build(architecture, options, preprocessing)
    if options.weights is not None:
        backbone, head = _builder.weighted_rows(architecture)
        wants_head = options.include_top and not options.new_head
        _weights.assign(
            model,
            _read(name, options),
            backbone,
            head if wants_head else (),
            source=repr(options.weights),
        )
    return model


def _read(name, options):
    weights = options.weights
    if weights == "imagenet":
        return _imagenet(name, options)
    if weights.endswith(".npz"):
        return _weights.load_npz(weights)
    return _weights.read_model(_weights.load_keras(weights, _references(name, options)))


def _imagenet(name, options):
    application = {"vgg16": "VGG16", "vgg19": "VGG19"}.get(name)
    if application is None:
        raise ValueError(
            f"There are no published ImageNet weights to fetch for {name!r}: pass `weights` the "
            "path of a local file (.npz with keys layer/variable). Received: weights='imagenet'"
        )
    top = options.include_top and not options.new_head
    source = getattr(keras.applications, application)(
        weights="imagenet", include_top=top, input_shape=None if top else options.input_shape
    )
    return _weights.read_model(source)


def _references(name, options):
    """Networks that a Keras weights file may be of, the most specific first."""
    architecture = ARCHITECTURES[name]

    def ordinary(include_top, classes, input_shape):
        return lambda: _builder.build(
            architecture,
            Options(
                name=name,
                include_top=include_top,
                input_shape=input_shape,
                classes=classes,
                default_size=architecture.default_size,
            ),
            None,
        )

    references = [
        ordinary(False, 1000, options.input_shape),
        # Keras's older `.h5` files load only into a network with all their layers.
        ordinary(True, 1000, None),
    ]
    if options.include_top and not options.new_head:
        references.insert(0, ordinary(True, options.classes, options.input_shape))
    return references

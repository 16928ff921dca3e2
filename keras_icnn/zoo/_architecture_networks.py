"""Networks of `_architectures`: the graph, and its weights from wherever they come."""

from dataclasses import replace

import keras

from keras_icnn.zoo import _download, _fine_tuning, _matconvnet, _weights
from keras_icnn.zoo._architecture_graph import build_graph
from keras_icnn.zoo._architectures import (
    ARCHITECTURES,
    Conv,
    Fire,
    geometry,
    weighted_rows,
)
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._options import Options


def build(network, options):
    """Builds a network of `ARCHITECTURES`, with its weights.

    Args:
        network: Key of `ARCHITECTURES`.
        options: `Options`.

    Returns:
        `keras.Model`, or `InterpretableModel` when the options ask for one.
    """
    architecture = _cut(ARCHITECTURES[network], options)
    preprocessing = MANIFEST[network].preprocessing
    matconvnet = _matconvnet_file(network, architecture, options)
    mean = None
    if matconvnet is not None and options.include_preprocessing:
        mean = _mean(matconvnet, options, preprocessing)
    model = build_graph(architecture, options, preprocessing, None if mean is None else mean.shape)
    if options.weights is None:
        return model
    backbone, head = weighted_rows(architecture)
    if not options.include_top or options.new_head:
        head = []
    if matconvnet is not None:
        rows = [(row, tuple(model.get_layer(row).kernel.shape)) for row in backbone + head]
        arrays = _matconvnet.layer_arrays(matconvnet, rows, flip_first=preprocessing == "caffe")
    elif options.weights == "imagenet":
        arrays = _imagenet(network, options)
    elif options.weights.endswith(".npz"):
        arrays = _weights.load_npz(options.weights)
    else:
        source = _weights.load_keras(options.weights, _references(network, options))
        arrays = _weights.read_model(source)
    _weights.assign(model, arrays, backbone, head, source=repr(options.weights))
    _fine_tuning.freeze(model, network, backbone, options.fine_tune)
    if mean is not None:
        model.get_layer("preprocessing").mean.assign(mean)
    return model


def _cut(architecture, options):
    """An architecture up to the row whose map is `top_map`."""
    if options.top_map is None:
        return architecture
    rows = {
        f"{row.name}_concat" if isinstance(row, Fire) else row.name: place
        for place, row in enumerate(architecture.features)
        if isinstance(row, (Conv, Fire))
    }
    if options.top_map not in rows:
        options.refuse_top_map(list(rows))
    return replace(architecture, features=architecture.features[: rows[options.top_map] + 1])


def _matconvnet_file(network, architecture, options):
    """The MatConvNet model that the options' weights are in, or `None`."""
    weights, source = options.weights, MANIFEST[network].source
    if weights == "imagenet" and source is not None and source.format == "matconvnet":
        model = _download.fetch(source, _matconvnet.read_matconvnet)
    elif weights is not None and weights.endswith(".mat"):
        model = _matconvnet.read_matconvnet(weights)
    else:
        return None
    _matconvnet.check_geometry(model, geometry(ARCHITECTURES[network]))
    return model


def _mean(matconvnet, options, preprocessing):
    """The file's mean image in the network's channel order; its mean pixel at other sizes."""
    mean = matconvnet.mean
    if mean is None:
        return None
    if mean.shape != tuple(options.input_shape):
        mean = mean.mean(axis=(0, 1), keepdims=True)
    return mean[..., ::-1] if preprocessing == "caffe" else mean


def _imagenet(network, options):
    application = {"vgg16": "VGG16", "vgg19": "VGG19"}.get(network)
    if application is None:
        raise ValueError(
            f"There are no published ImageNet weights to fetch for {network!r}: pass `weights` the "
            "path of a local file (.npz with keys layer/variable). Received: weights='imagenet'"
        )
    top = options.include_top and not options.new_head
    with _download.named(network):
        source = getattr(keras.applications, application)(
            weights="imagenet", include_top=top, input_shape=None if top else options.input_shape
        )
    return _weights.read_model(source)


def _references(network, options):
    """Networks that a Keras weights file may be of, the most specific first."""
    architecture = ARCHITECTURES[network]

    def ordinary(include_top, classes, input_shape):
        return lambda: build_graph(
            architecture,
            Options(
                name=network,
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

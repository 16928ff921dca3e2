"""The Keras graph of an `Architecture`, without weights."""

from keras import layers

from keras_icnn.layers._grouped_conv import GroupedConv2D
from keras_icnn.layers._interpretable_conv import InterpretableConv
from keras_icnn.layers._interpretable_filters import InterpretableFilters
from keras_icnn.layers._local_response_normalization import LocalResponseNormalization
from keras_icnn.models import _conversion
from keras_icnn.models._operations import check_size
from keras_icnn.zoo._architectures import Conv, Fire, Norm, Pool
from keras_icnn.zoo._preprocessing import ImagePreprocessing


def build_graph(architecture, options, preprocessing, mean_shape=None):
    """Builds a network from its rows, without weights.

    Args:
        architecture: `Architecture`.
        options: `Options`.
        preprocessing: Key of `MODES`, used when the options include preprocessing.
        mean_shape: Shape of the preprocessing's mean when a weights file brings one.

    Returns:
        `keras.Model`, or `InterpretableModel` when the options ask for one.
    """
    inputs, x = options.input()
    interpretable = None
    if options.interpretable:
        interpretable = _conversion.layer_arguments(
            options.classes, options.background_class, options.filter_loss, options.mask
        )
    if options.include_preprocessing:
        x = ImagePreprocessing(preprocessing, mean_shape, name="preprocessing")(x)
    for row in architecture.features:
        is_top = row is architecture.top
        masked = interpretable if is_top and options.interpret_top else None
        x = _ROWS[type(row)](row, x, masked)
        if is_top and options.interpretable:
            check_size(row.name, tuple(x.shape))
        if is_top and options.extra_layer:
            x = _conversion.add_layer(x, options.new_filters, options.normalization, interpretable)
    x = _head(architecture, options, x)
    return _conversion.finish(inputs, x, options.name, options.interpretable)


def _conv(row, x, interpretable):
    padding = "valid"
    if row.padding and row.strides == 1 and 2 * row.padding == row.kernel_size - 1:
        padding = "same"
    elif row.padding:
        x = layers.ZeroPadding2D(row.padding, name=f"{row.name}_pad")(x)
    arguments = {
        "filters": row.filters,
        "kernel_size": row.kernel_size,
        "strides": row.strides,
        "padding": padding,
        "groups": row.groups,
        "name": row.name,
    }
    if interpretable is None:
        kind = layers.Conv2D if row.groups == 1 else GroupedConv2D
        return kind(activation="relu", **arguments)(x)
    return InterpretableConv(**arguments, **interpretable)(x)


def _fire(row, x, interpretable):
    def conv(part, filters, size, x):
        return layers.Conv2D(
            filters, size, padding="same", activation="relu", name=f"{row.name}_{part}"
        )(x)

    x = conv("squeeze1x1", row.squeeze, 1, x)
    x = layers.Concatenate(name=f"{row.name}_concat")(
        [conv("expand1x1", row.expand, 1, x), conv("expand3x3", row.expand, 3, x)]
    )
    if interpretable is None:
        return x
    return InterpretableFilters(**interpretable, name=f"{row.name}_interpretable")(x)


def _norm(row, x, _):
    return LocalResponseNormalization(
        row.depth_radius, row.bias, row.alpha, row.beta, name=row.name
    )(x)


def _pool(row, x, _):
    if row.padding:
        # Zeros stand for MatConvNet's minus infinity: what is pooled has been through a ReLU.
        margin = (0, row.padding)
        x = layers.ZeroPadding2D((margin, margin), name=f"{row.name}_pad")(x)
    return layers.MaxPooling2D(row.pool_size, row.strides, name=row.name)(x)


_ROWS = {Conv: _conv, Fire: _fire, Norm: _norm, Pool: _pool}


def _head(architecture, options, x):
    if not options.include_top:
        if options.pooling == "avg":
            return layers.GlobalAveragePooling2D(name="avg_pool")(x)
        if options.pooling == "max":
            return layers.GlobalMaxPooling2D(name="max_pool")(x)
        return x
    rate = architecture.dropout if options.dropout is None else options.dropout
    activation = options.classifier_activation
    if options.pooled_head:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return layers.Dense(options.classes, activation=activation, name="predictions")(x)
    if architecture.head == ("conv10",):
        if rate:
            x = layers.Dropout(rate, name="drop9")(x)
        x = layers.Conv2D(options.classes, 1, name="conv10")(x)
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return layers.Activation(activation or "linear", name="predictions")(x)
    x = layers.Flatten(name="flatten")(x)
    for name, units in architecture.head:
        if rate and architecture.dropout_first:
            x = layers.Dropout(rate, name=f"{name}_dropout")(x)
        x = layers.Dense(units, activation="relu", name=name)(x)
        if rate and not architecture.dropout_first:
            x = layers.Dropout(rate, name=f"{name}_dropout")(x)
    return layers.Dense(options.classes, activation=activation, name="predictions")(x)

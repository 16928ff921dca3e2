"""From a layer's maps to the logits, with each filter silent in turn."""

import keras
import numpy as np
from keras import layers as klayers
from keras import ops

from keras_icnn.models._tensors import calls_of, output_of
from keras_icnn.models._views import WithoutActivation

# Layers that treat each filter's map by itself, and leave a map of zeros a map of zeros.
_BY_FILTER = (
    klayers.AveragePooling2D,
    klayers.GlobalAveragePooling2D,
    klayers.GlobalMaxPooling2D,
    klayers.MaxPooling2D,
    klayers.ReLU,
)
# Layers that do nothing outside of training.
_IDENTITIES = (klayers.Dropout, klayers.Identity, klayers.SpatialDropout2D)


class Head:
    """What comes after the maps, cut where silencing each filter in turn costs the least.

    Layers that treat filters one by one (pooling, dropout) come first and are not repeated. Where
    a dense layer or a convolution follows, the share of each filter in its result costs as much
    as the layer itself; only what comes after runs once for each filter.

    Args:
        model: the model.
        layer: the layer that makes the maps.
        logits: the tensor whose change is wanted, `[batch, outputs]`.

    Attributes:
        entry: the tensor that `effects` starts from; the model computes it.

    Raises:
        ValueError: when not everything passes through the layer.
    """

    def __init__(self, model, layer, logits):
        self.entry = output_of(model, layer)
        self.filters = int(self.entry.shape[-1])
        self.outputs = int(logits.shape[-1])
        self._mixing = None
        flat = False
        start = self.entry
        for operation, output in _chain(model, self.entry, logits):
            # The logits are those of a layer without its activation.
            linear = isinstance(operation, WithoutActivation)
            operation = operation.layer if linear else operation
            if isinstance(operation, _IDENTITIES):
                continue
            if _mixes(operation, flat or len(self.entry.shape) == 2):
                self._mixing, start = operation, output
                self._activation = keras.activations.linear if linear else operation.activation
                break
            if isinstance(operation, klayers.Flatten) and operation.data_format == "channels_last":
                flat = True
            elif isinstance(operation, _BY_FILTER) and not flat:
                self.entry = start = output
            else:
                break
        self._tail = None
        if self._mixing is not None and start is logits:
            return
        try:
            self._tail = keras.Model(start, logits)
        except ValueError as error:
            raise ValueError(
                "`explain` needs a layer that everything passes through on its way to the output; "
                "pass another `layer`, or `endpoint='serve'` to export predictions alone. "
                f"Received: layer '{layer.name}'"
            ) from error

    def effects(self, entry, logits):
        """What the largest logit loses when a filter's map is set to zero.

        Args:
            entry: float, values of the tensor `self.entry`.
            logits: float `[batch, outputs]`.

        Returns:
            float32 `[batch, filters]`.
        """
        if self._mixing is None:
            without = self._silenced(entry)
        elif self._tail is None:
            without = ops.expand_dims(logits, 1) - self._shares(entry)
        else:
            shares = self._shares(entry)
            full = ops.sum(shares, axis=1, keepdims=True)
            if self._mixing.use_bias:
                full = full + ops.convert_to_tensor(self._mixing.bias)
            without = self._activation(full - shares)
            shape = tuple(without.shape[2:])
            without = self._tail(ops.reshape(without, (-1, *shape)), training=False)
        without = ops.reshape(ops.cast(without, "float32"), (-1, self.filters, self.outputs))
        _, winner = ops.top_k(logits, 1)
        winner = ops.one_hot(winner, self.outputs, dtype="float32")  # [batch, 1, outputs]
        return ops.sum((ops.expand_dims(logits, 1) - without) * winner, axis=-1)

    def _silenced(self, entry):
        """The tail's result on copies of its input, one with each filter at zero."""
        shape = tuple(self.entry.shape[1:])
        keep = (1.0 - np.eye(self.filters)).astype("float32")
        keep = keep.reshape((1, self.filters, *[1] * (len(shape) - 1), self.filters))
        copies = ops.expand_dims(entry, 1) * ops.cast(keep, entry.dtype)
        return self._tail(ops.reshape(copies, (-1, *shape)), training=False)

    def _shares(self, entry):
        """What each filter adds to the mixing layer's sums: `[batch, filters, ..., units]`."""
        operation = self._mixing
        kernel = ops.cast(ops.convert_to_tensor(operation.kernel), "float32")
        entry = ops.cast(entry, "float32")
        if isinstance(operation, klayers.Conv2D):
            # [h, w, in, out] is also the kernel of a depthwise convolution with `out` results each.
            given = ops.depthwise_conv(
                entry,
                kernel,
                strides=operation.strides,
                padding=operation.padding,
                dilation_rate=operation.dilation_rate,
            )
            height, width = given.shape[1:3]
            given = ops.reshape(given, (-1, height, width, self.filters, operation.filters))
            return ops.transpose(given, (0, 3, 1, 2, 4))
        # Flattened maps hold all filters of the first unit, then of the second.
        places = kernel.shape[0] // self.filters
        kernel = ops.reshape(kernel, (places, self.filters, operation.units))
        by_filter = ops.transpose(ops.reshape(entry, (-1, places, self.filters)), (2, 0, 1))
        given = ops.matmul(by_filter, ops.transpose(kernel, (1, 0, 2)))
        return ops.transpose(given, (1, 0, 2))


def _chain(model, entry, logits):
    """What follows a tensor without a branch: pairs of an operation and its output tensor."""
    users = {}
    for operation, inputs, tensor in calls_of(model, [logits]):
        for given in inputs:
            users.setdefault(id(given), []).append((operation, inputs, tensor))
    following = users.get(id(entry), [])
    while len(following) == 1 and len(following[0][1]) == 1:
        operation, _, output = following[0]
        yield operation, output
        following = users.get(id(output), [])


def _mixes(operation, flat):
    """Whether it sums over filters in a way that `_shares` knows."""
    if type(operation) not in (klayers.Dense, klayers.Conv2D):
        return False
    if operation.dtype_policy.quantization_mode is not None:
        return False
    if isinstance(operation, klayers.Dense):
        return flat
    return not flat and operation.groups == 1 and operation.data_format == "channels_last"

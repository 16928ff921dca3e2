"""The pass over the training data before training: what `adapt` of the layers does."""

import keras
import numpy as np
from keras import ops

from keras_icnn import _arguments
from keras_icnn.layers import _cluster_starts, _membership, _targets

# Images of a category without which nothing is typical of it.
_FEWEST = 2
_FORM = "Give arrays `adapt(inputs, labels)`, or a data set of (inputs, labels) batches."


def batches_of(inputs, labels, where, batch_size=32):
    """Batches of (inputs, labels) from arrays or from a data set of such batches.

    Args:
        inputs: Array, with `labels`; or an iterable or `keras.utils.PyDataset` of pairs.
        labels: Array or None.
        where: Of messages.
    """
    if labels is not None:
        inputs, labels = np.asarray(inputs), np.asarray(labels)
        if len(inputs) != len(labels):
            raise ValueError(
                f"Arguments `inputs` and `labels` of {where} must be of equal length. Received: "
                f"{len(inputs)} and {len(labels)}."
            )
        starts = range(0, len(inputs), batch_size)
        return ((inputs[i : i + batch_size], labels[i : i + batch_size]) for i in starts)
    if isinstance(inputs, keras.utils.PyDataset):
        return (inputs[i] for i in range(len(inputs)))
    if not hasattr(inputs, "__iter__") or isinstance(inputs, np.ndarray):
        _arguments.refuse(inputs, "inputs", where, "a data set where no `labels` are given", _FORM)
    return iter(inputs)


def member_of(labels, layer):
    """The classes of each image of a batch: float array `[N, C]`, checked."""
    labels = ops.convert_to_numpy(labels)
    _membership.check(labels, layer.num_classes)
    return ops.convert_to_numpy(_membership.membership(labels, layer.num_classes))


def cluster_start(layer, batches, *, parts, share, typical, seed):
    """The kernel that a new convolution starts from.

    Args:
        layer: `InterpretableConv`, built.
        batches: Iterable of (inputs of the layer, labels).
        parts: Number of parts K.
        share, typical, seed: As in `InterpretableConv.adapt`.

    Returns:
        float32 array, shaped as the kernel.

    Raises:
        ValueError: Where a category that has filters has too few images.
    """
    sample = None
    average = _patch_average(layer)
    for inputs, labels in batches:
        features = ops.convert_to_numpy(average(ops.convert_to_tensor(inputs, dtype="float32")))
        features = features.reshape(len(features), -1, features.shape[-1])
        if sample is None:
            sample = _cluster_starts.FeatureSample(
                layer.num_classes, features.shape[2], features.shape[1], seed
            )
        sample.update(features, member_of(labels, layer))
    kernel = ops.convert_to_numpy(layer.kernel)
    held = layer.parts()
    wanted = sorted(set(held.category[held.part >= 0].tolist()) - {-1})
    _check_images(sample, wanted, layer.name)
    whitening = sample.whitening() if wanted else None
    filters = kernel.shape[-1]
    per_group = filters // layer.groups
    directions = np.full((filters, kernel.shape[2]), np.nan)
    for c in wanted:
        found = _cluster_starts.cluster_directions(
            sample, whitening, c, parts, typical, seed
        ).directions
        for f in np.flatnonzero((held.category == c) & (held.part >= 0)):
            first = f // per_group * kernel.shape[2]
            directions[f] = found[held.part[f], first : first + kernel.shape[2]]
    return _cluster_starts.start_kernel(kernel, directions, share)


def _check_images(sample, wanted, name):
    for c in wanted:
        count = 0 if sample is None else int(sample.count[c])
        if count < _FEWEST:
            raise ValueError(
                f"The data that layer '{name}' is adapted to must hold at least {_FEWEST} images "
                f"of each category that has filters. Received: {count} of class {c}. Give the "
                "training data, all classes of it."
            )


def _patch_average(layer):
    """A function that averages what each unit of a convolution sees, channel by channel."""
    height, width, _, _ = layer.kernel.shape
    channels_last = layer.data_format == "channels_last"

    def average(x):
        channels = x.shape[-1 if channels_last else 1]
        ones = ops.full((height, width, channels, 1), 1.0 / (height * width))
        x = ops.depthwise_conv(
            x,
            ones,
            strides=layer.strides,
            padding=layer.padding,
            data_format=layer.data_format,
            dilation_rate=layer.dilation_rate,
        )
        return x if channels_last else ops.transpose(x, (0, 2, 3, 1))

    return average


def class_means(layer, batches):
    """How much the images of each class activate each filter: `[C, F]`, and images `[C]`.

    Args:
        layer: `InterpretableFilters` or `InterpretableConv`, built.
        batches: Iterable of (inputs of the layer, labels).
    """
    sums = counts = 0.0
    for inputs, labels in batches:
        member = member_of(labels, layer)
        maps = layer.rectified(ops.convert_to_tensor(inputs))
        if layer.data_format == "channels_first":
            maps = ops.transpose(maps, (0, 2, 3, 1))
        total = ops.convert_to_numpy(ops.sum(ops.cast(maps, "float32"), axis=(1, 2)))
        sums = sums + member.T.astype("float64") @ total
        counts = counts + member.sum(axis=0)
    if not np.isfinite(sums).all():
        raise ValueError(f"The maps of layer '{layer.name}' hold NaN or infinite values.")
    return sums / np.maximum(counts, 1)[:, None], counts


def chosen_categories(means, counts, background_class):
    """The category of each filter, about as many filters each: int32 `[F]`, from class means."""
    known = _targets.candidates(ops.convert_to_tensor(counts, dtype="float32"), background_class)
    several = int(ops.convert_to_numpy(ops.sum(known))) > 1
    means = ops.convert_to_tensor(means, dtype="float32")
    index = _targets.target_categories(means, known, several)
    return ops.convert_to_numpy(index).astype("int32")


def check_adaptable(layer, inputs, labels):
    """Checks that a layer has fixed categories and is built; builds it for arrays.

    Args:
        layer: `InterpretableFilters` or `InterpretableConv`.
        inputs, labels: As in `batches_of`.
    """
    target = getattr(layer, "interpretable", layer)._rule.target
    if target != "assigned":
        raise ValueError(
            f"Layer '{layer.name}' chooses categories while it trains and has nothing to adapt to. "
            f"Received: FilterLoss(target={target!r}). Use target='assigned', as the default rule "
            "does."
        )
    if not layer.built:
        if labels is None:
            raise ValueError(
                f"Layer '{layer.name}' must be built before it is adapted to a data set: call it, "
                "or `build(input_shape)`."
            )
        layer.build(tuple(np.shape(inputs)))

"""`adapt_parts`: starts a model's new interpretable layers from clusters of training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_icnn import _arguments
from keras_icnn.layers import _adaptation
from keras_icnn.layers._interpretable_conv import InterpretableConv
from keras_icnn.layers._interpretable_filters import InterpretableFilters
from keras_icnn.models._classifier_start import start_classifier
from keras_icnn.models._forward_pass import forward
from keras_icnn.models._tensors import input_of

_NEW = "interpretable_conv"
# Images from which the size of activations is told.
_SOME = 128


def adapt_parts(
    model: keras.Model,
    dataset: Any,
    labels: Any = None,
    *,
    parts: int | None = None,
    layers: Sequence[str] | None = None,
    share: float = 0.2,
    typical: float = 0.4,
    seed: int = 0,
    classifier: bool = True,
    batch_size: int = 32,
    verbose: bool = False,
) -> None:
    """Prepares interpretable layers for training: one pass over the training data, before `fit`.

    The filters of new convolutions start from clusters of their input features, a cluster a part
    (`InterpretableConv.adapt`). Layers of filters that exist already give each filter the category
    whose images activate it most (`InterpretableFilters.adapt`). Layers whose rule chooses
    categories while it trains (`"paper"`, `"official"`) are left as they are. The classifier right
    above new filters starts with each class reading its own filters, so that a filter's category is
    the class it speaks for.

    Args:
        model: A functional model, its lower layers with the weights they are trained from.
        dataset: Training data: images, an array, with `labels`; or a data set of batches
            (images, labels).
        labels: Labels, where `dataset` is an array.
        parts: Number of parts, to check that the layers' rules have as many; None: whatever the
            rules say.
        layers: Names of the layers whose filters are new. None: those that Keras or the zoo named,
            `interpretable_conv`, `interpretable_conv_1`, ...; a converted convolution keeps the
            name it had.
        share, typical, seed: As in `InterpretableConv.adapt`.
        classifier: Whether to start the classifier: a dense layer or 1 x 1 convolution with pooling
            before or after it, and no other weights between it and the filters. Others are left as
            they are.
        batch_size: Images of a batch where `dataset` is an array.
        verbose: Whether to show progress.

    Raises:
        ValueError: As the layers' `adapt`, and for names that the model does not have.

    Example:

    ```python
    icnn.adapt_parts(model, train)
    model.fit(train, validation_data=val)
    ```
    """
    where = "adapt_parts"
    parts = _arguments.whole_number(parts, "parts", where, at_least=1, optional=True)
    found = _adaptable(model, layers)
    for layer in found:
        rule = layer.filter_loss
        if parts is not None and rule.parts != parts:
            _arguments.refuse(
                parts,
                "parts",
                where,
                f"the number of the rule of layer '{layer.name}', {rule.parts}",
                "Build the network with dataclasses.replace(rule, parts=...) as `filter_loss`.",
            )
    for layer in found:
        inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
        lower = keras.Model(inputs, input_of(model, layer))
        source = _adaptation.batches_of(dataset, labels, where, batch_size)
        if verbose:
            source = _shown(source, dataset, layer.name, batch_size)
        some = []
        batches = _features(lower, source, getattr(model, "filter_labels", None), some, seed)
        if isinstance(layer, InterpretableConv):
            new = _is_new(layer, layers)
            layer.adapt(batches, share=share if new else 0.0, typical=typical, seed=seed)
            if new and classifier:
                start_classifier(model, layer, np.stack(some))
        else:
            layer.adapt(batches)


def _adaptable(model, layers):
    names = [layer.name for layer in model.layers]
    unknown = [name for name in layers or () if name not in names]
    if unknown:
        raise ValueError(
            f"Argument `layers` of adapt_parts must name layers of the model. Received: {unknown}; "
            f"the model has {names}"
        )
    found = [
        layer
        for layer in model.layers
        if isinstance(layer, (InterpretableConv, InterpretableFilters))
        and layer.filter_loss is not None
        and layer.filter_loss.target == "assigned"
    ]
    if layers is not None:
        wrong = set(layers) - {
            layer.name for layer in found if isinstance(layer, InterpretableConv)
        }
        if wrong:
            raise ValueError(
                "Argument `layers` of adapt_parts must name InterpretableConv layers whose rule "
                f'has fixed categories (target="assigned"). Received: {sorted(wrong)}'
            )
    return found


def _is_new(layer, layers):
    return layer.name.startswith(_NEW) if layers is None else layer.name in layers


def _features(lower, batches, choose, some, seed):
    """Batches of (inputs of the layer, labels), from batches of (images, labels).

    The inputs for `_SOME` images, drawn from all, are kept in the list `some`.
    """
    read, random, count = forward(lower), np.random.default_rng(seed), 0
    for batch in batches:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(tuple(batch))
        features = keras.ops.convert_to_numpy(read(x)[0])
        for image in features:
            # Reservoir sampling: data may be sorted by class.
            count += 1
            slot = count - 1 if count <= _SOME else random.integers(count)
            if slot < _SOME:
                some[slot : slot + 1] = [image.copy()]
        yield features, y if choose is None else choose(y)


def _shown(batches, dataset, name, batch_size):
    from tqdm import tqdm

    total = None
    if isinstance(dataset, keras.utils.PyDataset):
        total = len(dataset)
    elif hasattr(dataset, "shape"):
        total = -(-len(dataset) // batch_size)
    return tqdm(batches, desc=f"parts of {name}", total=total, leave=False)

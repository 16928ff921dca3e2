"""The filter loss's two entropies during `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_icnn.metrics import measured_layer
from keras_icnn.models._inlined import inlined
from keras_icnn.models._tensors import output_of, produced_by

if TYPE_CHECKING:
    from keras_icnn.datasets import PartDataset

_NAMES = ("mutual_information", "category_entropy", "spatial_entropy")


class FilterEntropies(keras.callbacks.Callback):
    """Adds the terms of the filter loss to the logs of an epoch (paper Eqs. 5-7).

    `val_category_entropy`, H(T' | X), Eq. (6): how uncertain a map leaves it whether its image is
    of the filter's category. `val_spatial_entropy`, Eq. (7): how uncertain it leaves it where the
    part is. `val_mutual_information`, MI(X; T): the constant H(T) less the two. Means over the
    filters, in nats, over one fixed sample of images. Place it before the callbacks that shall see
    the figures.

    Args:
        dataset: A `PartDataset`, held-out images of all classes.
        layer: Interpretable layer or its name; None: the topmost.
        every: Measure after the first and then every so many epochs.
        images: How many images of the data set, spread over it.
        prefix: Of the names in the logs.

    Raises:
        ValueError: For numbers out of range, fewer than two images; in `fit`, for a layer that is
            not interpretable.

    Example:

    ```python
    model.fit(train, callbacks=[icnn.callbacks.FilterEntropies(data.validation)])
    ```
    """

    def __init__(
        self,
        dataset: PartDataset,
        layer: keras.layers.Layer | str | None = None,
        every: int = 1,
        *,
        images: int = 64,
        prefix: str = "val_",
    ) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be at least 1 epoch. Received: every={every}")
        if images < 2 or len(dataset) < 2:
            raise ValueError(
                "Entropies are taken over at least two `images`. Received: "
                f"images={images}, a `dataset` of {len(dataset)}"
            )
        chosen = np.linspace(0, len(dataset) - 1, min(images, len(dataset))).round().astype(int)
        self.dataset = dataset.subset(chosen)
        self.layer = layer
        self.every = int(every)
        self.prefix = prefix
        self._below = self._measured = None

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._below = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch % self.every:
            return
        if self._below is None:
            self._find()
        loader = self.dataset.batches(32)
        maps = [self._below.predict_on_batch(loader[i][0]) for i in range(len(loader))]
        found = self._measured.filter_diagnostics(np.concatenate([np.asarray(m) for m in maps]))
        if logs is not None:
            for name in _NAMES:
                logs[self.prefix + name] = float(np.mean(found[name]))

    def _find(self):
        self._measured = measured_layer(self.model, self.layer)
        if not hasattr(self._measured, "filter_diagnostics"):
            raise ValueError(
                "`layer` must be an interpretable layer, which has a filter loss. Received: "
                f"'{self._measured.name}'"
            )
        view = inlined(self.model)
        (below,) = produced_by(output_of(view, self._measured))[1]
        self._below = keras.Model(view.inputs[0], below)

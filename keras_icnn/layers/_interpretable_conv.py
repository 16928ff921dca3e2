"""`InterpretableConv`: a convolution with `InterpretableFilters` behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
from keras import ops

from keras_icnn import _arguments
from keras_icnn.layers import _adaptation
from keras_icnn.layers._grouped_conv import GroupedConv2D
from keras_icnn.layers._interpretable_filters import InterpretableFilters
from keras_icnn.layers._membership import check_classes

if TYPE_CHECKING:
    from keras_icnn.layers._filter_loss import FilterLoss
    from keras_icnn.layers._state import LayerState
    from keras_icnn.layers._targets import PartMembership

_OWN = (
    "num_classes",
    "background_class",
    "filter_loss",
    "mask",
    "normalization",
    "monitor_every",
)


@keras.saving.register_keras_serializable(package="keras_icnn")
class InterpretableConv(GroupedConv2D):
    """A `Conv2D` whose filters are pushed towards parts: convolution, then `InterpretableFilters`.

    Args:
        filters, kernel_size: As in `keras.layers.Conv2D`.
        num_classes, background_class, filter_loss, mask, normalization, monitor_every: As in
            `InterpretableFilters`.
        **conv2d: Every other argument of `keras.layers.Conv2D` (`strides`, `padding`,
            `dilation_rate`, `groups`, initializers, regularizers, constraints, ...). Leave
            `activation` at None: the layer has a ReLU after the (normalized) convolution. An
            activation that is given acts before it.

    Input shape: 4-D, as in `Conv2D`. Output shape: that of `Conv2D`; masked, non-negative maps.

    Raises:
        ValueError, RuntimeError: As `InterpretableFilters`.

    Example:

    ```python
    inputs = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(32, 3, strides=2, activation="relu")(inputs)
    x = icnn.InterpretableConv(32, 3, padding="same", num_classes=5, normalization="batch")(x)
    outputs = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs)
    ```

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        *,
        num_classes: int,
        background_class: int | None = None,
        filter_loss: FilterLoss | str | None = "default",
        mask: bool = True,
        normalization: Literal["batch"] | None = None,
        monitor_every: int = 32,
        **conv2d: Any,
    ) -> None:
        check_classes(num_classes, background_class, type(self).__name__)
        super().__init__(filters, kernel_size, **conv2d)
        self.interpretable = InterpretableFilters(
            num_classes=num_classes,
            background_class=background_class,
            filter_loss=filter_loss,
            mask=mask,
            normalization=normalization,
            monitor_every=monitor_every,
            data_format=self.data_format,
            trainable=self.trainable,
            dtype=self.dtype_policy,
            name=self.name,
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.interpretable.build(super().compute_output_shape(tuple(input_shape)))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.interpretable(super().call(inputs), training=training)

    def rectified(self, inputs: Any, training: bool = False) -> Any:
        """See `InterpretableFilters.rectified`; `inputs` are those of the convolution."""
        return self.interpretable.rectified(super().call(inputs), training)

    def masked(self, maps: Any) -> Any:
        """See `InterpretableFilters.masked`."""
        return self.interpretable.masked(maps)

    def masks(self, maps: Any) -> Any:
        """See `InterpretableFilters.masks`."""
        return self.interpretable.masks(maps)

    def adapt(
        self,
        inputs: Any,
        labels: Any = None,
        *,
        share: float = 0.2,
        typical: float = 0.4,
        seed: int = 0,
    ) -> None:
        """Starts new filters from clusters of the layer's input features, before training.

        One pass over training data, as Keras's `Normalization.adapt` takes. For each category, the
        features at its most typical places (averaged over what a unit of the convolution sees, and
        whitened) are clustered into the rule's parts. Each filter moves towards the discriminant
        direction of its own part's cluster, and keeps its norm. Filters without a part stay as
        they are. Nothing is changed until the pass is complete, and the same data and seed give
        the same filters. For filters that were trained already take `share=0`: they stay as they
        are, and each gets the category whose images activate it most, as with
        `InterpretableFilters.adapt`.

        Args:
            inputs: The layer's inputs, an array with `labels`, or a data set of batches (inputs,
                labels). For a layer within a model, `keras_icnn.adapt_parts` makes them of images.
            labels: Labels of the images, as `keras_icnn.labels` takes them.
            share: Share of the cluster's direction in the new filter; the rest is the old filter.
                With 0 no filter changes, only the category and part it is assigned to.
            typical: Share of an image's places that are clustered: those that tell its category
                from the others best.
            seed: Seed of the sample of places and of the clusters.

        Raises:
            ValueError: Where a category that has filters has too few images, for features that are
                not finite, and for rules without parts or with categories that change.
        """
        where = "InterpretableConv.adapt"
        share = _arguments.number(share, "share", where, at_least=0, at_most=1)
        typical = _arguments.number(typical, "typical", where, above=0, at_most=1)
        seed = _arguments.whole_number(seed, "seed", where, at_least=0)
        _adaptation.check_adaptable(self, inputs, labels)
        batches = _adaptation.batches_of(inputs, labels, where)
        if not share:
            self.interpretable._assign_parts(*_adaptation.class_means(self, batches))
            return
        parts = self.filter_loss.parts
        kernel = _adaptation.cluster_start(
            self,
            batches,
            parts=1 if parts is None else parts,
            share=share,
            typical=typical,
            seed=seed,
        )
        self.kernel.assign(kernel)

    def parts(self) -> PartMembership:
        """See `InterpretableFilters.parts`."""
        return self.interpretable.parts()

    @property
    def num_classes(self) -> int:
        """Number of label classes, background included."""
        return self.interpretable.num_classes

    @property
    def background_class(self) -> int | None:
        """Class that is never a filter's target, or None."""
        return self.interpretable.background_class

    @property
    def filter_loss(self) -> FilterLoss | None:
        """The `FilterLoss`, or None."""
        return self.interpretable.filter_loss

    @property
    def normalization(self) -> Literal["batch"] | None:
        """`"batch"` or None."""
        return self.interpretable.normalization

    @property
    def mask(self) -> bool:
        """See `InterpretableFilters.mask`."""
        return self.interpretable.mask

    @mask.setter
    def mask(self, value: bool) -> None:
        self.interpretable.mask = value

    @property
    def state(self) -> LayerState:
        """See `InterpretableFilters.state`."""
        return self.interpretable.state

    def target_categories(self) -> np.ndarray:
        """See `InterpretableFilters.target_categories`."""
        return self.interpretable.target_categories()

    def filter_diagnostics(self, inputs: Any) -> dict[str, np.ndarray]:
        """See `InterpretableFilters.filter_diagnostics`; `inputs` are those of the convolution."""
        return self.interpretable.filter_diagnostics(super().call(ops.convert_to_tensor(inputs)))

    def get_config(self) -> dict[str, Any]:
        own = self.interpretable.get_config()
        return {**super().get_config(), **{name: own[name] for name in _OWN}}

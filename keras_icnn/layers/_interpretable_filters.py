"""`InterpretableFilters`: reads its state, learns from a batch, applies the mask and the push."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from keras_icnn import _arguments
from keras_icnn.layers import (
    _adaptation,
    _backward,
    _label_scope,
    _learning,
    _masks,
    _membership,
    _normalization,
    _replicas,
    _state,
    _targets,
)
from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.layers._learning import Task
from keras_icnn.layers._likelihood import diagnostics
from keras_icnn.layers._membership import check_classes
from keras_icnn.layers._peaks import PEAKS
from keras_icnn.layers._state import LayerState
from keras_icnn.layers._targets import PartMembership

NORMALIZATIONS = (None, "batch")

_NO_SIZE = (
    "Layer '{layer}' keeps statistics for each unit of its map, so height, width and channels of "
    "its input must be known and above 0. Received: input_shape={shape}. Give the model a fixed "
    "`input_shape` such as (224, 224, 3)."
)
_OTHER_SIZE = (
    "Layer '{layer}' was built for maps of {bank.height} x {bank.width} units and cannot be "
    "trained on others. Received: maps of {height} x {width} units. Build the model anew with this "
    "`input_shape`."
)


@keras.saving.register_keras_serializable(package="keras_icnn")
class InterpretableFilters(keras.layers.Layer):
    """Pushes each filter of a feature map towards one part of one category.

    The map is (optionally normalized and) rectified, and each filter's map is masked around its
    peak: `max(x o T_mu, 0)` (paper section 3). In training the filter loss pushes the map towards
    the template at its peak on images of the filter's target category, and towards silence on
    others. The layer finds its labels by itself in a `keras_icnn.InterpretableModel`, or in the
    scope `keras_icnn.labels(y)` of a custom loop.

    Use it on a map that is an addition or a concatenation of other layers' outputs; where a
    convolution makes the map, `InterpretableConv` is both in one.

    Args:
        num_classes: Number of label classes, background included.
        background_class: Class that is never a filter's target, or None.
        filter_loss: `"default"`, `"paper"`, `"official"`, a `FilterLoss`, or None: the mask alone.
        mask: Whether maps are masked, in training and inference. Without a mask the layer's
            output is the rectified map.
        normalization: `"batch"` normalizes the map before it is rectified, which keeps the scale
            of activations in hand; None for maps with a function to keep.
        monitor_every: Steps between two computations of the logged `filter_loss` where the push
            does not depend on it (the default rule). Between them the last value is logged.
        data_format: `"channels_last"` or `"channels_first"`; Keras's own by default.
        **kwargs: Of every Keras layer (`name`, `dtype`, `trainable`).

    Call arguments:
        inputs: Feature map, float `[batch, h, w, filters]` (or channels first); `h` and `w` known.
        training: Whether statistics are updated and filters pushed. As with BatchNormalization,
            a layer with `trainable=False` does neither.

    Input shape, output shape: 4-D, unchanged.

    Raises:
        ValueError: For arguments out of range, inputs that are not 4-D, maps of unknown or zero
            size, labels that do not fit `num_classes`.
        RuntimeError: If called in training without labels or without `training`.

    State (not trainable, saved with the model): running statistics and what each filter stands
        for, as `keras_icnn.layers.LayerState` describes them. With gradient accumulation
        it moves with each micro-batch. A batch with a value that is not finite leaves it as it
        was.

    Example:

    ```python
    x = inputs = keras.Input((32, 32, 3))
    y = keras.layers.Conv2D(8, 3, padding="same")(x)
    x = keras.layers.Concatenate()([x, y])
    x = icnn.InterpretableFilters(num_classes=5)(x)
    outputs = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs)
    ```

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935)
    """

    def __init__(
        self,
        *,
        num_classes: int,
        background_class: int | None = None,
        filter_loss: FilterLoss | str | None = "default",
        mask: bool = True,
        normalization: Literal["batch"] | None = None,
        monitor_every: int = 32,
        data_format: Literal["channels_last", "channels_first"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        where = type(self).__name__
        self.num_classes, self.background_class = check_classes(
            num_classes, background_class, where
        )
        self.filter_loss = FilterLoss.parse(filter_loss)
        self._mask = _arguments.flag(mask, "mask", where)
        self.normalization = _arguments.choice(
            normalization, "normalization", where, NORMALIZATIONS
        )
        self.monitor_every = _arguments.whole_number(
            monitor_every, "monitor_every", where, at_least=1
        )
        self.data_format = _arguments.choice(
            data_format or keras.config.image_data_format(),
            "data_format",
            where,
            ("channels_last", "channels_first"),
        )
        # Without a loss nothing makes parts; masks and statistics are those of the default rule.
        self._rule = self.filter_loss or FilterLoss.parse("one_part")
        self._normalization = None
        self.input_spec = keras.InputSpec(ndim=4)

    @property
    def mask(self) -> bool:
        """Whether maps are masked."""
        return self._mask

    @mask.setter
    def mask(self, value: bool) -> None:
        raise AttributeError(
            f"`mask` of layer '{self.name}' is fixed: compiled functions would not see a change. "
            f"Received: mask={value!r}. Take `keras_icnn.models.without_masks(model)`."
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        height, width, filters = self._channels_last(tuple(input_shape))[1:]
        if not height or not width or not filters:
            raise ValueError(_NO_SIZE.format(layer=self.name, shape=tuple(input_shape)))
        if self.normalization == "batch":
            self._normalization = keras.layers.BatchNormalization(
                axis=-1 if self.data_format == "channels_last" else 1,
                epsilon=1e-5,
                momentum=0.95,
                synchronized=_replicas.synchronize_normalization(),
                trainable=self.trainable,
                dtype=self.dtype_policy,
                name="normalization",
            )
            self._normalization.build(input_shape)
        self._bank = self._rule.templates.for_maps(height, width)
        shapes = LayerState.shapes(self._bank, self.num_classes, filters)
        category, part = _targets.assigned_in_turn(
            filters, self.num_classes, self.background_class, self._rule.parts
        )
        self._state = _state.add_variables(self, shapes, {"category": category, "part": part})

    # --- the steps of the forward pass ------------------------------------------------------------

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training is None and self.trainable and self.filter_loss is not None:
            _label_scope.require_no_training(self.name)
        if not (training and self.trainable):
            return self.masked(self.rectified(inputs, training))
        scope = _label_scope.current()
        if scope is not None:
            return self._learn(inputs, scope)
        if self.filter_loss is not None:
            raise RuntimeError(_label_scope.NO_LABELS.format(layer=self.name))
        return self.masked(self.rectified(inputs, training))

    def rectified(self, inputs: Any, training: bool = False) -> Any:
        """The maps before the mask: normalized (if at all) and rectified.

        Args:
            inputs: The layer's inputs.
            training: Whether a batch normalization uses the batch's own statistics.

        Returns:
            Tensor shaped as the layer's output.
        """
        return self._rectified(inputs, training)[0]

    def _rectified(self, x, training):
        """As `rectified`; also whether the batch's statistics are finite."""
        healthy = ops.convert_to_tensor(True)
        layer = self._normalization
        if layer is not None and training and layer.trainable:
            x, healthy = _normalization.normalize(layer, x)
        elif layer is not None:
            x = layer(x, training=False)
        return ops.relu(x), healthy

    def masked(self, maps: Any) -> Any:
        """What the layer makes of `rectified` maps: its output.

        Args:
            maps: Tensor shaped as the layer's output.

        Returns:
            Tensor of the same shape; `maps` themselves where the layer has no mask.
        """
        if not self.mask:
            return maps
        maps = self._to_channels_last(maps)
        bank = self._rule.templates.for_maps(maps.shape[1], maps.shape[2])
        y = _masks.mask_maps(maps, self._peaks(maps), self._mask_beta(), bank)
        return self._from_channels_last(y)

    def masks(self, maps: Any) -> Any:
        """The layer's masks for rectified maps: 1 at each map's peak, falling to 0.

        Args:
            maps: `[batch, h, w, filters]`, channels last.

        Returns:
            float32 tensor of the same shape.
        """
        maps = ops.convert_to_tensor(maps, dtype="float32")
        bank = self._rule.templates.for_maps(maps.shape[1], maps.shape[2])
        return _masks.part_mask(self._peaks(maps), self._mask_beta(), bank)

    def _peaks(self, x):
        return PEAKS[self._rule.peak](ops.stop_gradient(x))

    def _mask_beta(self):
        return _learning.mask_beta(ops.convert_to_tensor(self._state.beta), self._task())

    # --- learning -------------------------------------------------------------------------------

    def _learn(self, inputs, scope):
        """The forward pass in training: learns from the batch, leaves the loss in the scope."""
        x, healthy = self._rectified(inputs, training=True)
        x = self._to_channels_last(x)
        task, state = self._task(), _state.read(self._state)
        if tuple(x.shape[1:3]) != (task.bank.height, task.bank.width):
            height, width = x.shape[1:3]
            raise ValueError(
                _OTHER_SIZE.format(layer=self.name, bank=task.bank, height=height, width=width)
            )
        maps = ops.stop_gradient(ops.cast(x, "float32"))
        peaks = self._peaks(maps)
        member = _membership.membership(scope.y, self.num_classes)
        mask_beta = _learning.mask_beta(state.beta, task)
        if self.filter_loss is None:
            new = _learning.observe(state, maps, member, healthy, task)
            y = _masks.mask_maps(x, peaks, mask_beta, task.bank) if self.mask else x
            return self._done(y, new, scope)
        lesson = _learning.learn(state, maps, peaks, member, healthy, task)
        if self._rule.weight == "relative":
            y = _backward.push_relative(x, peaks, mask_beta, lesson, task.bank, self.mask)
        else:
            scope.add_term(_backward.loss_term(x, lesson.loss, lesson.push, task.bank))
            y = _masks.mask_maps(x, peaks, mask_beta, task.bank) if self.mask else x
        return self._done(y, lesson.state, scope)

    def _done(self, y, state, scope):
        """Keeps the new statistics, shows the loss to the log, and gives the output."""
        _state.write(self._state, state)
        scope.add_value(state.filter_loss)
        return self._from_channels_last(y)

    def _task(self):
        categories = self.num_classes - (self.background_class is not None)
        balance = self._rule.balance_targets and categories > 1
        return Task(self._rule, self._bank, self.background_class, balance, self.monitor_every)

    # --- what the state says ----------------------------------------------------------------------

    @property
    def state(self) -> LayerState:
        """The layer's running statistics: `keras_icnn.layers.LayerState` of arrays."""
        return LayerState(*map(ops.convert_to_numpy, _state.read(self._state)))

    def target_categories(self) -> np.ndarray:
        """The class each filter stands for: int array `[filters]`, -1 before labels were seen.

        With `target="assigned"` it is the class that the filter was assigned to at the beginning.
        Otherwise it is the class whose images activate the filter most (paper section 3.1), never
        the background; with `balance_targets` one of that many filters.
        """
        state, task = _state.read(self._state), self._task()
        if self._rule.target == "assigned":
            return ops.convert_to_numpy(state.category).astype("int64")
        known = _targets.candidates(state.class_count, self.background_class)
        if not ops.convert_to_numpy(known).any():
            return np.full(state.class_activation.shape[1], -1)
        index = _targets.target_categories(state.class_activation, known, task.balance)
        return ops.convert_to_numpy(index).astype("int64")

    def parts(self) -> PartMembership:
        """Which category and which of its parts each filter belongs to.

        Returns:
            `PartMembership`: `category` and `part`, int arrays `[filters]`. Parts are -1 where the
            rule has none (`FilterLoss(parts=None)`).
        """
        part = ops.convert_to_numpy(_state.read(self._state).part).astype("int64")
        return PartMembership(self.target_categories(), part)

    def adapt(self, inputs: Any, labels: Any = None) -> None:
        """Gives each filter the category whose images activate it most, for good.

        For filters that exist already, before they are trained further: one pass over training
        data. The categories get about as many filters each, and the filters of a category are
        assigned to its parts in turn. A new convolution is adapted as a whole, by
        `InterpretableConv.adapt`. Only rules with fixed categories read it,
        `FilterLoss(target="assigned")`.

        Args:
            inputs: The layer's inputs, an array `[images, h, w, filters]` with `labels`, or a data
                set of batches (inputs, labels).
            labels: Labels of the images, as `keras_icnn.labels` takes them.

        Raises:
            ValueError: For data that do not fit, and rules without fixed categories.
        """
        _adaptation.check_adaptable(self, inputs, labels)
        batches = _adaptation.batches_of(inputs, labels, f"{type(self).__name__}.adapt")
        self._assign_parts(*_adaptation.class_means(self, batches))

    def _assign_parts(self, means, counts):
        """Fixes categories and parts by the class means of the filters."""
        category = _adaptation.chosen_categories(means, counts, self.background_class)
        self._state.category.assign(category)
        self._state.part.assign(_targets.parts_in_turn(category, self._rule.parts))

    def filter_diagnostics(self, inputs: Any) -> dict[str, np.ndarray]:
        """The loss and the entropies of Eqs. (5)-(7) for each filter, over the given maps alone.

        Args:
            inputs: The layer's inputs, `[batch, h, w, filters]`, at least two images.

        Returns:
            Dict of float arrays `[filters]`, in nats: `mutual_information`, `category_entropy`,
            `spatial_entropy`. `mutual_information` is `H(T)` less the two entropies.
        """
        maps = self._to_channels_last(self.rectified(ops.convert_to_tensor(inputs)))
        scale = ops.convert_to_tensor(self._state.activation_scale)
        scale = ops.where(scale > 0, scale, 1.0) if self._rule.rescale else ops.ones_like(scale)
        found = diagnostics(maps, scale, self._bank)
        return {name: ops.convert_to_numpy(value) for name, value in found.items()}

    # --- files ------------------------------------------------------------------------------------

    def save_own_variables(self, store: Any) -> None:
        _state.save(self._state, store)

    def load_own_variables(self, store: Any) -> None:
        _state.load(self._state, store, self.name)

    # --- shapes and configuration -----------------------------------------------------------------

    def _channels_last(self, shape):
        if self.data_format == "channels_first":
            return (shape[0], shape[2], shape[3], shape[1])
        return shape

    def _to_channels_last(self, x):
        return ops.transpose(x, (0, 2, 3, 1)) if self.data_format == "channels_first" else x

    def _from_channels_last(self, x):
        return ops.transpose(x, (0, 3, 1, 2)) if self.data_format == "channels_first" else x

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sequence[int | None]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        loss = self.filter_loss
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "background_class": self.background_class,
            "filter_loss": None if loss is None else keras.saving.serialize_keras_object(loss),
            "mask": self.mask,
            "normalization": self.normalization,
            "monitor_every": self.monitor_every,
            "data_format": self.data_format,
        }

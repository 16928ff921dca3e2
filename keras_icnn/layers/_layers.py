"""`InterpretableFilters` and `InterpretableConv`: weights, running statistics, call, config."""

import numbers
import warnings

import keras
import numpy as np
from keras import ops

from keras_icnn.layers import (
    _blocks,
    _label_scope,
    _membership,
    _normalization,
    _ops,
    _replicas,
    _schedule,
)
from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.layers._grouped_conv import GroupedConv2D

# Version of the names and shapes in `_STATE`, stored with the weights.
STATE_VERSION = 2
_STATE = (
    "log_z",
    "class_activation",
    "class_count",
    "activation_scale",
    "push_rms",
    "beta",
    "steps",
)
NORMALIZATIONS = (None, "batch")
# In `log_z`: to be set by the next batch.
_UNSEEDED = float("-inf")


def _validate_classes(num_classes, background_class, layer):
    if (
        isinstance(num_classes, bool)
        or not isinstance(num_classes, numbers.Integral)
        or num_classes < 2
    ):
        raise ValueError(
            f"Argument `num_classes` of {layer} must be the number of label classes, background "
            "included: a whole number of at least 2 (one category against the rest is "
            f"num_classes=2, background_class=0). Received: num_classes={num_classes!r}"
        )
    if background_class is not None and (
        isinstance(background_class, bool)
        or not isinstance(background_class, numbers.Integral)
        or not 0 <= background_class < num_classes
    ):
        raise ValueError(
            f"Argument `background_class` of {layer} must be None or one of the "
            f"{num_classes} classes, counted from 0. "
            f"Received: background_class={background_class!r}"
        )


@keras.saving.register_keras_serializable(package="keras_icnn")
class InterpretableFilters(keras.layers.Layer):
    """Pushes each filter of a feature map towards one part of one category.

    The map is (optionally normalised and) rectified, and each filter's map is masked around its
    peak: `max(x o T_mu, 0)` (paper section 3). In training the filter loss pushes the map towards
    the template at its peak on images of the filter's target category, and towards silence on
    others. The layer finds its labels by itself in a `keras_icnn.InterpretableModel`, or in the
    scope `keras_icnn.labels(y)` of a custom loop.

    Use it on a map that is an addition or a concatenation of other layers' outputs; where a
    convolution makes the map, `InterpretableConv` is both in one.

    Args:
        num_classes: number of label classes, background included.
        background_class: class that is never a filter's target, or None.
        filter_loss: `"default"`, `"paper"`, `"official"`, a `FilterLoss`, or None: the mask alone.
        mask: whether maps are masked, in training and inference. Without a mask the layer's
            output is the rectified map.
        normalization: `"batch"` normalises the map before it is rectified, which keeps the scale
            of activations in hand; None for maps with a function to keep.
        data_format: `"channels_last"` or `"channels_first"`; Keras's own by default.
        **kwargs: of every Keras layer (`name`, `dtype`, `trainable`).

    Call arguments:
        inputs: feature map, float `[batch, h, w, filters]` (or channels first); `h` and `w` known.
        training: whether statistics are updated and filters pushed. As with BatchNormalization,
            a layer with `trainable=False` does neither.

    Input shape, output shape: 4-D, unchanged.

    Raises:
        ValueError: for arguments out of range, inputs that are not 4-D, maps of unknown or zero
            size, labels that do not fit `num_classes`.
        RuntimeError: if called in training without labels.

    State (not trainable, float32, saved with the model):
        `log_z` `[h*w + 1, filters]`, log of the running mean of exp(tr(x.T)), the paper's Z_T / N;
        `class_activation` `[num_classes, filters]` and `class_count`, running class means that
        choose target categories; `activation_scale` `[filters]`, running mean of max x, for
        lambda; `push_rms`, running root mean square of the push; `beta` `[filters]`, of the masks
        where `learn_beta` is on (0: not learned yet); `steps`.
        With gradient accumulation it moves with each micro-batch. A batch with a value that is
        not finite leaves it as it was.

    Reference:
        [Interpretable Convolutional Neural Networks](https://arxiv.org/abs/1710.00935)
    """

    def __init__(
        self,
        *,
        num_classes,
        background_class=None,
        filter_loss="default",
        mask=True,
        normalization=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _validate_classes(num_classes, background_class, type(self).__name__)
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"Argument `normalization` of {type(self).__name__} must be one of "
                f"{NORMALIZATIONS}. Received: normalization={normalization!r}"
            )
        self.num_classes = int(num_classes)
        self.background_class = None if background_class is None else int(background_class)
        self.filter_loss = FilterLoss.parse(filter_loss)
        self._mask = bool(mask)
        self.normalization = normalization
        data_format = data_format or keras.config.image_data_format()
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "Argument `data_format` must be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}"
            )
        self.data_format = data_format
        # Geometry and statistics are those of the default rule where there is no loss.
        self._rule = self.filter_loss or FilterLoss.parse("default")
        self._normalization = None
        self.input_spec = keras.InputSpec(ndim=4)

    @property
    def mask(self):
        """Whether maps are masked. Fixed: compiled functions would not see a change."""
        return self._mask

    def rectified(self, inputs):
        """The maps before the mask, as in inference: normalised (if at all) and rectified.

        Args:
            inputs: the layer's inputs.

        Returns:
            Tensor shaped as the layer's output.
        """
        return ops.relu(self._normalized(inputs, training=False)[0])

    def masked(self, maps):
        """What the layer makes of `rectified` maps: its output in inference.

        Args:
            maps: tensor shaped as the layer's output.

        Returns:
            Tensor of the same shape; `maps` themselves where the layer has no mask.
        """
        if not self.mask:
            return maps
        if self.data_format == "channels_last":
            return self._masked(maps)
        return ops.transpose(self._masked(ops.transpose(maps, (0, 2, 3, 1))), (0, 3, 1, 2))

    def build(self, input_shape):
        shape = self._channels_last(tuple(input_shape))
        height, width, filters = shape[1:]
        if not height or not width or not filters:
            raise ValueError(
                f"Layer '{self.name}' keeps statistics for each unit of its map, so height, width "
                "and channels of its input must be known and above 0; give the model a fixed "
                f"`input_shape` such as (224, 224, 3). Received: input_shape={tuple(input_shape)}"
            )
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
        self._templates = self._rule.templates(height, width)

        def state(name, shape, dtype="float32"):
            return self.add_weight(
                name=name,
                shape=shape,
                initializer="zeros",
                dtype=dtype,
                trainable=False,
                autocast=False,
                # The values assigned are already reduced across replicas.
                aggregation="only_first_replica",
            )

        self.log_z = state("log_z", (height * width + 1, filters))
        self.class_activation = state("class_activation", (self.num_classes, filters))
        self.class_count = state("class_count", (self.num_classes,))
        self.activation_scale = state("activation_scale", (filters,))
        self.push_rms = state("push_rms", ())
        self.beta = state("beta", (filters,))
        self.steps = state("steps", (), dtype="int32")

    def call(self, inputs, training=None):
        x, statistics = self._normalized(inputs, training)
        x = ops.relu(x)
        if self.data_format == "channels_first":
            x = ops.transpose(x, (0, 2, 3, 1))
        learns = bool(training) and self.trainable
        scope = _label_scope.current() if learns else None
        if scope is None:
            if learns and self.filter_loss is not None:
                raise RuntimeError(
                    f"Layer '{self.name}' was called in training without labels, so its filters "
                    "cannot learn parts. Build the network as a `keras_icnn.InterpretableModel"
                    "(inputs, outputs)` and call `fit(x, y)`; in a custom loop call the model "
                    "inside `with keras_icnn.labels(y) as terms:` and add `terms.total()` to the "
                    "loss; or set `filter_loss=None` for the mask alone."
                )
            y = self._masked(x)
        else:
            y = self._learn(x, scope, statistics)
        if self.data_format == "channels_first":
            y = ops.transpose(y, (0, 3, 1, 2))
        return y

    def _normalized(self, x, training):
        """The map normalised, and the running statistics that came of it, if any."""
        normalization = self._normalization
        if normalization is None:
            return x, ()
        if not (training and normalization.trainable):
            return normalization(x, training=False), ()
        return _normalization.normalize(normalization, x)

    def _masked(self, x, place=None):
        """The map masked around its peaks, `place`, which are looked for where not given."""
        if not self.mask:
            return x
        row, column = self._peak(x) if place is None else place
        templates = self._rule.templates(x.shape[1], x.shape[2])
        return _ops.mask_maps(x, row, column, templates, self._mask_beta())

    def _mask_beta(self):
        """Width of the masks: a number, each filter's own `[F]`, or None, that of the templates."""
        own = self._template_beta()
        return self._rule.mask_beta if own is None else own

    def _template_beta(self):
        """Each filter's own width `[F]`, or None where all share the rule's."""
        if not self._rule.learn_beta:
            return None
        beta = ops.convert_to_tensor(self.beta)
        return ops.where(beta > 0, beta, self._rule.beta)

    def masks(self, maps):
        """The layer's masks for rectified maps: 1 at each map's peak, falling to 0.

        Args:
            maps: `[batch, h, w, filters]`, channels last.

        Returns:
            float32 tensor of the same shape.
        """
        maps = ops.convert_to_tensor(maps, dtype="float32")
        templates = self._rule.templates(maps.shape[1], maps.shape[2])
        return _ops.part_mask(*self._peak(maps), templates, self._mask_beta())

    def _peak(self, x):
        x = ops.stop_gradient(x)
        return _ops.peak_position(x) if self._rule.peak == "argmax" else _ops.center_of_mass(x)

    def _learn(self, x, scope, statistics):
        """The forward pass in training: updates the state, prepares the push, leaves the loss."""
        if tuple(x.shape[1:3]) != (self._templates.height, self._templates.width):
            raise ValueError(
                f"Layer '{self.name}' was built for maps of {self._templates.height} x "
                f"{self._templates.width} units and cannot be trained on others. Received: maps of "
                f"{x.shape[1]} x {x.shape[2]} units. Build the model anew with this `input_shape`."
            )
        rule, templates = self._rule, self._templates
        maps = ops.stop_gradient(ops.cast(x, "float32"))
        row, column = self._peak(maps)
        member = _membership.membership(scope.y, self.num_classes)
        batch_size = ops.cast(ops.shape(maps)[0], "float32")
        batch_size, state, shares = self._statistics(maps, member, batch_size)
        # A ReLU may turn what is not a number into 0; the normalisation's statistics still tell.
        state.update({f"normalization_{k}": value for k, value in enumerate(statistics)})

        if self.filter_loss is None:
            state["log_z"], loss = _blocks.by_filters(
                lambda *tensors: self._fits(*tensors, batch_size)[:2],
                2,
                maps,
                state["activation_scale_safe"],
                ops.convert_to_tensor(self.log_z),
            )
            self._assign(state)
            scope.add(None, ops.mean(loss))
            return self._masked(x, (row, column))

        target = self._targets(state)  # [F, C], a row of zeros where none is known yet
        positive = ops.matmul(member, ops.transpose(target))
        weight = self._image_weights(positive, target, shares)
        place = self._places(maps, row, column, target, state)
        push, loss, sums = self._measured_push(maps, *place, positive, weight, state, batch_size)
        scope_value = ops.mean(loss)
        beta = self._mask_beta()
        if rule.learn_beta:
            fitted = _ops.fitted_beta(maps, row, column, positive, templates)
            moved = rule.momentum * beta + (1 - rule.momentum) * fitted
            state["beta"] = ops.where(ops.isfinite(moved), moved, beta)
        decay = 1.0
        if rule.decay_steps is not None:
            decay = 1.0 / (1.0 + ops.floor(ops.cast(self.steps, "float32") / rule.decay_steps))

        if rule.weight == "relative":
            counted = positive if rule.size == "target" else ops.ones_like(positive)
            radial, rms, known = _ops.push_moments(
                *sums, rule.remove_radial, counted, templates.units
            )
            running = self._running(self.push_rms, rms)
            # A batch without an image of a target category says nothing about the push there.
            state["push_rms"] = ops.where(known, running, ops.convert_to_tensor(self.push_rms))
            self._assign(state)
            # Comparisons with a value that is not a number are false.
            rms = state["push_rms"]
            factor = ops.where(rms > 1e-30, rule.strength * decay / rms, 0.0)
            scope.add(None, scope_value)
            with _schedule.after([factor, scope_value]):
                return _ops.mask_maps_with_push(
                    x,
                    row,
                    column,
                    templates,
                    push,
                    radial,
                    factor,
                    batch_size,
                    reference=rule.reference,
                    mask=self.mask,
                    beta=beta,
                )

        self._assign(state)
        scale = rule.strength * decay
        if rule.scale_with_activation:
            scale = scale * state["activation_scale"]
        value = ops.sum(scale * loss)
        weighted = push.times(scale * _replicas.count() / batch_size)
        scope.add(_ops.loss_term(x, value, weighted), scope_value)
        return _ops.mask_maps(x, row, column, templates, beta) if self.mask else x

    def _statistics(self, maps, member, batch_size):
        """New running statistics, all but log Z; nothing is assigned yet."""
        rule = self._rule
        peak = ops.max(maps, axis=(1, 2))
        evidence = ops.sum(maps, axis=(1, 2)) if rule.target == "sum" else peak
        batch_size, counts, activation, peaks = _replicas.all_sum(
            [
                batch_size,
                ops.sum(member, axis=0),
                ops.matmul(ops.transpose(member), evidence),
                ops.sum(peak, axis=0),
            ]
        )
        state = {}
        present = ops.expand_dims(counts > 0, 1)
        seen = ops.expand_dims(self.class_count > 0, 1)
        mean = activation / ops.expand_dims(ops.maximum(counts, 1.0), 1)
        moved = rule.momentum * self.class_activation + (1 - rule.momentum) * mean
        state["class_activation"] = ops.where(
            present, ops.where(seen, moved, mean), ops.convert_to_tensor(self.class_activation)
        )
        state["class_count"] = self.class_count + counts
        scale = self._running(self.activation_scale, peaks / batch_size)
        state["activation_scale"] = scale
        # A filter that never fired has no scale; its maps are zero, and so are its traces.
        state["activation_scale_safe"] = ops.where(scale > 0, scale, 1.0)
        return batch_size, state, counts / batch_size

    def _fits(self, maps, scale, log_z, batch_size):
        """How well maps fit all templates, filter by filter.

        Args:
            maps: `[B, h, w, F]`.
            scale, log_z: the state's, of these filters.

        Returns:
            The new log Z `[T, F]`; the loss `[F]`; the maps' traces `[B, T, F]`; the likelihood,
            or None where the push does not depend on it.
        """
        rule, templates = self._rule, self._templates
        trace = _ops.traces(maps, templates)
        scaled = trace / scale if rule.rescale else trace
        exponentials = _ops.Exponentials(scaled)
        batch_log = exponentials.log_mean(batch_size)
        mixed = ops.logaddexp(
            log_z + _log(rule.momentum), batch_log + float(np.log1p(-rule.momentum))
        )
        seeded = ops.logical_and(self.steps > 0, log_z > _UNSEEDED)
        log_z = ops.where(seeded, mixed, batch_log)
        if rule.weighs_fits or rule.marginal != "map":
            likelihood = _ops.Likelihood(scaled, log_z, templates, rule.marginal)
            return log_z, likelihood.loss(), trace, likelihood
        return log_z, exponentials.loss(log_z, templates), trace, None

    def _measured_push(self, maps, row, column, positive, weight, state, batch_size):
        """The push, the loss `[F]` and sums over each map; adds log Z to the state.

        The sums, `[B, F]`, are what `push_moments` takes, none where the weight is absolute.
        """
        given = maps, row, column, positive, weight, state, batch_size
        old = state["activation_scale_safe"], ops.convert_to_tensor(self.log_z)
        relative = self._rule.weight == "relative"

        def sums(maps, trace, push, *tensors):
            if not relative:
                return ()
            return (*push.sums(maps, trace, *tensors), _ops.over_units(ops.square(maps)))

        if self._rule.weighs_fits:
            state["log_z"], loss, trace, likelihood = self._fits(maps, *old, batch_size)
            push = self._push(likelihood, *given)
            return push, loss, sums(maps, trace, push, *push.tensors)

        push = self._push(None, *given)

        def measure(maps, scale, log_z, *tensors):
            log_z, loss, trace, _ = self._fits(maps, scale, log_z, batch_size)
            return log_z, loss, *sums(maps, trace, push, *tensors)

        state["log_z"], loss, *found = _blocks.by_filters(
            measure, 5 if relative else 2, maps, *old, *push.tensors
        )
        return push, loss, found

    def _running(self, variable, value):
        # Zero is "not known yet": another rule, or a filter that never fired, leaves it so.
        momentum = self._rule.momentum
        return ops.where(variable > 0, momentum * variable + (1 - momentum) * value, value)

    def _finite(self, state):
        checks = [ops.all(ops.isfinite(value)) for value in state.values()]
        return ops.all(ops.stack(checks))

    def _assign(self, state):
        finite = self._finite(state)
        for name in _STATE:
            if name in state:
                variable = getattr(self, name)
                variable.assign(ops.where(finite, state[name], ops.convert_to_tensor(variable)))
        self.steps.assign(self.steps + ops.cast(finite, "int32"))

    def _targets(self, state):
        """One-hot target category of each filter, `[F, C]`; zeros where no class was seen."""
        known = self._known_classes(state["class_count"])
        index = _ops.target_categories(state["class_activation"], known, self._balances())
        return ops.one_hot(index, self.num_classes, dtype="float32") * ops.max(known)

    def _known_classes(self, count):
        """1 for each class that may be a target, `[C]`."""
        known = ops.where(count > 0, 1.0, 0.0)
        if self.background_class is not None:
            known = known * (1.0 - ops.one_hot(self.background_class, self.num_classes))
        return known

    def _balances(self):
        categories = self.num_classes - (self.background_class is not None)
        return self._rule.balance_targets and categories > 1

    def _image_weights(self, positive, target, shares):
        assigned = ops.sum(target, axis=1)
        if not self._rule.class_balance:
            return assigned * ops.where(positive > 0, 1.0, self._rule.negatives)
        share = ops.matmul(target, ops.expand_dims(shares, 1))[:, 0]
        tiny = np.finfo("float32").eps
        return assigned * ops.where(
            positive > 0,
            0.5 / ops.maximum(share, tiny),
            self._rule.negatives * 0.5 / ops.maximum(1.0 - share, tiny),
        )

    def _places(self, maps, row, column, target, state):
        """Where the target template of each map lies: its own peak, or the part's."""
        parts = self._rule.parts
        if parts is None:
            return row, column
        # Filters are dealt out in turn; a category's part is the same filters' for good.
        part = np.eye(parts, dtype="float32")[np.arange(maps.shape[3]) % parts]
        claims = ops.expand_dims(target, 2) * ops.expand_dims(ops.convert_to_tensor(part), 1)
        claims = ops.reshape(claims, (maps.shape[3], self.num_classes * parts))
        scale = state["activation_scale_safe"]
        return _ops.agreed_peak(maps, scale, claims, parts, self._rule.spacing)

    def _push(self, likelihood, maps, row, column, positive, weight, state, batch_size):
        """The push on each map, before any weight of the whole loss."""
        rule, templates, beta = self._rule, self._templates, self._template_beta()
        if rule.gradient.startswith("full"):
            # Which category a map belongs to does not matter here: all templates count.
            strengths = likelihood.all_strengths(
                batch_size, differentiate_z=rule.gradient == "full_differentiation"
            )
            if rule.rescale:
                strengths = strengths / state["activation_scale_safe"]
            return _ops.full_push(strengths, templates)
        if rule.gradient == "posterior":
            scale = state["activation_scale_safe"]
            return _ops.posterior_push(
                maps, scale, row, column, positive, weight, rule.sharpness, templates, beta
            )
        if rule.gradient == "equal":
            strength = templates.tau * ops.ones_like(positive)
            if rule.crowding:
                weight = strength * weight
                return _ops.crowded_push(
                    row, column, positive, weight, rule.crowding, templates, beta
                )
        elif rule.likelihood == "official":
            strength = _ops.official_strength(
                maps, row, column, positive, batch_size, templates, beta
            )
        else:
            index = ops.where(
                positive > 0, _ops.template_index(row, column, templates), templates.units
            )
            strength = templates.tau * likelihood.target_strength(index)
            if rule.rescale:
                strength = strength / state["activation_scale_safe"]
        if rule.normalize:
            strength = _ops.normalize_by_sign(strength, positive)
        signed = rule.gradient != "equal"  # strengths of fits may be negative
        return _ops.TargetPush(row, column, positive, strength * weight, templates, beta, signed)

    def target_categories(self):
        """The class each filter stands for: int array `[filters]`, -1 before labels were seen.

        It is the class whose images activate the filter most (paper section 3.1), never the
        background; with `balance_targets` one of that many filters.
        """
        known = self._known_classes(ops.convert_to_tensor(self.class_count))
        activation = ops.convert_to_tensor(self.class_activation)
        if not ops.convert_to_numpy(known).any():
            return np.full(activation.shape[1], -1)
        index = _ops.target_categories(activation, known, self._balances())
        return ops.convert_to_numpy(index).astype("int64")

    def class_means(self):
        """What target categories are chosen by: the running means of each class's activations.

        Returns:
            (means float `[num_classes, filters]`, number of images seen of each class).
        """
        return _array(self.class_activation), _array(self.class_count)

    def filter_diagnostics(self, inputs):
        """The loss and the entropies of Eqs. (5)-(7) for each filter, over the given maps alone.

        Args:
            inputs: the layer's inputs, `[batch, h, w, filters]`, at least two images.

        Returns:
            dict of float arrays `[filters]`, in nats: `mutual_information`, `category_entropy`,
            `spatial_entropy`. `mutual_information` is `H(T)` less the two entropies.
        """
        x = ops.convert_to_tensor(inputs)
        if self._normalization is not None:
            x = self._normalization(x, training=False)
        if self.data_format == "channels_first":
            x = ops.transpose(x, (0, 2, 3, 1))
        trace = _ops.traces(ops.relu(x), self._templates)
        if self._rule.rescale:
            scale = ops.convert_to_tensor(self.activation_scale)
            trace = trace / ops.where(scale > 0, scale, 1.0)
        batch_size = ops.cast(ops.shape(x)[0], "float32")
        likelihood = _ops.Likelihood(trace, _ops.log_mean_exp(trace, batch_size), self._templates)
        result = {"mutual_information": -likelihood.loss(), **likelihood.entropies()}
        return {name: ops.convert_to_numpy(value) for name, value in result.items()}

    def save_own_variables(self, store):
        store["state_version"] = np.array(STATE_VERSION)
        for name in _STATE:
            store[name] = _array(getattr(self, name))

    def load_own_variables(self, store):
        version = int(np.array(store["state_version"])) if "state_version" in store else 0
        if version != STATE_VERSION:
            raise ValueError(
                f"The statistics of layer '{self.name}' are stored in layout {version}; this "
                f"version of keras_icnn reads layout {STATE_VERSION}. Save the model anew with a "
                "matching version."
            )
        shapes = {name: tuple(store[name].shape) for name in _STATE}
        wrong = [n for n in _STATE if shapes[n] != tuple(getattr(self, n).shape)]
        if wrong == ["log_z"] and shapes["log_z"][1] == self.log_z.shape[1]:
            warnings.warn(
                f"The statistics of layer '{self.name}' were stored for another map size "
                f"({shapes['log_z'][0] - 1} units instead of {self._templates.units}). Z_T starts "
                "from what the first batch gives.",
                stacklevel=2,
            )
            for name in _STATE:
                if name != "log_z":
                    getattr(self, name).assign(np.array(store[name]))
            self.log_z.assign(np.full(self.log_z.shape, _UNSEEDED, "float32"))
            return
        if wrong:
            name = wrong[0]
            raise ValueError(
                f"The stored statistics of layer '{self.name}' do not fit it. Expected: `{name}` "
                f"of shape {tuple(getattr(self, name).shape)}. Received: {shapes[name]}. Build "
                "the model with the `num_classes` and filters it was saved with."
            )
        for name in _STATE:
            getattr(self, name).assign(np.array(store[name]))

    def _channels_last(self, shape):
        if self.data_format == "channels_first":
            return (shape[0], shape[2], shape[3], shape[1])
        return shape

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "background_class": self.background_class,
            "filter_loss": (
                None
                if self.filter_loss is None
                else keras.saving.serialize_keras_object(self.filter_loss)
            ),
            "mask": self.mask,
            "normalization": self.normalization,
            "data_format": self.data_format,
        }


def _array(variable):
    # Keras's direct conversion of a TensorFlow variable warns under NumPy 2.
    return ops.convert_to_numpy(ops.convert_to_tensor(variable))


def _log(value):
    return float(np.log(value)) if value > 0 else float("-inf")


@keras.saving.register_keras_serializable(package="keras_icnn")
class InterpretableConv(GroupedConv2D):
    """A `Conv2D` whose filters are pushed towards parts: convolution, then `InterpretableFilters`.

    Args:
        filters, kernel_size: as in `keras.layers.Conv2D`.
        num_classes, background_class, filter_loss, mask, normalization: as in
            `InterpretableFilters`.
        **conv2d: every other argument of `keras.layers.Conv2D` (`strides`, `padding`,
            `dilation_rate`, `groups`, initialisers, regularisers, constraints, ...). The ReLU
            that follows the (normalised) convolution is part of the layer: leave `activation`
            at None. One that is given acts before it, as part of the convolution.

    Input shape: 4-D, as in `Conv2D`. Output shape: that of `Conv2D`; masked, non-negative maps.

    Raises:
        ValueError, RuntimeError: as `InterpretableFilters`.

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
        filters,
        kernel_size,
        *,
        num_classes,
        background_class=None,
        filter_loss="default",
        mask=True,
        normalization=None,
        **conv2d,
    ):
        _validate_classes(num_classes, background_class, type(self).__name__)
        super().__init__(filters, kernel_size, **conv2d)
        self.interpretable = InterpretableFilters(
            num_classes=num_classes,
            background_class=background_class,
            filter_loss=filter_loss,
            mask=mask,
            normalization=normalization,
            data_format=self.data_format,
            trainable=self.trainable,
            dtype=self.dtype_policy,
            name=self.name,
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.interpretable.build(super().compute_output_shape(tuple(input_shape)))

    def call(self, inputs, training=None):
        return self.interpretable(super().call(inputs), training=training)

    @property
    def num_classes(self):
        return self.interpretable.num_classes

    @property
    def background_class(self):
        return self.interpretable.background_class

    @property
    def filter_loss(self):
        return self.interpretable.filter_loss

    @property
    def normalization(self):
        return self.interpretable.normalization

    @property
    def mask(self):
        return self.interpretable.mask

    def rectified(self, inputs):
        """See `InterpretableFilters.rectified`; `inputs` are those of the convolution."""
        return self.interpretable.rectified(super().call(inputs))

    def masked(self, maps):
        """See `InterpretableFilters.masked`."""
        return self.interpretable.masked(maps)

    def target_categories(self):
        """See `InterpretableFilters.target_categories`."""
        return self.interpretable.target_categories()

    def masks(self, maps):
        """See `InterpretableFilters.masks`."""
        return self.interpretable.masks(maps)

    def filter_diagnostics(self, inputs):
        """See `InterpretableFilters.filter_diagnostics`; `inputs` are those of the convolution."""
        return self.interpretable.filter_diagnostics(super().call(ops.convert_to_tensor(inputs)))

    def get_config(self):
        config = super().get_config()
        own = self.interpretable.get_config()
        names = ("num_classes", "background_class", "filter_loss", "mask", "normalization")
        return {**config, **{name: own[name] for name in names}}

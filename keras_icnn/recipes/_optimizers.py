"""Optimizers with a learning rate a layer, which Keras does not have."""

import keras


class _LayerwiseRates:
    """Multiplies the learning rate of some layers; for a class derived from an optimizer too."""

    def __init__(self, *, multipliers=None, **kwargs):
        super().__init__(**kwargs)
        self.multipliers = dict(multipliers or {})

    def build(self, variables):
        super().build(variables)
        self._factors = [self._factor(v.path) for v in variables]
        names = sorted({name for v in variables for name in v.path.split("/")[:-1]})
        for start in self.multipliers:
            if not any(name.startswith(start) for name in names):
                raise ValueError(
                    f"Argument `multipliers` of {type(self).__name__} must name trained layers by "
                    f"the beginning of their names. Received: {start!r}. Trained layers: "
                    f"{', '.join(names)}"
                )

    def _factor(self, path):
        # A path may begin with the names of models around the layer.
        names = path.split("/")
        for start, factor in self.multipliers.items():
            if any(name.startswith(start) for name in names):
                return factor
        return 1.0

    def update_step(self, gradient, variable, learning_rate):
        factor = self._factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self):
        return {**super().get_config(), "multipliers": self.multipliers}


@keras.saving.register_keras_serializable(package="keras_icnn")
class LayerwiseAdamW(_LayerwiseRates, keras.optimizers.AdamW):
    """`AdamW` that multiplies the learning rate of some layers.

    Args:
        multipliers: Dict of the beginning of a layer's name (such as `"fire9"`) to the factor of
            its learning rate; 1 for all others. Weight decay stays the same for all.
        **kwargs: Of `keras.optimizers.AdamW`.
    """


@keras.saving.register_keras_serializable(package="keras_icnn")
class LayerwiseSGD(_LayerwiseRates, keras.optimizers.SGD):
    """`SGD` that multiplies the learning rate of some layers, with weight decay in the gradient.

    Keras's `weight_decay` shrinks weights beside the update, which with momentum m is weaker by
    1 - m than the classical rule, whose decay passes through the momentum.

    Args:
        multipliers: As in `LayerwiseAdamW`.
        kernel_decay: Times a kernel, added to its gradient. Biases and the like do not decay.
        **kwargs: Of `keras.optimizers.SGD`.
    """

    def __init__(self, *, kernel_decay=0.0, **kwargs):
        super().__init__(**kwargs)
        self.kernel_decay = kernel_decay

    def build(self, variables):
        super().build(variables)
        # Looked at here: an update may be given the backend's variable, with another name.
        self._decays = [v.name == "kernel" for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        if self.kernel_decay and self._decays[self._get_variable_index(variable)]:
            gradient = gradient + self.kernel_decay * keras.ops.cast(variable, gradient.dtype)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "kernel_decay": self.kernel_decay}

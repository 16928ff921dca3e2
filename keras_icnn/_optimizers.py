"""AdamW with a learning rate a layer, which Keras does not have."""

import keras


@keras.saving.register_keras_serializable(package="keras_icnn")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """`AdamW` that multiplies the learning rate of some layers.

    Args:
        multipliers: dict of the beginning of a layer's name (such as `"fire9"`) to the factor of
            its learning rate; 1 for all others. Weight decay stays the same for all.
        **kwargs: of `keras.optimizers.AdamW`.
    """

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
                    "Argument `multipliers` of LayerwiseAdamW must name trained layers by the "
                    f"beginning of their names. Received: {start!r}. Trained layers: "
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

"""`InterpretableModel`: a functional Keras model that shows its layers the labels."""

import keras
import numpy as np

from keras_icnn import _scope

_RANDOM_STATE = "random_state_"


@keras.saving.register_keras_serializable(package="keras_icnn")
class InterpretableModel(keras.Model):
    """A functional `keras.Model` whose interpretable layers see the labels of the batch.

    Everything is as in any Keras model: `compile`, `fit(x, y)`, callbacks, class and sample
    weights, mixed precision, `steps_per_execution`, distribution, saving. In training the layers'
    filter losses are added to the loss, and `filter_loss`, `-MI(X; T)` in nats averaged over
    filters and layers (paper Eq. 1, unweighted), is logged. `evaluate` and `predict` need no
    labels. `class_weight` and `sample_weight` weigh the task loss: a filter loss with an absolute
    weight ignores them, a relative push (the default rule's) follows the size of the weighted
    task's gradient.

    Args:
        inputs, outputs, name: as in `keras.Model(inputs, outputs, name=...)`.

    Saved models and weights files also hold the state of random generators (dropout), which Keras
    leaves out: a run that is resumed from one goes on exactly as if it had not been interrupted
    (on PyTorch, where dropout draws from the process's own generator, without dropout only).

    Models with several outputs override `filter_labels` to say which labels the filters follow.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.filter_loss_tracker = keras.metrics.Mean(name="filter_loss")

    def filter_labels(self, y):
        """The labels that filters follow, from the `y` of `fit`.

        Args:
            y: as `fit` receives it.

        Returns:
            Labels as `keras_icnn.labels` takes them.
        """
        if isinstance(y, dict):
            y = list(y.values())
        if isinstance(y, (list, tuple)):
            if len(y) != 1:
                raise ValueError(
                    f"Model '{self.name}' has {len(y)} targets and cannot tell which are the "
                    "class labels its filters follow. Override `filter_labels(self, y)` in a "
                    "subclass of InterpretableModel and return them."
                )
            y = y[0]
        if y is None:
            raise ValueError(
                f"Model '{self.name}' learns parts of categories and needs labels: call "
                "`fit(x, y)`, or give a dataset of (x, y). Received: y=None"
            )
        return y

    def train_step(self, *args):
        # Backends differ in what comes before the data.
        _, y, _ = keras.utils.unpack_x_y_sample_weight(args[-1])
        with _scope.labels(self.filter_labels(y)):
            return super().train_step(*args)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
        )
        terms = _scope.current()
        if not training or terms is None:
            return loss
        value = terms.filter_loss()
        if value is not None:
            self.filter_loss_tracker.update_state(value)
        return loss + keras.ops.cast(terms.total(), loss.dtype)

    def get_metrics_result(self):
        results = super().get_metrics_result()
        if _scope.current() is None:
            # Only training steps compute it; in evaluation it would read 0.
            results.pop(self.filter_loss_tracker.name, None)
        return results

    def _random_states(self):
        weights = {id(v) for v in self.weights}
        return [
            v
            for v in self.variables
            if id(v) not in weights and v.name.startswith("seed_generator_state")
        ]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for k, variable in enumerate(self._random_states()):
            store[f"{_RANDOM_STATE}{k}"] = keras.ops.convert_to_numpy(
                keras.ops.convert_to_tensor(variable)
            )

    def load_own_variables(self, store):
        names = list(store.keys())
        own = {name: store[name] for name in names if not name.startswith(_RANDOM_STATE)}
        super().load_own_variables(own)
        for k, variable in enumerate(self._random_states()):
            key = f"{_RANDOM_STATE}{k}"
            # Absent from files of a network that had no dropout, or another one.
            if key in names and tuple(store[key].shape) == tuple(variable.shape):
                variable.assign(np.array(store[key]))

"""`StopOnNaN`: ends a training run whose loss is not a number, and says where that came from."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from keras_icnn.layers import _label_scope
from keras_icnn.models import _training_state


class StopOnNaN(keras.callbacks.Callback):
    """Raises as soon as the loss is NaN or infinite; the model is as at the epoch's beginning.

    A step with such a loss makes every weight NaN. Here weights, running statistics and optimizer
    are put back to a copy in memory that is taken once an epoch; steps themselves cost nothing.

    Args:
        batches: The `keras.utils.PyDataset` given to `fit`, with `shuffle=False`. With it the
            epoch is gone through again up to the step that failed, and the error names what is
            not finite first: the data, a layer's output, the loss, or the gradient. Without it
            (or where a second pass takes another course), the error names the interpretable
            layers that met such values.

    Raises:
        FloatingPointError: In `fit`, with the epoch, the batch, the step and the place.

    Place it before `Backup` in the list of callbacks.

    Example:

    ```python
    model.fit(train, shuffle=False, callbacks=[icnn.callbacks.StopOnNaN(train)])
    ```
    """

    def __init__(self, batches: keras.utils.PyDataset | None = None) -> None:
        super().__init__()
        if batches is not None and not isinstance(batches, keras.utils.PyDataset):
            raise ValueError(
                "`batches` must be the keras.utils.PyDataset that `fit` is given, or None. "
                f"Received: {type(batches).__name__}"
            )
        self.batches = batches
        self._epoch = 0
        self._kept = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._kept = _training_state.read(_training_state.variables(self.model))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        model = self.model
        place = _layers_that_refused(model, self._kept, batch + 1)
        found = _training_state.variables(model)
        _training_state.write(found, self._kept)
        step = int(keras.ops.convert_to_numpy(model.optimizer.iterations)) + batch + 1
        try:
            if self.batches is not None:
                place = self._replay(model, found, batch) or place
        finally:
            _training_state.write(found, self._kept)
        raise FloatingPointError(
            f"The loss of model '{model.name}' is {loss} in epoch {self._epoch + 1}, batch "
            f"{batch + 1} (step {step}). {place}The model is as it was at the beginning of that "
            "epoch. Check the data, lower the learning rate, or limit gradients with the "
            "optimizer's `clipnorm`."
        )

    def _replay(self, model, found, last):
        """Takes the epoch's steps again, and looks into the first that goes wrong."""
        for batch in range(last + 1):
            before = _training_state.read(found)
            x, y, weight = keras.utils.unpack_x_y_sample_weight(self.batches[batch])
            model.reset_metrics()
            loss = model.train_on_batch(x, y, sample_weight=weight, return_dict=True)["loss"]
            after = _training_state.read(found)
            if math.isfinite(loss) and all(map(_training_state.finite, after)):
                continue
            where = f"Batch {batch + 1}: " if batch != last else ""
            _training_state.write(found, before)
            what = _first_in(x, "the pictures") or _first_in(y, "the labels")
            what = what or _first_in(weight, "the sample weights")
            what = what or _first_layer(model, x, y)
            if what is None and not math.isfinite(loss):
                what = "every layer's output is finite, the loss itself is not"
            if what is None:
                wrong = [
                    v.path
                    for v, array in zip(found, after, strict=True)
                    if not _training_state.finite(array)
                ]
                what = f"the gradient is not finite; '{wrong[-1]}' is the last weight it spoilt"
            told = f"{where}{what}. "
            return told[0].upper() + told[1:]
        return None


def _layers_that_refused(model, kept, batches):
    """Names the interpretable layers that met such values: they do not count such a step."""
    names = []
    for variable, before in zip(model.weights, kept, strict=False):
        if variable.name == "steps":
            now = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable))
            if int(now) - int(before) < batches:
                names.append(repr(variable.path.split("/")[-2]))
    return f"Not finite were the maps of {', '.join(names)}. " if names else ""


def _first_in(value, what):
    if value is None:
        return None
    for leaf in keras.tree.flatten(value):
        array = np.asarray(leaf)
        if not _training_state.finite(array):
            sample = int(np.argwhere(~np.isfinite(array))[0][0]) if array.ndim else 0
            return f"{what} are not finite, sample {sample + 1} of the batch first"
    return None


def _first_layer(model, x, y):
    """The first layer, in the order of the forward pass, whose output is not finite."""
    if not isinstance(model, keras.Function):
        return None
    operations = [
        op
        for op in model.operations
        # Of a layer that is called twice Keras does not know which output is meant.
        if not isinstance(op, keras.layers.InputLayer) and len(op._inbound_nodes) == 1
    ]
    probe = keras.Model(model.input, [op.output for op in operations])
    choose = getattr(model, "filter_labels", None)
    with _label_scope.labels(y if choose is None else choose(y)):
        outputs = probe(x, training=True)
    for op, output in zip(operations, outputs, strict=True):
        for leaf in keras.tree.flatten(output):
            if not _training_state.finite(
                keras.ops.convert_to_numpy(keras.ops.cast(leaf, "float32"))
            ):
                return f"the output of layer '{op.name}' ({type(op).__name__}) is not finite"
    return None

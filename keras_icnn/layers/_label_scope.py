"""Hands the labels of a training step to the layers, and their loss terms back.

Keras layers do not see labels. `labels(y)` opens a scope around the forward pass; interpretable
layers called inside read the labels and leave their filter losses in it. The scope is local to
the thread: replicas of `tf.distribute.MirroredStrategy` are threads that take turns, and would
otherwise train on each other's labels.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import keras
from keras import ops

from keras_icnn.layers import _replicas

_local = threading.local()

NO_LABELS = (
    "Layer '{layer}' was called in training without labels, so its filters cannot learn parts. "
    "Build the network as a `keras_icnn.InterpretableModel(inputs, outputs)` and call `fit(x, y)`; "
    "in a custom loop call the model inside `with keras_icnn.labels(y) as terms:` and add "
    "`terms.total()` to the loss; or set `filter_loss=None` for the mask alone."
)


class LabelScope:
    """The labels of one training step, and the filter losses collected in it.

    Use it through `keras_icnn.labels(y)` inside the (compiled) training step:

    ```python
    with icnn.labels(y) as terms:
        loss = loss_fn(y, model(x, training=True)) + terms.total()
    ```
    """

    def __init__(self, y: Any) -> None:
        self.y = y
        self._compiled = False
        self._terms = []
        self._values = []

    def __enter__(self) -> LabelScope:
        stack = getattr(_local, "stack", None)
        if stack is None:
            stack = _local.stack = []
        stack.append(self)
        self._compiled = _compiling()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        _local.stack.pop()

    def add_term(self, term: Any) -> None:
        """Called by a layer: a term of the loss."""
        self._terms.append(term)

    def add_value(self, value: Any) -> None:
        """Called by a layer: its filter loss, for the log."""
        self._values.append(value)

    def total(self) -> Any:
        """What to add to the task loss: the sum of all layers' weighted filter losses.

        Scaled for the number of replicas, as Keras scales its own losses: gradients are summed
        over replicas. `sample_weight` and `class_weight` do not weigh it.
        """
        if not self._terms:
            return ops.zeros((), dtype="float32")
        return sum(self._terms[1:], self._terms[0]) / _replicas.count()

    def filter_loss(self) -> Any:
        """`-MI(X; T)` averaged over filters and layers, in nats; None where no layer was called.

        Carries no gradient: it is what is logged.
        """
        if not self._values:
            return None
        return sum(self._values[1:], self._values[0]) / len(self._values)


def labels(y: Any) -> LabelScope:
    """Opens a scope that gives `y` to the interpretable layers called in it.

    Args:
        y: Labels of the batch: integers `[batch]` or `[batch, 1]`, one-hot or multi-label
            `{0, 1}` or `{-1, +1}` `[batch, classes]`; for a single category `{0, 1}` or
            `{-1, +1}`, `[batch]` or `[batch, 1]`. Integers outside the layer's classes are an
            error in eager steps and in TensorFlow's graphs on CPUs. In what XLA compiles (JAX
            included) and on GPUs they count as no class: check them before.

    Open it inside of the compiled step, where `y` is a tensor of the step. Around a step that is
    compiled (`tf.function`, `jax.jit`, `torch.compile`) it would give the labels of the first batch
    to every batch; the layers refuse that.

    Returns:
        A context manager; bound to a name it offers `.total()`, the term to add to the loss.

    Example:

    ```python
    with icnn.labels(y) as terms:  # inside the compiled step
        loss = loss_fn(y, model(x, training=True)) + terms.total()
    ```
    """
    return LabelScope(y)


def current():
    """The innermost open scope of this thread, or None.

    Raises:
        RuntimeError: In a compiled step, for a scope that was opened around it.
    """
    stack = getattr(_local, "stack", None)
    if not stack:
        return None
    if not stack[-1]._compiled and _compiling():
        raise RuntimeError(
            "`keras_icnn.labels(y)` must be opened inside of the compiled step, with the labels "
            "that the step is given: around it, the labels of the first batch would be compiled "
            "into the step and used for every batch. Received: a scope opened around a compiled "
            "step. Move `with keras_icnn.labels(y) as terms:` into the function that is compiled."
        )
    return stack[-1]


def require_no_training(layer):
    """Refuses a call that does not say whether it is training, in a training step.

    Keras hands `training` on by itself, but not through a model whose `call` does not take it:
    such a model would be trained without the filter loss.

    Args:
        layer: Name of the layer that is called.

    Raises:
        RuntimeError: In a label scope, or in a `train_step`.
    """
    inside = bool(getattr(_local, "stack", None))
    frame = sys._getframe(1)
    while frame is not None and not inside:
        inside = frame.f_code.co_name == "train_step"
        frame = frame.f_back
    if inside:
        raise RuntimeError(
            f"Layer '{layer}' was called in a training step without `training`, so its filters "
            "would not learn parts. Give the `call` of a subclassed model the argument, `def "
            "call(self, x, training=False)`; in a custom loop call `model(x, training=True)`, or "
            "`training=False` where nothing shall be learned."
        )


def _compiling():
    """Whether the backend is compiling a function, whose constants are kept for every call."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    if backend == "jax":
        import jax

        # What `jit` compiles traces every array; `grad` alone computes with those that it has.
        return isinstance(jax.numpy.zeros(()), jax.core.Tracer)
    if backend == "torch":
        import torch

        return torch.compiler.is_compiling()
    return False

"""Gradients of a function of arrays on whichever backend runs."""

import keras
import numpy as np

BACKEND = keras.backend.backend()
# How a step can be run: PyTorch has no graph to compile here.
MODES = {"tensorflow": ("eager", "graph", "jit"), "jax": ("eager", "jit"), "torch": ("eager",)}[
    BACKEND
]


def value_and_gradient(fn, x, mode="eager"):
    """`fn(tensor)` gives a scalar tensor; returns it and its gradient as arrays."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def step(t):
            with tf.GradientTape() as tape:
                tape.watch(t)
                value = fn(t)
            return value, tape.gradient(value, t)

        if mode != "eager":
            step = tf.function(step, jit_compile=mode == "jit")
        value, gradient = step(tf.constant(x))
        return np.asarray(value), np.asarray(gradient)
    if BACKEND == "jax":
        import jax

        step = jax.value_and_grad(fn)
        value, gradient = (jax.jit(step) if mode == "jit" else step)(jax.numpy.asarray(x))
        return np.asarray(value), np.asarray(gradient)
    import torch

    t = torch.tensor(x, requires_grad=True)
    value = fn(t)
    value.backward()
    return value.detach().numpy(), t.grad.numpy()

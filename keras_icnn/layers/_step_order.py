"""The order of a graph's steps, for the sake of memory."""

import contextlib

import keras


def after(tensors):
    """A context whose steps wait for tensors; a graph starts each step as soon as it can."""
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.control_dependencies(tensors)

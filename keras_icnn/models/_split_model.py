"""A network cut in two at a layer's maps: below, and from there to the logits."""

import itertools

import keras
import numpy as np

from keras_icnn.models._forward_pass import forward
from keras_icnn.models._inlined import inlined
from keras_icnn.models._map_reading import measured_layer
from keras_icnn.models._output_meaning import output_meaning, settled
from keras_icnn.models._tensors import output_of, produced_by

# Batches that TensorFlow runs before it compiles.
_UNCOMPILED = 2


def _passing_by(maps, logits):
    """Tensors besides `maps` that the logits need, of branches that do not go through it.

    Raises:
        ValueError: if the logits do not depend on the maps at all.
    """
    depends, tensors, stack = {id(maps): True}, {id(maps): maps}, [logits]
    while stack:
        tensor = stack[-1]
        if id(tensor) in depends:
            stack.pop()
            continue
        tensors[id(tensor)] = tensor
        above = produced_by(tensor)[1] or []
        waiting = [t for t in above if id(t) not in depends]
        if waiting:
            stack += waiting
            continue
        depends[id(tensor)] = any(depends[id(t)] for t in above)
        stack.pop()
    if not depends[id(logits)]:
        raise ValueError(
            "`layer` must lie on the way to the model's output. Received: a layer whose maps the "
            "output does not depend on"
        )
    sides = {}
    for key, tensor in tensors.items():
        if depends[key] and tensor is not maps:
            above = produced_by(tensor)[1] or []
            sides |= {id(t): t for t in above if not depends[id(t)]}
    return list(sides.values())


class SplitModel:
    """A network in two: images to the maps of a layer, maps to logits.

    Where branches pass the layer by (residual connections), what they carry goes along.

    Args:
        model: a functional or sequential Keras model, channels last, with one input, the images,
            and one output `[batch, classes]`.
        layer: as in `keras_icnn.metrics.measured_layer`.
        batch_size: images, or sets of maps, per forward pass.
        from_logits: whether the output is a logit; None: what the network tells.

    Attributes:
        model, layer: the model and the layer.
        activation: "softmax", "sigmoid" or "linear": what the model does with its logits.
        classes: number of logits.
        filters: number of the layer's maps.

    Raises:
        ValueError: for a model or layer that this does not fit.
    """

    def __init__(self, model, layer=None, batch_size=32, from_logits=None):
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(
                "`model` must have one input, the images, and one output, the classes. Received: "
                f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
            )
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                "Maps are read channels last. Received: "
                f"image_data_format={keras.config.image_data_format()!r}; call "
                "keras.config.set_image_data_format('channels_last') before building the model."
            )
        shape = tuple(model.outputs[0].shape)
        if len(shape) != 2:
            raise ValueError(
                "`model` must classify: its output must have the shape (batch, classes). Received: "
                f"output shape {shape}. Give it a head, or `include_top=True`."
            )
        self.layer = measured_layer(model, layer)
        view = inlined(model)
        maps = output_of(view, self.layer)
        if maps is None or len(maps.shape) != 4:
            raise ValueError(
                "`layer` must give maps of shape (batch, height, width, filters). Received: layer "
                f"'{self.layer.name}' with output shape {tuple(self.layer.output.shape)}"
            )
        self.model = model
        self.activation, logits = settled(model, output_meaning(model), from_logits)
        # Of the flat view, in which the logits are.
        self.inputs, self.logits_tensor = view.inputs[0], logits
        sides = _passing_by(maps, logits)
        self.classes, self.filters = int(shape[1]), int(maps.shape[-1])
        self.batch_size = int(batch_size)
        # Not a list of one: torch warns when the structure is not the one that is fed.
        several = [maps, *sides] if sides else maps
        self._below = keras.Model(view.inputs[0], several)
        self._head = keras.Model(several, logits)
        self._run_below, self._run_head = _runner(self._below), _runner(self._head)
        self._gradient = None

    def below(self, images):
        """List of arrays that the head needs, the maps first: float32 `[images, ...]`."""
        return _in_batches(self._run_below, [np.asarray(images, "float32")], self.batch_size)

    def logits(self, tensors):
        """Logits float64 `[n, classes]` of what `below` gives (the maps may be changed)."""
        return _in_batches(self._run_head, tensors, self.batch_size)[0].astype("float64")

    def gradient(self, tensors, weights):
        """Gradient of each image's weighted sum of logits with respect to its maps.

        Args:
            tensors: as `below` gives them.
            weights: float `[images, classes]`.

        Returns:
            float32, shaped as the maps.
        """
        if self._gradient is None:
            self._gradient = _gradient_function(self._head)
        arrays = [np.asarray(a, "float32") for a in (*tensors, weights)]
        n, size = len(arrays[0]), self.batch_size
        parts = []
        for first in range(0, n, size):
            batch = [a[first : first + size] for a in arrays]
            parts.append(self._gradient(batch[:-1], batch[-1]))
        return np.concatenate(parts)


def whole_gradient(split):
    """Function of ([images], weights) that gives the gradient of the score by the images.

    Args:
        split: `SplitModel`; its model is not cut here.
    """
    whole = keras.Model(split.inputs, split.logits_tensor)
    return _gradient_function(whole, compiled=True)


def whole_logits(split):
    """Function of images that gives logits float64 `[n, classes]`, compiled, uncut.

    Args:
        split: `SplitModel`.
    """
    run = forward(keras.Model(split.inputs, split.logits_tensor))

    def logits(images):
        images = np.asarray(images, "float32")
        return _in_batches(run, [images], split.batch_size)[0].astype("float64")

    return logits


def _in_batches(run, arrays, size):
    """Outputs of a forward pass, a list of arrays; batches are filled up to few sizes."""
    n = len(arrays[0])
    parts = []
    for first in range(0, n, size):
        batch = [a[first : first + size] for a in arrays]
        mine = len(batch[0])
        if 1 < mine < size:
            batch = [np.concatenate([a, np.repeat(a[-1:], size - mine, axis=0)]) for a in batch]
        given = map(keras.ops.convert_to_numpy, run(batch if len(batch) > 1 else batch[0]))
        parts.append([g[:mine].astype("float32", copy=False) for g in given])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _runner(model):
    """The forward pass of one half, which gives a list."""
    if keras.backend.backend() != "tensorflow":
        return forward(model)

    import tensorflow as tf

    def eager(inputs):
        return model(inputs, training=False)

    # A compiled batch of MobileNetV2 takes half the time; compiling takes that of several batches.
    compiled, runs = tf.function(eager), itertools.count(1)

    def run(inputs):
        given = (compiled if next(runs) > _UNCOMPILED else eager)(inputs)
        return given if isinstance(given, list | tuple) else [given]

    return run


def _gradient_function(head, compiled=False):
    """Function of (tensors, weights) that gives the maps' gradient, on the backend that runs.

    TensorFlow is asked to compile only what runs often enough to be worth it.
    """

    def score(maps, sides, weights, call):
        logits = call([maps, *sides] if sides else maps)
        return keras.ops.sum(keras.ops.cast(logits, "float32") * weights)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def step(maps, sides, weights):
            with tf.GradientTape() as tape:
                tape.watch(maps)
                value = score(maps, sides, weights, lambda x: head(x, training=False))
            return tape.gradient(value, maps, unconnected_gradients="zero")

        step = tf.function(step) if compiled else step

        def gradient(tensors, weights):
            maps, *sides = (tf.convert_to_tensor(t) for t in tensors)
            return step(maps, sides, tf.convert_to_tensor(weights)).numpy()

    elif backend == "jax":
        import jax

        def value(maps, sides, weights, trainable, fixed):
            def call(x):
                return head.stateless_call(trainable, fixed, x, training=False)[0]

            return score(maps, sides, weights, call)

        step = jax.jit(jax.grad(value))

        def gradient(tensors, weights):
            maps, *sides = tensors
            trainable = [v.value for v in head.trainable_variables]
            fixed = [v.value for v in head.non_trainable_variables]
            return np.asarray(step(maps, sides, weights, trainable, fixed))

    else:
        import torch

        def gradient(tensors, weights):
            maps, *sides = (keras.ops.convert_to_tensor(t) for t in tensors)
            maps = maps.detach().requires_grad_()
            value = score(
                maps,
                sides,
                keras.ops.convert_to_tensor(weights),
                lambda x: head(x, training=False),
            )
            (given,) = torch.autograd.grad(value, maps)
            return given.cpu().numpy()

    return gradient

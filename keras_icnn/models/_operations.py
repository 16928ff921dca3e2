"""Reading a functional model's graph: its maps, its top map, its classifier."""

import keras
from keras import layers as klayers

# Layers that pass on what they are given, in another place or at another rate.
_PASSES_ON = (
    klayers.Dropout,
    klayers.SpatialDropout2D,
    klayers.GaussianNoise,
    klayers.GaussianDropout,
    klayers.ActivityRegularization,
    klayers.Identity,
    klayers.MaxPooling2D,
    klayers.AveragePooling2D,
    klayers.ZeroPadding2D,
    klayers.Cropping2D,
)
_JOINS = (
    klayers.Add,
    klayers.Average,
    klayers.Concatenate,
    klayers.Maximum,
    klayers.Minimum,
    klayers.Multiply,
)
_REDUCES = (klayers.GlobalAveragePooling2D, klayers.GlobalMaxPooling2D)
_NONNEGATIVE = (
    "exponential",
    "hard_sigmoid",
    "relu",
    "relu6",
    "sigmoid",
    "softmax",
    "softplus",
    "squareplus",
)


class Graph:
    """The operations of a flat functional model in order, with their neighbors.

    Args:
        model: Functional model without nested models, each of whose layers is called once.

    Raises:
        ValueError: When a layer is called more than once.
    """

    def __init__(self, model):
        self.name = model.name
        self.ops = list(model.operations)
        self.outputs = list(model.outputs)
        self._position = {op.name: index for index, op in enumerate(self.ops)}
        self._by_name = {op.name: op for op in self.ops}
        producer = {}
        for op in self.ops:
            for tensor in keras.tree.flatten(op.output):
                producer[id(tensor)] = op.name
        self.parents, self.children = {}, {op.name: [] for op in self.ops}
        for op in self.ops:
            inputs = [] if isinstance(op, klayers.InputLayer) else keras.tree.flatten(op.input)
            self.parents[op.name] = [self._producer(producer, t, op.name) for t in inputs]
            for parent in self.parents[op.name]:
                self.children[parent].append(op.name)
        self.ends = [self._producer(producer, tensor, "output") for tensor in self.outputs]

    def _producer(self, producer, tensor, consumer):
        if id(tensor) not in producer:
            raise ValueError(
                f"`model` calls a layer more than once (what {consumer!r} takes comes from a "
                "second call); interpretable filters keep statistics of one map. Build the network "
                f"without shared layers. Received: model={self.name!r}"
            )
        return producer[id(tensor)]

    def op(self, name):
        """The operation of that name."""
        return self._by_name[name]

    def position(self, name):
        """Its place in the order of the graph."""
        return self._position[name]

    def shape(self, name):
        """The shape of its first output."""
        return tuple(keras.tree.flatten(self._by_name[name].output)[0].shape)

    def downstream(self, name):
        """Names of all operations that depend on it."""
        found, stack = set(), [name]
        while stack:
            new = [child for child in self.children[stack.pop()] if child not in found]
            found.update(new)
            stack += new
        return found

    def bottlenecks(self):
        """Names of the operations that everything passes through, from the output backwards."""
        frontier = set(self.ends)
        while frontier:
            name = max(frontier, key=self.position)
            if len(frontier) == 1:
                yield name
            frontier.remove(name)
            frontier.update(self.parents[name])

    def check_map(self, name):
        """Checks that a layer exists and makes a map of known size above 1 x 1.

        Raises:
            ValueError: Otherwise.
        """
        if name not in self._by_name:
            raise ValueError(
                "`layers` must name layers of the model; `model.summary(expand_nested=True)` "
                f"lists them. Received: {name!r}, which model {self.name!r} does not have"
            )
        shape = self.shape(name)
        if isinstance(self.op(name), klayers.InputLayer) or len(shape) != 4:
            raise ValueError(
                "`layers` must name layers whose output is a map (batch, height, width, channels). "
                f"Received: {name!r}, whose output has shape {shape}"
            )
        check_size(name, shape)

    def is_nonnegative(self, name):
        """Whether the map cannot have negative values, as far as its layers tell."""
        op = self.op(name)
        if isinstance(op, klayers.ReLU):
            return not op.negative_slope and op.threshold >= 0
        activation = getattr(op, "activation", None)
        if callable(activation) and getattr(activation, "__name__", "") in _NONNEGATIVE:
            return True
        if isinstance(op, (*_PASSES_ON, *_JOINS)) and not isinstance(
            op, (klayers.GaussianNoise, klayers.GaussianDropout)
        ):
            return all(self.is_nonnegative(parent) for parent in self.parents[name])
        return False


def top_map(graph):
    """The name of the layer that makes the top feature map.

    It is the last map that everything passes through on its way to the output, below pooling,
    dropout and a convolution that is the classifier.

    Args:
        graph: `Graph`.

    Returns:
        String.

    Raises:
        ValueError: When there is no map, or it is 1 x 1, or its size is not known.
    """
    below = None
    for name in graph.bottlenecks():
        op, shape = graph.op(name), graph.shape(name)
        if isinstance(op, klayers.InputLayer):
            break
        if len(shape) == 4 and isinstance(op, _PASSES_ON):
            continue
        if len(shape) == 4 and shape[1:3] != (1, 1) and not is_classifier(graph, name):
            check_size(name, shape)
            if below is not None and not _sees_all_of(graph.op(below), shape):
                check_size(below, graph.shape(below))
            return name
        # A 1 x 1 map is the head's when something has pooled or covered a larger one.
        below = name if len(shape) == 4 and shape[1:3] == (1, 1) else None
    raise ValueError(
        "`model` has no spatial feature map (batch, height, width, channels) that everything passes"
        f" through, so nothing can be made interpretable. Received: model={graph.name!r}"
    )


def is_classifier(graph, name):
    """Whether a layer is the network's classifier: dense, or a 1 x 1 convolution then pooled."""
    op = graph.op(name)
    if any(getattr(graph.op(n), "weights", ()) for n in graph.downstream(name)):
        return False
    if isinstance(op, klayers.Dense):
        return True
    activation = getattr(getattr(op, "activation", None), "__name__", None)
    return (
        type(op) is klayers.Conv2D
        and tuple(op.kernel_size) == (1, 1)
        and activation in ("linear", "softmax", "sigmoid")
        and all(len(tensor.shape) == 2 for tensor in graph.outputs)
    )


def classifier_below(graph, base):
    """The classifier among the layers that depend on `base`, or `None`."""
    for name in sorted(graph.downstream(base), key=graph.position, reverse=True):
        if getattr(graph.op(name), "weights", ()):
            return graph.op(name) if is_classifier(graph, name) else None
    return None


def _sees_all_of(op, shape):
    """Whether an operation brings a map of `shape` to 1 x 1 by looking at all of it."""
    if isinstance(op, _REDUCES) or not isinstance(op, keras.Layer):
        return True
    kernel = getattr(op, "kernel_size", None)
    return kernel is not None and tuple(kernel) == tuple(shape[1:3])


def check_size(name, shape):
    """Checks that a map's size is known and above 1 x 1.

    Raises:
        ValueError: Otherwise; the error names the layer and `input_shape`.
    """
    if None in shape[1:]:
        raise ValueError(
            f"The map of layer {name!r} has no known size: build the model with a static "
            f"`input_shape`, for example (224, 224, 3). Received: a map of shape {shape}"
        )
    if shape[1:3] == (1, 1):
        raise ValueError(
            f"The map of layer {name!r} is 1 x 1, which has no places for parts to be in. Build "
            "the model with a larger `input_shape`, or name an earlier layer in `layers`. "
            f"Received: a map of shape {shape}"
        )

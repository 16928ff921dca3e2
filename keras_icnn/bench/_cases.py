"""What the benchmark times: an interpretable layer or network, its plain twin, a step of each.

A step is called without arguments, runs as the backend's compiled function does in `fit`, and
returns once all its results are there. Both sides compute the gradients of all weights and of the
input, and both return them, so that no compiler can leave them out.
"""

import dataclasses
import importlib

import keras
import numpy as np
from keras import ops

from keras_icnn.layers import InterpretableConv
from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.layers._label_scope import labels

PLAIN = "plain"
RULES = {
    "default": "default",
    "paper": "paper",
    "official": "official",
    "full_sum": FilterLoss(gradient="full_sum"),
    "mask": None,
}
# "graph" is `tf.function`, "jit" XLA.
MODES = {"tensorflow": ("graph", "jit"), "jax": ("jit",), "torch": ("eager",)}


@dataclasses.dataclass(frozen=True)
class LayerSetting:
    """The size of a layer's benchmark, and how it is computed; the same for a rule and its twin."""

    size: int = 14
    filters: int = 512
    channels: int | None = None
    kernel_size: int = 3
    classes: int = 6
    batch: int = 32
    normalization: str | None = "batch"
    precision: str = "float32"

    @property
    def input_shape(self):
        return (self.size, self.size, self.channels or self.filters)


@dataclasses.dataclass(frozen=True)
class NetworkSetting:
    """The size of a network's benchmark."""

    network: str = "vgg16"
    image_size: int = 224
    classes: int = 6
    batch: int = 8
    filters: int | None = None
    precision: str = "float32"


def check_rule(rule):
    """Returns `rule`; raises unless it names a rule, the plain twin, or a peer."""
    if ":" in rule:
        find_peer(rule)
    elif rule != PLAIN and rule not in RULES:
        raise ValueError(
            f"Argument `rules` must be among {tuple(RULES)}, or a peer 'module:function'. "
            f"Received: rules entry {rule!r}"
        )
    return rule


def find_peer(name):
    """The function of a peer, another implementation that the user has installed.

    Args:
        name: `"module:function"`. The function gets the setting, the batch, the gradient from above
            and the labels (NumPy arrays, see `layer_data`), and returns `(train, infer)`, two
            functions without arguments, as `layer_steps` does.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"A peer must be 'module:function' of a module that can be imported (its folder on "
            f"PYTHONPATH). Received: {name!r}, with the error: {error}"
        ) from error
    return found


def check_mode(mode):
    """Returns `mode`; raises unless the backend computes that way."""
    allowed = MODES[keras.backend.backend()]
    if mode not in allowed:
        raise ValueError(
            f"Argument `modes` must be among {allowed} on the {keras.backend.backend()} backend. "
            f"Received: modes entry {mode!r}. Set KERAS_BACKEND for another backend."
        )
    return mode


def layer_model(rule, setting):
    """The layer of a rule, or its plain twin (`rule="plain"`), with fresh weights."""
    keras.utils.set_random_seed(0)
    conv = {"padding": "same", "dtype": setting.precision}
    if rule == PLAIN:
        layers = [keras.layers.Conv2D(setting.filters, setting.kernel_size, **conv)]
        if setting.normalization == "batch":
            layers.append(
                keras.layers.BatchNormalization(
                    epsilon=1e-5, momentum=0.95, dtype=setting.precision
                )
            )
        layers.append(keras.layers.ReLU(dtype=setting.precision))
    else:
        layers = [
            InterpretableConv(
                setting.filters,
                setting.kernel_size,
                num_classes=setting.classes,
                filter_loss=RULES[check_rule(rule)],
                normalization=setting.normalization,
                **conv,
            )
        ]
    return keras.Sequential([keras.Input(setting.input_shape), *layers])


def layer_data(setting):
    """A batch of inputs as a ReLU leaves them, the gradient that arrives from above, labels."""
    rng = np.random.default_rng(0)
    shape = (setting.batch, *setting.input_shape)
    x = np.maximum(rng.standard_normal(shape, dtype="float32"), 0)
    above = rng.standard_normal((*shape[:3], setting.filters), dtype="float32")
    y = rng.integers(setting.classes, size=setting.batch).astype("int32")
    return x, above / above.size, y


def layer_steps(rule, setting, mode):
    """The training step and the inference of one layer.

    Args:
        rule: a name in `RULES`, `"plain"`, or a peer, as `find_peer` takes it.
        setting: `LayerSetting`.
        mode: a name in `MODES` of the backend.

    Returns:
        `(train, infer)`: two functions without arguments that return their results.
    """
    check_mode(mode)
    if ":" in rule:
        return find_peer(rule)(setting, *layer_data(setting))
    model = layer_model(rule, setting)
    data = [ops.convert_to_tensor(a) for a in layer_data(setting)]
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    return make(model, *data, mode)


def _loss(output, above, terms):
    """A loss whose gradient at the output is `above`, and what is logged: `fit` computes it too."""
    task = ops.sum(ops.cast(output, "float32") * above)
    value = terms.filter_loss()
    return task + terms.total(), (task if value is None else value)


def _tensorflow(model, x, above, y, mode):
    import tensorflow as tf

    @tf.function(jit_compile=mode == "jit")
    def train(x, above, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            with labels(y) as terms:
                total, logged = _loss(model(x, training=True), above, terms)
        return logged, tape.gradient(total, [x, *(v.value for v in model.trainable_variables)])

    @tf.function(jit_compile=mode == "jit")
    def infer(x):
        return model(x, training=False)

    return (lambda: synchronize(train(x, above, y))), (lambda: synchronize(infer(x)))


def _jax(model, x, above, y, mode):
    import jax

    state = [v.value for v in model.non_trainable_variables]
    trainable = [v.value for v in model.trainable_variables]

    def objective(trainable, x, state, above, y):
        with labels(y) as terms:
            output, state = model.stateless_call(trainable, state, x, training=True)
            total, logged = _loss(output, above, terms)
        return total, (logged, state)

    step = jax.jit(jax.grad(objective, argnums=(0, 1), has_aux=True))
    inference = jax.jit(lambda *args: model.stateless_call(*args, training=False)[0])

    def train():
        nonlocal state
        gradients, (logged, state) = step(trainable, x, state, above, y)
        return synchronize((logged, gradients, state))

    return train, (lambda: synchronize(inference(trainable, state, x)))


def _torch(model, x, above, y, mode):
    import torch

    trainable = [v.value for v in model.trainable_variables]
    watched = x.detach().clone().requires_grad_()

    def train():
        with labels(y) as terms:
            total, logged = _loss(model(watched, training=True), above, terms)
        return synchronize((logged, torch.autograd.grad(total, [watched, *trainable])))

    def infer():
        with torch.no_grad():
            return synchronize(model(x, training=False))

    return train, infer


def network_model(rule, setting):
    """A network of the zoo with random weights, or its twin with the plain extra layer."""
    from keras_icnn import zoo

    keras.utils.set_random_seed(0)
    options = {
        "weights": None,
        "input_shape": (setting.image_size, setting.image_size, 3),
        "classes": setting.classes,
        "new_filters": setting.filters,
        "extra_layer": True,
    }
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(setting.precision)
    try:
        if rule == PLAIN:
            return zoo.create_model(setting.network, **options)
        loss = RULES[check_rule(rule)]
        return zoo.create_model(f"{setting.network}_interpretable", filter_loss=loss, **options)
    finally:
        keras.config.set_dtype_policy(policy)


def network_steps(rule, setting, mode):
    """As `layer_steps`, for one `train_on_batch` (SGD) and one `predict_on_batch` of a network."""
    check_mode(mode)
    model = network_model(rule, setting)
    # No step size: random weights must not diverge; the update is computed all the same.
    model.compile(
        keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", jit_compile=mode == "jit"
    )
    rng = np.random.default_rng(0)
    shape = (setting.batch, setting.image_size, setting.image_size, 3)
    x = rng.standard_normal(shape, dtype="float32")
    y = rng.integers(setting.classes, size=setting.batch).astype("int32")
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)

    def train():
        logs = model.train_on_batch(x, y)
        synchronize([v.value for v in model.variables])
        return logs

    return train, (lambda: model.predict_on_batch(x))


def synchronize(results):
    """Waits until results are computed, on backends that return before they are."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        jax.block_until_ready(results)
    elif backend == "tensorflow":
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            tf.test.experimental.sync_devices()
    else:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return results

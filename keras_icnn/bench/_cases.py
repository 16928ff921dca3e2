"""What the benchmark times: an interpretable layer or network, its plain twin, a step of each.

A step is called without arguments, runs as the backend's compiled function does in `fit`, and
returns once all its results are there. Both sides compute the gradients of all weights and of the
input, and both return them, so that no compiler can leave them out.
"""

import keras
import numpy as np
from keras import ops

from keras_icnn.bench._settings import PLAIN, check_mode, check_rule, find_peer
from keras_icnn.layers import FilterLoss, InterpretableConv, labels


def filter_loss(rule):
    """The argument `filter_loss` of a rule."""
    if check_rule(rule) == "full_sum":
        return FilterLoss(gradient="full_sum")
    return None if rule == "mask" else rule


def layer_model(rule, setting):
    """The layer of a rule, or its plain twin (`rule="plain"`), with fresh weights."""
    keras.utils.set_random_seed(0)
    conv = {"padding": "same", "dtype": setting.precision}
    if rule == PLAIN:
        layers = [keras.layers.Conv2D(setting.filters, setting.kernel_size, **conv)]
        if setting.normalization == "batch":
            layers.append(
                keras.layers.BatchNormalization(
                    axis=-1, epsilon=1e-5, momentum=0.95, dtype=setting.precision
                )
            )
        layers.append(keras.layers.ReLU(dtype=setting.precision))
    else:
        layers = [
            InterpretableConv(
                setting.filters,
                setting.kernel_size,
                num_classes=setting.classes,
                filter_loss=filter_loss(rule),
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
        rule: A name in `RULES`, `"plain"`, or a peer, as `find_peer` takes it.
        setting: `LayerSetting`.
        mode: A name in `MODES` of the backend.

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
        return zoo.create_model(
            f"{setting.network}_interpretable", filter_loss=filter_loss(rule), **options
        )
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

"""Two devices of one process take the step that one device takes on the whole batch.

On TensorFlow replicas of a `MirroredStrategy`, on JAX `keras.distribution.DataParallel`. Several
processes: tests/multiworker.
"""

import contextlib
import functools

import keras
import numpy as np
import pytest

import keras_icnn as icnn
from keras_icnn.layers import _replicas

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.core
two_devices_only = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras trains on one device with PyTorch"
)

X = np.random.default_rng(0).random((32, 10, 10, 3)).astype("float32")
# Unequal shares of the classes on the two replicas.
Y = np.concatenate([np.zeros(12), np.ones(4), np.full(6, 2), np.ones(6), np.full(4, 3)]).astype(
    "int32"
)


def network(rule, optimizer, layers=1):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((10, 10, 3))
    x = inputs
    for k in range(layers):
        x = icnn.InterpretableConv(
            6,
            3,
            padding="same",
            num_classes=4,
            filter_loss=rule,
            normalization="batch",
            name=f"parts_{k}",
        )(x)
    outputs = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@functools.cache
def two_devices():
    if BACKEND == "jax":
        return keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"])
    # One for all tests: TensorFlow remembers the shapes of a strategy's collectives by number, and
    # a second strategy in the same process counts from the beginning again.
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def fit(model, **options):
    return model.fit(X, Y, batch_size=32, shuffle=False, verbose=0, **options).history


def one_and_two(rule, epochs=1, optimizer=lambda: keras.optimizers.SGD(0.1), layers=1):
    one = network(rule, optimizer(), layers)
    logs = [fit(one, epochs=epochs)]
    with two_devices().scope():
        two = network(rule, optimizer(), layers)
        logs.append(fit(two, epochs=epochs))
    return one, two, logs


def assert_same(one, two, logs, tolerance=1e-5):
    for a, b, variable in zip(one.get_weights(), two.get_weights(), one.weights, strict=True):
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        assert np.abs(a - b).max() <= tolerance * max(1.0, np.abs(b).max()), variable.path
    for name in ("loss", "filter_loss"):
        assert logs[1][name] == pytest.approx(logs[0][name], rel=1e-3, abs=1e-5)


def assert_equal_copies(layer):
    """Both devices hold the same running statistics, bit for bit."""
    for name in ("log_z", "class_activation", "activation_scale", "push_rms", "steps"):
        value = getattr(layer._state, name).value
        if BACKEND == "jax":
            copies = [np.asarray(shard.data) for shard in value.addressable_shards]
            assert copies[0].shape == value.shape
        else:
            copies = [np.asarray(v) for v in value.values]
        assert len(copies) == 2
        assert np.array_equal(copies[0], copies[1]), name


@pytest.mark.medium
@two_devices_only
@pytest.mark.parametrize(
    "rule",
    [
        "default",
        "paper",
        "official",
        icnn.FilterLoss(gradient="full_differentiation", strength=1.0, templates={"tau": 0.1}),
    ],
)
def test_one_step(rule):
    assert_same(*one_and_two(rule))


@pytest.mark.medium
@pytest.mark.tensorflow_only("JAX refuses unequal shares, and PyTorch is on one device")
@pytest.mark.parametrize("rule", ["default", "paper"])
def test_uneven_last_batches(rule):
    # 27 images: 16, then 11, of which the replicas get 6 and 5.

    logs = []
    for scope in (contextlib.nullcontext(), two_devices().scope()):
        with scope:
            model = network(rule, keras.optimizers.SGD(0.1))
        logs.append(model)
        model.fit(X[:27], Y[:27], batch_size=16, shuffle=False, verbose=0)
    one, two = logs
    # Statistics of the second batch are those of its eleven images, whoever had them.
    states = [m.get_layer("parts_0").state._asdict() for m in (one, two)]
    for name, value in states[0].items():
        np.testing.assert_allclose(states[1][name], value, rtol=1e-3, atol=1e-5, err_msg=name)
    # Keras itself weighs the replicas' mean losses alike, so the images' weights differ a little.
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        assert np.abs(a - b).max() <= 0.02 * max(1.0, np.abs(b).max())


@pytest.mark.medium
@two_devices_only
def test_ten_steps_of_several_layers():
    """Of several layers: their reductions in the backward pass must not be mixed up."""
    one, two, logs = one_and_two("default", epochs=10, layers=2)
    assert_same(one, two, logs, tolerance=1e-4)
    for layer in ("parts_0", "parts_1"):
        assert_equal_copies(two.get_layer(layer).interpretable)


@pytest.mark.medium
@two_devices_only
def test_loss_scaling_on_two_replicas():
    def scaled():
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024.0)

    assert_same(*one_and_two("default", optimizer=scaled))


@pytest.mark.medium
@two_devices_only
def test_a_backup_of_two_devices(tmp_path):
    def optimizer():
        return keras.optimizers.SGD(0.1, momentum=0.9)

    def make():
        with two_devices().scope():
            return network("default", optimizer())

    # Keras calls callbacks outside the strategy's scope; JAX needs its own in `fit`.
    with two_devices().scope() if BACKEND == "jax" else contextlib.nullcontext():
        whole = make()
        expected = fit(whole, epochs=2)
        for epochs in (1, 2):
            resumed = make()
            backup = icnn.callbacks.Backup(tmp_path / "backup.npz", delete=False)
            logs = fit(resumed, epochs=epochs, callbacks=[backup])
    assert backup.initial_epoch == 1
    assert_same(whole, resumed, (expected, logs), tolerance=1e-7)


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch's own processes")
def test_processes_of_pytorch_are_refused(monkeypatch):
    import torch

    assert _replicas.count() == 1
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    # What every training step of a layer asks.
    with pytest.raises(NotImplementedError, match="with 2 processes"):
        _replicas.all_sum([keras.ops.ones(2)])

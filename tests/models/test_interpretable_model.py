"""The model in everything Keras does with models."""

import functools
import inspect

import keras
import numpy as np
import pytest
from backend_modes import BACKEND
from keras import ops

import keras_icnn as icnn

pytestmark = pytest.mark.core

CLASSES = 4
X = np.random.default_rng(0).random((48, 12, 12, 3)).astype("float32")
Y = np.random.default_rng(1).integers(0, CLASSES, 48)


def network(rule="default", classes=CLASSES, single=False, activation=None, layers=1):
    inputs = keras.Input((12, 12, 3))
    x = inputs
    for k in range(layers):
        x = icnn.InterpretableConv(
            6,
            3,
            padding="same",
            num_classes=2 if single else classes,
            background_class=0 if single else None,
            filter_loss=rule,
            normalization="batch",
            name=f"parts_{k}",
        )(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(1 if single else classes, activation=activation, name="head")(x)
    return icnn.InterpretableModel(inputs, outputs, name="network")


def compiled(model, **arguments):
    arguments.setdefault("optimizer", keras.optimizers.SGD(0.1))
    arguments.setdefault("loss", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.compile(**arguments)
    return model


def weights(model):
    return [ops.convert_to_numpy(ops.convert_to_tensor(v)).copy() for v in model.weights]


def test_it_is_a_functional_model_and_stays_one():
    model = network()
    assert isinstance(model, keras.Model)
    again = icnn.InterpretableModel.from_config(model.get_config())
    assert type(again) is icnn.InterpretableModel
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    clone = keras.models.clone_model(model)
    assert type(clone) is icnn.InterpretableModel


@pytest.mark.medium
@pytest.mark.parametrize("rule", ["default", "paper"])
def test_fit_logs_the_filter_loss_and_evaluation_does_not(rule):
    model = compiled(network(rule), metrics=["accuracy"])
    history = model.fit(X, Y, batch_size=16, epochs=2, validation_data=(X, Y), verbose=0).history
    assert set(history) == {"loss", "accuracy", "filter_loss", "val_loss", "val_accuracy"}
    assert all(value < 0 for value in history["filter_loss"])
    assert set(model.evaluate(X, Y, verbose=0, return_dict=True)) == {"loss", "accuracy"}
    assert model.predict(X, verbose=0).shape == (48, CLASSES)
    assert (model.get_layer("parts_0").target_categories() >= 0).all()


@pytest.mark.medium
def test_absolute_term_is_added_to_the_loss():
    rule = icnn.FilterLoss(
        strength=100.0,
        scale_with_activation=False,
        gradient="full_sum",
        templates={"tau": 0.1},
        mask_beta=icnn.FilterLoss.parse("default").mask_beta,  # that of the mask alone
    )
    keras.utils.set_random_seed(0)
    model = compiled(network(rule))
    logs = model.train_on_batch(X, Y, return_dict=True)
    keras.utils.set_random_seed(0)
    bare = compiled(network(None))
    plain = bare.train_on_batch(X, Y, return_dict=True)
    # filter_loss is the mean over six filters; the loss has strength times their sum.
    assert logs["loss"] == pytest.approx(plain["loss"] + 600 * logs["filter_loss"], rel=1e-4)


@pytest.mark.medium
def test_relative_push_adds_nothing_to_the_logged_loss():
    keras.utils.set_random_seed(0)
    pushed = compiled(network("default")).train_on_batch(X, Y, return_dict=True)
    keras.utils.set_random_seed(0)
    plain = compiled(network(None)).train_on_batch(X, Y, return_dict=True)
    assert pushed["loss"] == pytest.approx(plain["loss"], rel=1e-6)


@pytest.mark.few_steps
@pytest.mark.medium
@pytest.mark.parametrize(
    ("labels", "loss"),
    [
        ("one_hot", keras.losses.CategoricalCrossentropy(from_logits=True)),
        ("multi_label", keras.losses.BinaryCrossentropy(from_logits=True)),
        ("sign", keras.losses.SquaredHinge()),
    ],
)
def test_label_formats_train_alike(labels, loss):
    one_hot = np.eye(CLASSES, dtype="float32")[Y]
    y = {"one_hot": one_hot, "multi_label": one_hot, "sign": 2 * one_hot - 1}[labels]
    model = compiled(network(), loss=loss)
    model.train_on_batch(X, y)
    found = model.get_layer("parts_0").state.class_count
    assert ops.convert_to_numpy(ops.convert_to_tensor(found)).tolist() == one_hot.sum(0).tolist()


@pytest.mark.few_steps
@pytest.mark.medium
@pytest.mark.parametrize("y", [Y % 2, (Y % 2) * 2 - 1, (Y % 2)[:, None].astype("float32")])
def test_single_category(y):
    model = compiled(network(single=True), loss=keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(X, y, batch_size=16, epochs=1, verbose=0)
    assert (model.get_layer("parts_0").target_categories() == 1).all()


@pytest.mark.few_steps
@pytest.mark.medium
def test_class_weights_are_sample_weights():
    results = []
    weight = {c: 1.0 + c for c in range(CLASSES)}
    for arguments in (
        {},
        {"class_weight": weight},
        {"sample_weight": np.array([weight[int(c)] for c in Y])},
    ):
        keras.utils.set_random_seed(0)
        model = compiled(network())
        model.fit(X, Y, batch_size=48, shuffle=False, verbose=0, **arguments)
        results.append(weights(model)[0])
    assert results[1] == pytest.approx(results[2], abs=1e-6)
    assert np.abs(results[0] - results[1]).max() > 1e-4


@pytest.mark.few_steps
@pytest.mark.medium
@pytest.mark.parametrize("weight", ["absolute", "relative"])
def test_sample_weights_and_the_filter_loss(weight):
    # An absolute weight does not know them; a push relative to a task of weight zero is zero.
    options = {"scale_with_activation": False} if weight == "absolute" else {}
    rule = icnn.FilterLoss(weight=weight, strength=1e4, **options)
    moved = []
    for value in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        model = compiled(network(rule))
        before = weights(model)[0]
        model.train_on_batch(X, Y, sample_weight=np.full(48, value))
        moved.append(np.abs(weights(model)[0] - before).max())
    assert moved[1] > 1e-6
    assert (moved[0] > 1e-6) == (weight == "absolute")


@pytest.mark.medium
@pytest.mark.skipif(BACKEND == "torch", reason="the PyTorch trainer has no steps_per_execution")
def test_steps_per_execution():
    keras.utils.set_random_seed(0)
    one = compiled(network())
    one.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    keras.utils.set_random_seed(0)
    several = compiled(network(), steps_per_execution=3)
    several.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(weights(one), weights(several), strict=True):
        assert a == pytest.approx(b, abs=1e-5)


@pytest.mark.few_steps
@pytest.mark.medium
def test_partial_last_batches():
    model = compiled(network())
    model.fit(X[:41], Y[:41], batch_size=16, verbose=0)
    steps = model.get_layer("parts_0").state.steps
    assert int(ops.convert_to_numpy(ops.convert_to_tensor(steps))) == 3


@pytest.mark.medium
def test_gradient_accumulation_moves_the_state_with_each_micro_batch():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model = compiled(network(), optimizer=optimizer)
    kernel = weights(model)[0]
    model.train_on_batch(X[:16], Y[:16])
    layer = model.get_layer("parts_0").interpretable
    assert weights(model)[0].tolist() == kernel.tolist()
    assert int(layer.state.steps) == 1
    model.train_on_batch(X[16:32], Y[16:32])
    assert weights(model)[0].tolist() != kernel.tolist()
    assert int(layer.state.steps) == 2


@pytest.mark.medium
@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has no float16 convolution on CPUs")
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = compiled(network())
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    assert all(np.isfinite(w.astype("float32")).all() for w in weights(model))
    layer = model.get_layer("parts_0").interpretable
    assert int(layer.state.steps) == 6


@pytest.mark.few_steps
@pytest.mark.medium
def test_several_layers_and_frozen_ones():
    model = network(layers=2)
    model.get_layer("parts_0").trainable = False
    compiled(model)
    frozen = [w.copy() for w in model.get_layer("parts_0").get_weights()]
    model.fit(X, Y, batch_size=16, verbose=0)
    for before, after in zip(frozen, model.get_layer("parts_0").get_weights(), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.few_steps
@pytest.mark.medium
def test_what_no_layer_computed_is_not_logged():
    model = network(layers=2)
    for name in ("parts_0", "parts_1"):
        model.get_layer(name).trainable = False
    history = compiled(model).fit(X, Y, batch_size=16, validation_data=(X, Y), verbose=0).history
    assert not any("filter_loss" in name for name in history)
    model.get_layer("parts_1").trainable = True
    history = compiled(model).fit(X, Y, batch_size=16, validation_data=(X, Y), verbose=0).history
    assert history["filter_loss"][0] != 0
    assert "val_filter_loss" not in history


def test_plain_model_says_what_to_do():
    interpretable = network()
    plain = keras.Model(interpretable.inputs, interpretable.outputs)
    compiled(plain)
    plain.predict(X[:2], verbose=0)
    with pytest.raises(RuntimeError, match="InterpretableModel"):
        plain.fit(X, Y, verbose=0)


def test_sequential_says_what_to_do():
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            icnn.InterpretableConv(4, 3, num_classes=CLASSES),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(CLASSES),
        ]
    )
    compiled(model)
    with pytest.raises(RuntimeError, match="InterpretableModel"):
        model.fit(X, Y, verbose=0)


def test_several_targets_need_a_choice():
    model = network()
    with pytest.raises(ValueError, match="filter_labels"):
        model.filter_labels([Y, Y])
    assert model.filter_labels({"head": Y}) is Y
    with pytest.raises(ValueError, match="labels"):
        model.filter_labels(None)


def test_fit_without_labels():
    model = compiled(network(), loss=None)
    with pytest.raises(ValueError):
        model.fit(X, verbose=0)


def tensorflow_step(model, optimizer, loss_fn):
    import tensorflow as tf

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape, icnn.labels(y) as terms:
            loss = loss_fn(y, model(x, training=True)) + terms.total()
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step


def jax_step(model, optimizer, loss_fn):
    import jax

    optimizer.build(model.trainable_variables)
    held = model.trainable_variables, model.non_trainable_variables, optimizer.variables

    def objective(trainable, others, x, y):
        with icnn.labels(y) as terms:
            outputs, others = model.stateless_call(trainable, others, x, training=True)
            return loss_fn(y, outputs) + terms.total(), others

    @jax.jit
    def update(trainable, others, state, x, y):
        gradients, others = jax.grad(objective, has_aux=True)(trainable, others, x, y)
        return *optimizer.stateless_apply(state, gradients, trainable), others

    def step(x, y):
        trainable, state, others = update(*([v.value for v in group] for group in held), x, y)
        for group, values in zip(held, (trainable, others, state), strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)

    return step


def torch_step(model, optimizer, loss_fn):
    import torch

    def step(x, y):
        with icnn.labels(y) as terms:
            loss = loss_fn(y, model(x, training=True)) + terms.total()
        variables = model.trainable_variables
        gradients = torch.autograd.grad(loss, [v.value for v in variables])
        with torch.no_grad():
            optimizer.apply(gradients, variables)

    return step


@pytest.mark.medium
def test_custom_loop_equals_fit():
    rule = icnn.FilterLoss(strength=10.0, gradient="full_sum", templates={"tau": 0.1})
    keras.utils.set_random_seed(0)
    fitted = compiled(network(rule))
    fitted.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
    keras.utils.set_random_seed(0)
    model = network(rule)
    make = {"tensorflow": tensorflow_step, "jax": jax_step, "torch": torch_step}[BACKEND]
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    step = make(model, keras.optimizers.SGD(0.1), loss_fn)
    for k in range(0, 48, 16):
        step(ops.convert_to_tensor(X[k : k + 16]), ops.convert_to_tensor(Y[k : k + 16]))
    for a, b in zip(weights(fitted), weights(model), strict=True):
        assert a == pytest.approx(b, abs=1e-5)


@pytest.mark.medium
def test_saved_models_continue_exactly(tmp_path):
    keras.utils.set_random_seed(0)
    whole = compiled(network(), optimizer=keras.optimizers.Adam(0.01))
    for k in range(3):
        whole.train_on_batch(X[k * 16 : k * 16 + 16], Y[k * 16 : k * 16 + 16])
    keras.utils.set_random_seed(0)
    first = compiled(network(), optimizer=keras.optimizers.Adam(0.01))
    first.train_on_batch(X[:16], Y[:16])
    first.save(tmp_path / "m.keras")
    second = keras.saving.load_model(tmp_path / "m.keras")
    assert type(second) is icnn.InterpretableModel
    for k in (1, 2):
        second.train_on_batch(X[k * 16 : k * 16 + 16], Y[k * 16 : k * 16 + 16])
    for a, b in zip(weights(whole), weights(second), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.few_steps
@pytest.mark.medium
def test_weights_files_hold_the_state(tmp_path):
    model = compiled(network())
    model.fit(X, Y, batch_size=16, verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    other = network()
    other.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(weights(model), weights(other), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.medium
@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch is not jit-compiled here")
@pytest.mark.parametrize(
    "rule",
    [
        "default",
        "paper",
        icnn.FilterLoss(gradient="full_differentiation", strength=1.0),
    ],
)
def test_eager_graph_jit_and_loss_scaling_take_the_same_step(rule):
    results = []
    for arguments in (
        {"run_eagerly": True},
        {"jit_compile": False},
        {"jit_compile": True},
        {"jit_compile": False, "scaled": True},
    ):
        scaled = arguments.pop("scaled", False)
        keras.utils.set_random_seed(0)
        optimizer = keras.optimizers.SGD(0.1)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0)
        model = compiled(network(rule), optimizer=optimizer, **arguments)
        logs = model.train_on_batch(X, Y, return_dict=True)
        results.append((weights(model), logs))
    # Eager TensorFlow against each of the others.
    for values, logs in results[1:]:
        for a, b in zip(results[0][0], values, strict=True):
            assert np.abs(a - b).max() <= 1e-5 * max(1.0, np.abs(b).max())
        for name in ("loss", "filter_loss"):
            assert logs[name] == pytest.approx(results[0][1][name], abs=1e-5)


class Labels(keras.utils.PyDataset):
    def __init__(self, y, **options):
        super().__init__(**options)
        self.y = y
        self.begun = self.ended = 0

    def __len__(self):
        return 3

    def __getitem__(self, k):
        return X[k * 16 : k * 16 + 16], self.y[k * 16 : k * 16 + 16]

    def on_epoch_begin(self):
        self.begun += 1

    def on_epoch_end(self):
        self.ended += 1


@pytest.mark.medium
def test_labels_outside_the_classes_are_an_error_before_they_are_trained_on():
    model = compiled(network(), run_eagerly=BACKEND == "tensorflow")
    before = weights(model)
    y = Y.copy()
    y[20] = CLASSES
    with pytest.raises(ValueError, match=f"0 to 3. Received: {CLASSES} for sample 20"):
        model.fit(X, y, verbose=0)
    for a, b in zip(before, weights(model), strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match=f"In batch 1, labels.*Received: {CLASSES} for sample 4"):
        model.fit(Labels(y), shuffle=False, verbose=0)
    # What a dataset is told, it is told through the check.
    good = Labels(Y)
    model.fit(good, epochs=2, verbose=0)
    assert good.begun == 2
    assert good.ended >= 2


class Endless(keras.utils.PyDataset):
    """One without a length."""

    @property
    def num_batches(self):
        return None

    def __getitem__(self, k):
        rows = slice(k % 3 * 16, k % 3 * 16 + 16)
        return X[rows], Y[rows]


def batches():
    for _ in range(2):
        for k in range(0, 48, 16):
            yield X[k : k + 16], Y[k : k + 16]


SOURCES = {
    "dataset": lambda: {"x": Labels(Y)},
    "dataset of threads": lambda: {"x": Labels(Y, workers=2)},
    "endless dataset": lambda: {"x": Endless(), "steps_per_epoch": 3},
    "generator": lambda: {"x": batches(), "steps_per_epoch": 3},
    "tf.data": lambda: {"x": tf_data()},
}


def tf_data():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)


@pytest.mark.few_steps
@pytest.mark.medium
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_data_trains_as_arrays_do(source):
    if source == "dataset of threads" and BACKEND != "tensorflow":
        pytest.skip("Keras builds the model with the first batch and goes on with the second")
    weighted = source != "generator"  # for which Keras refuses weights of classes
    for a, b in zip(trained_on(SOURCES[source](), weighted), of_arrays(weighted), strict=True):
        assert np.abs(a - b).max() <= 1e-5 * max(1.0, np.abs(b).max())


def trained_on(data, weighted):
    """The weights after two epochs, with what Keras does to a source of data."""
    keras.utils.set_random_seed(0)
    model = compiled(network())
    history = model.fit(
        **data,
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=(X, Y),
        class_weight={0: 1.0, 1: 3.0, 2: 0.5, 3: 1.0} if weighted else None,
    ).history
    assert len(history["val_loss"]) == 2
    return weights(model)


@functools.cache
def of_arrays(weighted):
    return trained_on({"x": X, "y": Y, "batch_size": 16}, weighted)


def test_fit_has_the_arguments_of_keras():
    """A change of Keras's own `fit` has to be noticed and followed."""

    def arguments(method):
        parameters = inspect.signature(method).parameters.values()
        return [(p.name, p.default) for p in parameters]

    assert arguments(icnn.InterpretableModel.fit) == arguments(keras.Model.fit)

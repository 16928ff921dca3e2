import keras
import numpy as np
import pytest
from backend_modes import BACKEND, value_and_gradient
from keras import ops

import keras_icnn as icnn

pytestmark = pytest.mark.core


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, shape).astype("float32")


def step(layer, x, y):
    with icnn.labels(np.array(y)) as terms:
        output = layer(x, training=True)
    return ops.convert_to_numpy(output), terms


def state(layer):
    return {name: np.array(value) for name, value in layer.state._asdict().items()}


def set_state(layer, **values):
    for name, value in values.items():
        getattr(layer._state, name).assign(np.asarray(value, "float32"))


# --- InterpretableConv is a Conv2D ----------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"padding": "same", "strides": 2},
        {"dilation_rate": 2, "use_bias": False},
        {"groups": 2},
        {"activation": "tanh", "kernel_initializer": "he_normal", "bias_initializer": "ones"},
    ],
)
def test_without_mask_it_is_a_rectified_convolution(arguments):
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 4)).astype("float32")
    conv = keras.layers.Conv2D(6, 3, **arguments)
    layer = icnn.InterpretableConv(6, 3, num_classes=2, mask=False, **arguments)
    conv.build(x.shape)
    layer.build(x.shape)
    for mine, theirs in zip(layer.trainable_weights, conv.trainable_weights, strict=True):
        mine.assign(theirs)
    expected = np.maximum(ops.convert_to_numpy(conv(x)), 0)
    assert ops.convert_to_numpy(layer(x)) == pytest.approx(expected, abs=1e-5)
    assert layer.compute_output_shape(x.shape) == conv.compute_output_shape(x.shape)


def test_regularizers_constraints_and_config_are_conv2d_s():
    layer = icnn.InterpretableConv(
        4,
        3,
        num_classes=3,
        kernel_regularizer=keras.regularizers.L2(0.5),
        kernel_constraint="non_neg",
        name="parts",
    )
    layer.build((None, 6, 6, 2))
    assert len(layer.losses) == 1
    config = layer.get_config()
    again = icnn.InterpretableConv.from_config(config)
    assert again.get_config() == config
    assert again.name == "parts"
    assert isinstance(again.kernel_constraint, keras.constraints.NonNeg)


@pytest.mark.parametrize("rule", ["default", "paper", "official", None])
def test_config_keeps_every_argument(rule):
    layer = icnn.InterpretableConv(
        4,
        3,
        num_classes=5,
        background_class=2,
        filter_loss=rule,
        mask=False,
        normalization="batch",
        monitor_every=5,
    )
    again = icnn.InterpretableConv.from_config(layer.get_config())
    assert again.num_classes == 5
    assert again.background_class == 2
    assert again.filter_loss == icnn.FilterLoss.parse(rule)
    assert again.mask is False
    assert again.normalization == "batch"
    assert again.interpretable.monitor_every == 5


def test_channels_first_is_the_transposed():
    x = random_maps(2, 5, 4, 3)
    last = icnn.InterpretableFilters(num_classes=2, data_format="channels_last")
    first = icnn.InterpretableFilters(num_classes=2, data_format="channels_first")
    expected, _ = step(last, x, [0, 1])
    found, _ = step(first, x.transpose(0, 3, 1, 2), [0, 1])
    assert found.transpose(0, 2, 3, 1) == pytest.approx(expected)
    assert state(first)["log_z"] == pytest.approx(state(last)["log_z"])


def test_normalisation_comes_before_the_relu():
    x = np.random.default_rng(0).normal(5, 2, (8, 6, 6, 2)).astype("float32")
    layer = icnn.InterpretableFilters(num_classes=2, mask=False, normalization="batch")
    y, _ = step(layer, x, [0, 1] * 4)
    expected = np.maximum((x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2)), 0)
    assert y == pytest.approx(expected, abs=1e-3)


# --- the mask ---------------------------------------------------------------------------------


def test_training_and_inference_mask_alike():
    x = random_maps(2, 6, 6, 3)
    layer = icnn.InterpretableFilters(num_classes=2, filter_loss=icnn.FilterLoss())
    trained, _ = step(layer, x, [0, 1])
    assert trained == pytest.approx(ops.convert_to_numpy(layer(x)))
    assert (trained == 0).mean() > 0.3


def test_empty_maps_and_ties_give_finite_results():
    x = np.zeros((3, 4, 4, 2), "float32")
    x[1] = 1.0
    layer = icnn.InterpretableFilters(num_classes=2, normalization=None)
    y, terms = step(layer, x, [0, 1, 1])
    assert np.isfinite(y).all()
    assert (y[0] == 0).all()
    # Of equal units the first, row by row, is the peak.
    assert y[1].argmax() == 0
    assert np.isfinite(ops.convert_to_numpy(terms.filter_loss()))
    assert all(np.isfinite(v).all() for v in state(layer).values())


def test_saliency_is_free_of_the_push():
    x = random_maps(2, 5, 5, 2)
    layer = icnn.InterpretableFilters(num_classes=2)
    step(layer, x, [0, 1])
    _, gradient = value_and_gradient(lambda t: ops.sum(layer(t, training=False)), x)
    mask = ops.convert_to_numpy(layer(x)) / x
    assert gradient == pytest.approx(mask, abs=1e-5)


# --- state --------------------------------------------------------------------------------------


def test_first_batch_sets_the_statistics_and_later_ones_move_them():
    layer = icnn.InterpretableFilters(
        num_classes=2, filter_loss=icnn.FilterLoss(momentum=0.75, templates={"tau": 0.2})
    )
    a, b = random_maps(4, 3, 3, 2, seed=1), random_maps(4, 3, 3, 2, seed=2)
    y = [0, 0, 1, 1]
    step(layer, a, y)
    first = state(layer)
    bank = icnn.PartTemplates(tau=0.2).for_maps(3, 3).bank()

    def mean_exp(x):
        return np.exp(np.einsum("bijf,tij->tbf", x, bank)).mean(axis=1)

    assert first["log_z"] == pytest.approx(np.log(mean_exp(a)), abs=1e-5)
    assert first["activation_scale"] == pytest.approx(a.max(axis=(1, 2)).mean(axis=0))
    assert first["class_activation"][1] == pytest.approx(a[2:].sum(axis=(1, 2)).mean(axis=0))
    assert first["steps"] == 1
    step(layer, b, y)
    second = state(layer)
    assert second["log_z"] == pytest.approx(
        np.log(0.75 * mean_exp(a) + 0.25 * mean_exp(b)), abs=1e-5
    )
    assert second["activation_scale"] == pytest.approx(
        0.75 * first["activation_scale"] + 0.25 * b.max(axis=(1, 2)).mean(axis=0)
    )
    assert second["class_count"].tolist() == [4, 4]
    assert second["steps"] == 2


def test_classes_absent_from_a_batch_keep_their_means():
    layer = icnn.InterpretableFilters(num_classes=3)
    step(layer, random_maps(2, 3, 3, 2), [0, 1])
    before = state(layer)["class_activation"]
    step(layer, random_maps(2, 3, 3, 2, seed=1), [1, 1])
    after = state(layer)["class_activation"]
    assert after[0].tolist() == before[0].tolist()
    assert after[2].tolist() == [0, 0]
    assert after[1].tolist() != before[1].tolist()


def test_target_is_the_class_that_activates_the_filter_most():
    x = np.full((3, 4, 4, 3), 0.1, "float32")
    for f, c in enumerate([2, 0, 1]):
        x[c, ..., f] = 1
    layer = icnn.InterpretableFilters(num_classes=3, filter_loss="one_part")
    layer.build(x.shape)
    assert layer.target_categories().tolist() == [-1, -1, -1]
    step(layer, x, [0, 1, 2])
    assert layer.target_categories().tolist() == [2, 0, 1]


def test_balanced_targets_give_every_category_its_share():
    """Beside the best assignment of exactly equal shares."""
    from scipy.optimize import linear_sum_assignment

    filters = 60
    activation = np.random.default_rng(1).uniform(0.5, 2.0, (4, filters)).astype("float32")
    activation[1] *= 3  # the background
    activation[2] *= 5  # a class that activates every filter most
    layer = icnn.InterpretableFilters(num_classes=4, background_class=1, filter_loss="one_part")
    layer.build((None, 2, 2, filters))
    set_state(layer, class_activation=activation, class_count=np.ones(4, "float32"))
    found = layer.target_categories()
    counts = np.bincount(found, minlength=4)
    assert counts[1] == 0 and counts.sum() == filters
    assert (np.abs(counts[[0, 2, 3]] - 20) <= 2).all()
    logs = np.log(activation)
    seats = np.repeat([0, 2, 3], 20)
    rows, columns = linear_sum_assignment(-logs[seats])
    best = logs[seats[rows], columns].sum()
    # What the two or three filters on the margin may add or take.
    assert logs[found, np.arange(filters)].sum() == pytest.approx(best, rel=0.05)
    free = icnn.InterpretableFilters(
        num_classes=4, background_class=1, filter_loss=icnn.FilterLoss(balance_targets=False)
    )
    free.build((None, 2, 2, filters))
    set_state(free, class_activation=activation, class_count=np.ones(4, "float32"))
    assert set(free.target_categories()) == {2}


def test_balanced_targets_of_filters_that_never_fired():
    layer = icnn.InterpretableFilters(num_classes=3, background_class=0, filter_loss="one_part")
    layer.build((None, 1, 1, 4))
    set_state(layer, class_count=[2, 0, 5])
    assert (layer.target_categories() == 2).all()
    set_state(layer, class_count=[2, 1, 5])
    assert set(layer.target_categories()) <= {1, 2}


def test_balanced_targets_leave_out_classes_not_seen_yet():
    layer = icnn.InterpretableFilters(num_classes=5, filter_loss="one_part")
    layer.build((None, 2, 2, 8))
    activation = np.random.default_rng(1).uniform(0.5, 2.0, (5, 8)).astype("float32")
    activation[:, 3] = 0  # a filter that never fired
    set_state(layer, class_activation=activation, class_count=[0, 3, 0, 1, 0])
    assert sorted(layer.target_categories()) == [1] * 4 + [3] * 4


def test_background_is_never_a_target():
    x = random_maps(2, 4, 4, 3)
    x[0] += 5
    layer = icnn.InterpretableFilters(num_classes=2, background_class=0, filter_loss="one_part")
    step(layer, x[:1], [0])
    assert layer.target_categories().tolist() == [-1, -1, -1]
    step(layer, x, [0, 1])
    assert layer.target_categories().tolist() == [1, 1, 1]


def test_sum_and_maximum_choose_different_targets():
    x = np.full((2, 4, 4, 1), 0.5, "float32")
    x[1] = 0
    x[1, 2, 2] = 3
    for rule, expected in (("sum", 0), ("max", 1)):
        layer = icnn.InterpretableFilters(num_classes=2, filter_loss=icnn.FilterLoss(target=rule))
        step(layer, x, [0, 1])
        assert layer.target_categories().tolist() == [expected]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rule", ["default", "paper", "official"])
def test_a_batch_that_is_not_finite_leaves_the_state(bad, rule):
    layer = icnn.InterpretableFilters(num_classes=2, filter_loss=rule)
    x = random_maps(4, 4, 4, 2)
    step(layer, x, [0, 1, 0, 1])
    before = state(layer)
    poisoned = x.copy()
    # A negative infinity is rectified to zero: harmless, and an ordinary batch.
    poisoned[1, 2, 2, 0] = bad
    step(layer, poisoned, [0, 1, 0, 1])
    after = state(layer)
    if bad == -np.inf:
        assert after["steps"] == 2
        assert all(np.isfinite(v).all() for v in after.values())
    else:
        for name, value in before.items():
            assert after[name].tolist() == value.tolist(), name


def test_inference_and_frozen_layers_move_nothing():
    x = random_maps(4, 4, 4, 2)
    layer = icnn.InterpretableFilters(num_classes=2)
    step(layer, x, [0, 1, 0, 1])
    before = state(layer)
    layer(x)
    layer.trainable = False
    step(layer, x * 2, [0, 1, 0, 1])
    # Frozen, it needs no labels either.
    layer(x, training=True)
    after = state(layer)
    assert all(after[name].tolist() == value.tolist() for name, value in before.items())


@pytest.mark.parametrize("how", ["constructed", "before build", "loaded"])
@pytest.mark.parametrize("kind", ["conv", "filters"])
def test_frozen_layers_move_nothing_however_they_were_frozen(how, kind):
    arguments = {"num_classes": 2, "normalization": "batch"}
    if how == "constructed":
        arguments["trainable"] = False

    def make(**more):
        if kind == "conv":
            return icnn.InterpretableConv(3, 3, **arguments, **more)
        return icnn.InterpretableFilters(**arguments, **more)

    layer = make()
    if how == "before build":
        layer.trainable = False
    if how == "loaded":
        layer.trainable = False
        layer = type(layer).from_config(layer.get_config())
    x = random_maps(4, 6, 6, 3)
    layer.build(x.shape)
    before = [ops.convert_to_numpy(ops.convert_to_tensor(w)).copy() for w in layer.weights]
    assert len(before) > 6
    layer(x, training=True)
    step(layer, x, [0, 1, 0, 1])
    for old, new in zip(before, layer.weights, strict=True):
        assert np.array_equal(old, ops.convert_to_numpy(ops.convert_to_tensor(new))), new.path


def test_push_is_not_too_strong_after_training_without_one():
    # State of a network whose filters were not pushed has steps, but no size of a push.
    x = random_maps(4, 4, 4, 2)
    fresh = icnn.InterpretableFilters(num_classes=2)
    step(fresh, x, [0, 1, 0, 1])
    warm = icnn.InterpretableFilters(num_classes=2, filter_loss=None)
    step(warm, x, [0, 1, 0, 1])
    assert state(warm)["push_rms"] == 0
    pushed = icnn.InterpretableFilters(num_classes=2)
    pushed.build(x.shape)
    pushed.set_weights(warm.get_weights())
    step(pushed, x, [0, 1, 0, 1])
    assert state(pushed)["push_rms"] == pytest.approx(state(fresh)["push_rms"], rel=1e-4)


def test_mask_only_tracks_categories_and_needs_no_labels():
    x = random_maps(4, 4, 4, 2)
    layer = icnn.InterpretableFilters(num_classes=2, filter_loss=None)
    layer(x, training=True)
    assert state(layer)["steps"] == 0
    _, terms = step(layer, x, [0, 1, 0, 1])
    assert (layer.target_categories() >= 0).all()
    assert float(ops.convert_to_numpy(terms.total())) == 0


@pytest.mark.parametrize("kind", ["conv", "filters"])
def test_diagnostics_of_the_loss(kind):
    rule = icnn.FilterLoss(templates={"tau": 0.3})
    layer = icnn.InterpretableFilters(num_classes=2, filter_loss=rule)
    x = random_maps(6, 3, 3, 4)
    if kind == "conv":
        layer = icnn.InterpretableConv(5, 3, padding="same", num_classes=2, filter_loss=rule)
    step(layer, x, [0, 1] * 3)
    found = layer.filter_diagnostics(x)
    total = np.log(10) - found["category_entropy"] - found["spatial_entropy"]
    assert found["mutual_information"] == pytest.approx(total, abs=1e-5)


# --- errors -------------------------------------------------------------------------------------


def test_training_without_labels_says_what_to_do():
    layer = icnn.InterpretableConv(2, 3, num_classes=2)
    with pytest.raises(RuntimeError, match="InterpretableModel"):
        layer(random_maps(1, 6, 6, 2), training=True)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"num_classes": 1}, "num_classes"),
        ({"num_classes": 2.5}, "num_classes"),
        ({"num_classes": None}, "num_classes"),
        ({"num_classes": 3, "background_class": 3}, "background_class"),
        ({"num_classes": 3, "background_class": -1}, "background_class"),
        ({"num_classes": 3, "background_class": True}, "background_class"),
        ({"num_classes": 3, "normalization": "layer"}, "normalization"),
        ({"num_classes": 3, "filter_loss": "strong"}, "filter_loss"),
    ],
)
@pytest.mark.parametrize("kind", ["conv", "filters"])
def test_wrong_arguments(arguments, name, kind):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        if kind == "conv":
            icnn.InterpretableConv(4, 3, **arguments)
        else:
            icnn.InterpretableFilters(**arguments)


def test_number_of_classes_has_no_default():
    with pytest.raises(TypeError, match="num_classes"):
        icnn.InterpretableConv(4, 3)


def test_wrong_data_format():
    with pytest.raises(ValueError, match="`data_format`"):
        icnn.InterpretableFilters(num_classes=2, data_format="nhwc")


@pytest.mark.parametrize("shape", [(None, None, 8, 3), (None, 8, None, 3), (None, 0, 8, 3)])
def test_unknown_or_empty_maps(shape):
    with pytest.raises(ValueError, match=r"Received: input_shape=.*a fixed `input_shape`"):
        icnn.InterpretableFilters(num_classes=2).build(shape)


def test_input_that_is_not_4d():
    with pytest.raises(ValueError, match=r"ndim=4|min_ndim=4"):
        icnn.InterpretableFilters(num_classes=2)(random_maps(4, 3))
    with pytest.raises(ValueError, match=r"ndim=4|min_ndim=4"):
        icnn.InterpretableConv(2, 3, num_classes=2)(random_maps(4, 8, 3))


def test_labels_of_another_number_of_classes():
    layer = icnn.InterpretableFilters(num_classes=3)
    with pytest.raises(ValueError, match="num_classes=3"):
        step(layer, random_maps(2, 4, 4, 2), np.eye(4)[:2])


def test_other_map_sizes_serve_but_do_not_train():
    layer = icnn.InterpretableFilters(num_classes=2)
    step(layer, random_maps(2, 4, 4, 2), [0, 1])
    assert layer(random_maps(2, 6, 5, 2)).shape == (2, 6, 5, 2)
    with pytest.raises(ValueError, match="6 x 5 units"):
        step(layer, random_maps(2, 6, 5, 2), [0, 1])


# --- weights files --------------------------------------------------------------------------------


def saved_model(size, num_classes=2):
    inputs = keras.Input((size, size, 3))
    x = icnn.InterpretableConv(4, 3, num_classes=num_classes, normalization="batch")(inputs)
    outputs = keras.layers.Dense(num_classes)(keras.layers.GlobalAveragePooling2D()(x))
    return icnn.InterpretableModel(inputs, outputs)


def test_weights_of_another_map_size_keep_all_but_z(tmp_path):
    small, large = saved_model(8), saved_model(12)
    conv = small.layers[1]
    step(conv, random_maps(2, 8, 8, 3), [0, 1])
    small.save_weights(tmp_path / "w.weights.h5")
    with pytest.warns(UserWarning, match="another map size"):
        large.load_weights(tmp_path / "w.weights.h5")
    new = large.layers[1]
    assert ops.convert_to_numpy(new.kernel).tolist() == ops.convert_to_numpy(conv.kernel).tolist()
    kept = state(conv)
    assert new.target_categories().tolist() == conv.target_categories().tolist()
    assert state(new)["steps"] == 1
    # The next batch then sets Z_T, and moves the rest.
    step(new, random_maps(2, 12, 12, 3), [0, 1])
    assert np.isfinite(state(new)["log_z"]).all()
    moved = state(new)
    assert moved["steps"] == 2
    for name in ("activation_scale", "push_rms"):
        # Momentum .9: at least nine tenths of what was kept.
        assert (moved[name] >= 0.89 * kept[name]).all()


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_weights_of_another_number_of_classes_are_refused(tmp_path):
    saved_model(8).save_weights(tmp_path / "w.weights.h5")
    other = saved_model(8, num_classes=3)
    with pytest.raises(ValueError, match=r"class_activation|shape"):
        other.load_weights(tmp_path / "w.weights.h5")


def test_float16_keeps_statistics_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    if BACKEND == "torch":
        pytest.skip("PyTorch has no float16 convolution on CPUs")
    layer = icnn.InterpretableConv(4, 3, num_classes=2, normalization="batch")
    y, _ = step(layer, random_maps(4, 8, 8, 3), [0, 1, 0, 1])
    assert y.dtype == np.float16
    assert all(v.dtype in (np.float32, np.int32) for v in state(layer).values())
    assert np.isfinite(state(layer)["log_z"]).all()

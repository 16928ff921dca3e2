"""What holds for any shape, type, label and setting: templates, layer, rules, labels, measures."""

import math

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keras import ops

import keras_icnn as icnn
from keras_icnn import metrics
from keras_icnn.datasets import PartDataset
from keras_icnn.layers import _filter_loss, _membership, _rules
from keras_icnn.layers._likelihood import MARGINALS
from keras_icnn.layers._peaks import PEAKS
from keras_icnn.layers._targets import TARGETS

pytestmark = pytest.mark.core

cheap = settings(max_examples=40, deadline=None, derandomize=True)
dear = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)
positive = st.floats(1e-3, 1e3)


def optional(strategy):
    return st.none() | strategy


@st.composite
def rules(draw):
    """Any `FilterLoss` that can be made."""
    arguments = {
        "gradient": draw(st.sampled_from(list(_rules.GRADIENTS))),
        "marginal": draw(st.sampled_from(MARGINALS)),
        "weight": draw(st.sampled_from(list(_rules.WEIGHTS))),
        "strength": draw(optional(st.floats(1e-6, 1.0))),
        "peak": draw(st.sampled_from(list(PEAKS))),
        "target": draw(st.sampled_from(TARGETS)),
        "parts": draw(optional(st.integers(1, 9))),
        "momentum": draw(st.floats(0, 0.999)),
        "templates": {
            "norm": draw(st.sampled_from(("l1", "l2"))),
            "tau": draw(optional(st.floats(1e-3, 2.0))),
            "beta": draw(st.floats(0.5, 8.0)),
            "alpha": draw(optional(st.floats(0.05, 0.95))),
        },
        "decay_steps": draw(optional(st.integers(1, 100))),
        **{
            name: draw(st.booleans())
            for name in (
                "scale_with_activation",
                "rescale",
                "class_balance",
            )
        },
    }
    try:
        return icnn.FilterLoss(**arguments)
    except ValueError:  # an option that the rule does not read
        assume(False)


# --- templates and rules ------------------------------------------------------------------------


@cheap
@given(sizes, sizes, st.sampled_from(("l1", "l2")), positive, positive, st.floats(0.01, 0.99))
def test_templates(height, width, norm, tau, beta, alpha):
    templates = icnn.PartTemplates(norm=norm, tau=tau, beta=beta, alpha=alpha)
    templates = templates.for_maps(height, width)
    bank = templates.bank()
    units = height * width
    assert bank.shape == (units + 1, height, width)
    assert (np.abs(bank) <= tau * (1 + 1e-12)).all()
    assert (bank[-1] == -tau).all()
    flat = bank[:-1].reshape(units, units)
    # Highest at the part's own place, and the same both ways.
    assert np.diag(flat) == pytest.approx(tau)
    assert (flat.argmax(axis=1) == np.arange(units)).all()
    assert flat == pytest.approx(flat.T)
    assert np.exp(templates.log_prior()).sum() == pytest.approx(1)


@cheap
@given(rules())
def test_rules_survive_being_saved(rule):
    assert icnn.FilterLoss.from_config(rule.get_config()) == rule
    assert icnn.FilterLoss.parse(keras.saving.serialize_keras_object(rule)) == rule
    assert eval(repr(rule), {n: getattr(icnn, n) for n in ("FilterLoss", "PartTemplates")}) == rule
    assert hash(rule) == hash(icnn.FilterLoss.from_config(rule.get_config()))


@cheap
@given(
    st.sampled_from(("strength", "tau", "beta", "alpha", "momentum", "decay_steps")),
    st.sampled_from((math.nan, math.inf, -math.inf, -1.0, True, "1", [1.0], 1j)),
)
def test_wrong_numbers_are_named(name, value):
    with pytest.raises(ValueError, match=f"`{name}`"):
        if name in ("tau", "beta", "alpha"):
            icnn.PartTemplates(**{name: value})
        else:
            icnn.FilterLoss(**{name: value})


# --- labels -------------------------------------------------------------------------------------


@cheap
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=9),
    st.integers(2, 6),
    st.sampled_from(("int32", "int64", "uint8", "float32")),
)
def test_label_formats_mean_the_same(labels, classes, dtype):
    labels = np.array(labels) % classes
    one_hot = np.eye(classes)[labels]
    forms = [labels, labels[:, None], one_hot]
    if dtype != "uint8":
        forms.append(2 * one_hot - 1)
    for form in forms:
        form = form.astype(dtype)
        _membership.check(form, classes)
        found = ops.convert_to_numpy(_membership.membership(form, classes))
        # One column is both: an index, and a vector of one class; there are at least two.
        assert found.tolist() == one_hot.tolist()


@cheap
@given(st.integers(2, 6), st.integers(-5, 12), st.integers(0, 4))
def test_a_label_is_a_class_or_refused(classes, label, place):
    y = np.zeros(5, "int64")
    y[place] = label
    if (-1 if classes == 2 else 0) <= label < classes:
        _membership.check(y, classes)
        found = ops.convert_to_numpy(_membership.membership(y, classes))
        assert found.sum(axis=1).tolist() == [1] * 5
    else:
        with pytest.raises(ValueError, match=f"Received: {label} for sample {place}"):
            _membership.check(y, classes)


# --- the layer ----------------------------------------------------------------------------------


@st.composite
def cases(draw):
    classes = draw(st.integers(2, 4))
    return {
        "shape": (draw(st.integers(1, 5)), draw(sizes), draw(sizes), draw(st.integers(1, 4))),
        "classes": classes,
        "background": draw(optional(st.integers(0, classes - 1))),
        "rule": draw(st.none() | st.sampled_from(sorted(_filter_loss.NAMED)) | rules()),
        "mask": draw(st.booleans()),
        "normalization": draw(st.sampled_from((None, "batch"))),
        "dtype": draw(st.sampled_from(("float32", "mixed_bfloat16", "mixed_float16"))),
        "scale": draw(st.sampled_from((0.0, 1e-6, 1.0, 100.0))),
        "seed": draw(seeds),
    }


def layer_of(case):
    return icnn.InterpretableFilters(
        num_classes=case["classes"],
        background_class=case["background"],
        filter_loss=case["rule"],
        mask=case["mask"],
        normalization=case["normalization"],
        dtype=case["dtype"],
        name="parts",
    )


def maps_of(case):
    rng = np.random.default_rng(case["seed"])
    maps = (rng.standard_normal(case["shape"]) * case["scale"]).astype("float32")
    return maps, rng.integers(0, case["classes"], case["shape"][0])


def array(tensor):
    return ops.convert_to_numpy(ops.cast(ops.convert_to_tensor(tensor), "float32"))


@dear
@given(cases())
def test_a_training_step_keeps_everything_finite(case):
    layer = layer_of(case)
    x, y = maps_of(case)
    with icnn.labels(y) as terms:
        out = array(layer(ops.convert_to_tensor(x), training=True))
        total = float(array(terms.total()))
    assert out.shape == x.shape
    assert np.isfinite(out).all() and (out >= 0).all()
    assert np.isfinite(total)
    for variable in layer.weights:
        assert np.isfinite(array(variable)).all(), variable.path
    assert int(layer.state.steps) == 1
    assert layer.state.class_count.tolist() == np.bincount(y, minlength=case["classes"]).tolist()
    targets = layer.target_categories()
    assert targets.shape == x.shape[-1:]
    assert ((targets >= -1) & (targets < case["classes"])).all()
    if case["background"] is not None:
        assert (targets != case["background"]).all()
    if layer.filter_loss is None or layer.filter_loss.target != "assigned":
        assert set(targets) <= {-1, *y.tolist()}


@dear
@given(cases())
def test_inference_masks_each_image_by_itself(case):
    layer = layer_of(case)
    x, _ = maps_of(case)
    layer.build(x.shape)
    out = array(layer(ops.convert_to_tensor(x), training=False))
    alone = [
        array(layer(ops.convert_to_tensor(x[k : k + 1]), training=False)) for k in range(len(x))
    ]
    assert np.concatenate(alone) == pytest.approx(out, rel=2e-2, abs=1e-6)
    if case["normalization"] is None:
        # A mask only takes away, and nothing at the peak where it is the strongest unit.
        rectified = array(ops.relu(ops.cast(ops.convert_to_tensor(x), layer.compute_dtype)))
        assert (out <= rectified * 1.001 + 1e-7).all()
        if layer._rule.peak == "argmax":
            assert out.max(axis=(1, 2)) == pytest.approx(rectified.max(axis=(1, 2)))
    assert int(layer.state.steps) == 0


@dear
@given(cases())
def test_layers_survive_being_saved(case):
    layer = layer_of(case)
    again = icnn.InterpretableFilters.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.filter_loss == layer.filter_loss


# --- measures -----------------------------------------------------------------------------------


@st.composite
def detections(draw):
    """Peaks, landmarks (some absent) and strengths (some 0) of some filters on some images."""
    rng = np.random.default_rng(draw(seeds))
    images, filters, landmarks = draw(st.integers(2, 12)), draw(sizes), draw(st.integers(1, 3))
    marks = rng.uniform(0, 50, (images, landmarks, 2))
    marks[rng.random((images, landmarks)) < draw(st.floats(0, 0.5))] = np.nan
    strengths = rng.random((images, filters)) * (rng.random((images, filters)) > 0.2)
    return rng.uniform(0, 50, (images, filters, 2)), marks, strengths.astype("float32")


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)


@cheap
@given(detections(), st.integers(2, 8), seeds)
def test_instability_and_tracking_do_not_depend_on_order_or_batches(data, top, seed):
    peaks, marks, strengths = data
    images = len(peaks)
    ids = np.arange(images)
    order = np.random.default_rng(seed).permutation(images)
    for whole, streaming in (
        (metrics.location_instability, metrics.LocationInstability),
        (metrics.part_tracking, metrics.PartTracking),
    ):
        result = whole(peaks, marks, strengths, image_size=(60, 80), top=top)
        stream = streaming((60, 80), top)
        for part in np.array_split(order, 3):
            if len(part):
                stream.update(peaks[part], marks[part], strengths[part], image_ids=ids[part])
        close(stream.result().mean, result.mean)


@cheap
@given(detections(), st.floats(0.5, 20))
def test_instability_and_tracking_are_shares_of_the_picture(data, factor):
    peaks, marks, strengths = data
    # A silent filter stands at the picture's centre.
    size = np.array((60, 80))
    for measure in (metrics.location_instability, metrics.part_tracking):
        result = measure(peaks, marks, strengths, image_size=size)
        # Pixels have their centers at whole numbers, so the picture begins at -1/2.
        larger = measure(
            (peaks + 0.5) * factor - 0.5,
            (marks + 0.5) * factor - 0.5,
            strengths,
            image_size=size * factor,
        )
        close(larger.mean, result.mean)


@cheap
@given(detections())
def test_a_detector_that_is_the_landmark_tracks_it_exactly(data):
    _, marks, _ = data
    marks = marks[:, :1]
    assume(np.isfinite(marks[:, 0, 0]).sum() >= 2)
    peaks = np.nan_to_num(marks)
    result = metrics.part_tracking(peaks, marks, image_size=(60, 80), fewest=2)
    assert result.mean == pytest.approx(1, abs=1e-4)
    assert metrics.location_instability(peaks, marks, image_size=(60, 80)).mean == pytest.approx(
        0, abs=1e-5
    )
    assert (result.r2[np.isfinite(result.r2)] <= 1 + 1e-9).all()


@cheap
@given(detections())
def test_bounds_of_diversity_alive_and_parts(data):
    peaks, _, strengths = data
    value = metrics.peak_diversity(peaks, strengths, image_size=(60, 80))
    assert math.isnan(value) or 0 <= value <= 1
    fires, share = metrics.alive(strengths)
    assert fires.shape == share.shape == strengths.shape[1:]
    assert ((share >= 0) & (share <= 1)).all()
    parts = np.argmax(peaks[:, :, 0], axis=0)
    assert 1 <= metrics.part_diversity(parts) <= len(set(parts)) + 1e-9


@cheap
@given(seeds, st.integers(1, 6), sizes, sizes, st.integers(1, 3), st.floats(1, 30))
def test_part_interpretability_is_a_share_in_any_order(
    seed, images, height, width, filters, radius
):
    rng = np.random.default_rng(seed)
    maps = rng.random((images, height, width, filters)).astype("float32")
    masks = rng.random((images, 2, 24, 32)) > 0.6
    centers = np.stack(
        np.meshgrid((np.arange(width) + 0.5) * 32 / width, (np.arange(height) + 0.5) * 24 / height),
        -1,
    )
    options = {"centers": centers, "radius": radius, "share": 0.1}
    result = metrics.part_interpretability(maps, masks, **options)
    assert ((result.per_filter >= 0) & (result.per_filter <= 1)).all()
    order = rng.permutation(images)
    again = metrics.part_interpretability(maps[order], masks[order], **options)
    close(again.per_filter, result.per_filter)
    close(again.thresholds, result.thresholds)


@cheap
@given(seeds, st.integers(1, 20), st.integers(2, 5))
def test_accuracy_of_the_truth_is_1(seed, images, classes):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    assert metrics.accuracy(np.eye(classes)[labels], labels) == (1, 1)
    plain, balanced = metrics.accuracy(rng.random((images, classes)), labels)
    assert 0 <= plain <= 1 and 0 <= balanced <= 1


# --- data sets ----------------------------------------------------------------------------------


def numbered(n, classes=3):
    rng = np.random.default_rng(n)
    return PartDataset(
        image=lambda i: np.full((4, 6, 3), i, "uint8") + np.arange(6, dtype="uint8")[:, None],
        labels=np.arange(n) % classes,
        files=[f"{i}.png" for i in range(n)],
        class_names=[f"c{k}" for k in range(classes)],
        image_size=(4, 6),
        landmarks=rng.uniform(0, 4, (n, 1, 2)),
        landmark_names=["x"],
    )


@cheap
@given(st.integers(1, 30), st.integers(1, 9), st.booleans(), seeds, st.integers(0, 5))
def test_an_epoch_shows_each_picture_once(n, size, shuffle, seed, epoch):
    batches = numbered(n).batches(size, shuffle=shuffle, seed=seed, epoch=epoch, flip=shuffle)
    seen, labels = [], []
    for images, y in batches:
        assert len(images) == len(y) <= size
        # The smallest of a row is its first or, mirrored, its last value.
        seen += images.min(axis=(1, 2, 3)).astype(int).tolist()
        labels += y.tolist()
    assert sorted(seen) == list(range(n))
    assert labels == [i % 3 for i in seen]


@cheap
@given(st.integers(1, 20), st.data())
def test_selections_and_mirrors(n, data):
    dataset = numbered(n)
    rows = data.draw(st.lists(st.integers(-n, n - 1), max_size=8))
    part = dataset.subset(rows)
    assert part.files == [dataset.files[i] for i in rows]
    twice = dataset.flipped().flipped()
    assert twice.landmarks == pytest.approx(dataset.landmarks, abs=1e-5)
    assert (twice.image(0) == dataset.image(0)).all()
    both = part.concatenate(dataset)
    assert both.files == part.files + dataset.files
    chosen = data.draw(st.permutations(["c0", "c1", "c2"]))[:2]
    selected = dataset.select(classes=chosen)
    assert [selected.class_names[k] for k in selected.labels] == [
        f"c{int(f.split('.')[0]) % 3}" for f in selected.files
    ]

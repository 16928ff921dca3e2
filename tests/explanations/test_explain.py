"""Explanations: effects against removing filters by hand, sums, groups, words."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops
from tiers import slow_except

import keras_icnn as icnn
from keras_icnn.datasets import creatures
from keras_icnn.explanations import Explainer
from keras_icnn.explanations._filter_groups import FilterGroups, like_filters, names_of
from keras_icnn.visualize._report_data import _explanation

pytestmark = pytest.mark.few_steps

FILTERS = 5


def network(
    head="dense", classes=3, activation="softmax", interpretable=False, skip=False, rule="default"
):
    """Few filters of the layer `parts`, all of which fire, then heads of many kinds."""
    keras.utils.set_random_seed(3)
    lively = {"bias_initializer": keras.initializers.Constant(1.0)}
    x = inputs = keras.Input((32, 32, 3))
    x = below = layers.Conv2D(6, 3, strides=4, padding="same", activation="relu")(
        layers.Rescaling(1 / 64)(x)
    )
    if interpretable:
        options = {"num_classes": max(classes, 2), "filter_loss": rule, "name": "parts"}
        x = icnn.InterpretableConv(FILTERS, 3, padding="same", **options, **lively)(x)
    else:
        x = layers.Conv2D(FILTERS, 3, padding="same", activation="relu", name="parts", **lively)(x)
    if skip:
        x = layers.Concatenate()([x, layers.Conv2D(FILTERS, 1, activation="relu")(below)])
        x = layers.Conv2D(FILTERS, 1, activation="relu", **lively)(x)
    if head == "conv":
        x = layers.Conv2D(classes, 1, name="classifier")(x)
        x = layers.GlobalAveragePooling2D()(x)
        outputs = layers.Activation(activation)(x)
        return icnn.InterpretableModel(inputs, outputs, name="net")
    x = layers.GlobalMaxPooling2D()(x) if head == "max" else layers.GlobalAveragePooling2D()(x)
    if head == "deep":
        x = layers.Dense(8, activation="relu")(x)
        x = layers.Dropout(0.5)(x)
    if head == "layer":
        outputs = layers.Softmax()(layers.Dense(classes)(x))
    elif head == "operation":
        outputs = ops.softmax(layers.Dense(classes)(x))
    elif head == "passed on":
        x = layers.Dense(classes, activation=activation)(x)
        outputs = layers.Activation("linear", dtype="float32")(layers.Identity()(x))
    else:
        outputs = layers.Dense(classes, activation=activation, name="classifier")(x)
    return icnn.InterpretableModel(inputs, outputs, name="net")


@pytest.fixture(scope="module")
def data():
    return creatures(0, 0, 24, (32, 32), species=["cat"]).test


@pytest.fixture(scope="module")
def image(data):
    return data.image(1)


def logits_by_hand(model, image):
    """From the probabilities; softmax's up to a constant."""
    p = np.asarray(model.predict_on_batch(image[None].astype("float32")), "float64")[0]
    activation = getattr(model.layers[-1], "activation", None)
    if activation is keras.activations.sigmoid:
        return np.log(p) - np.log1p(-p)
    return p if activation is keras.activations.linear and len(p) == 1 else np.log(p)


def without(model, removed):
    """The model with the convolution of these filters silenced."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel, bias = copy.get_layer("parts").kernel, copy.get_layer("parts").bias
    values = [ops.convert_to_numpy(ops.convert_to_tensor(v)).copy() for v in (kernel, bias)]
    values[0][..., list(removed)] = 0
    values[1][list(removed)] = 0
    kernel.assign(values[0])
    bias.assign(values[1])
    return copy


@pytest.mark.medium
@pytest.mark.parametrize("options", [{"head": "deep"}, {"head": "max"}, {"skip": True}])
@pytest.mark.parametrize("interpretable", [False, True])
def test_ablation_is_what_removing_the_filter_does(options, interpretable, image):
    # With the sigmoid each logit is known from its probability.
    model = network(classes=2, activation="sigmoid", interpretable=interpretable, **options)
    found = icnn.explain(model, image, target=1, layer="parts", reference=False)
    full = logits_by_hand(model, image)[1]
    assert found.logit == pytest.approx(full, abs=1e-5)
    for f in range(FILTERS):
        expected = full - logits_by_hand(without(model, [f]), image)[1]
        assert found.effects[f] == pytest.approx(expected, abs=1e-5)
    nothing = logits_by_hand(without(model, range(FILTERS)), image)[1]
    assert found.baseline == pytest.approx(nothing, abs=1e-5)
    assert np.abs(found.effects).max() > 1e-3


def test_a_linear_head_by_hand(image):
    model = network(classes=3)
    kernel = ops.convert_to_numpy(ops.convert_to_tensor(model.get_layer("classifier").kernel))
    maps = keras.Model(model.inputs[0], model.get_layer("parts").output)
    means = np.asarray(maps.predict_on_batch(image[None].astype("float32")))[0].mean(axis=(0, 1))
    for method in ("ablation", "gradient"):
        found = icnn.explain(model, image, 2, method, reference=False)
        np.testing.assert_allclose(found.effects, means * kernel[:, 2], atol=1e-5)
        assert abs(found.remainder) < 1e-5 and abs(found.filter_remainder) < 1e-5
        assert found.baseline == pytest.approx(0, abs=1e-6)  # no bias


HEADS = [
    {"head": "dense"},
    {"head": "deep"},
    {"head": "layer"},
    {"head": "operation"},
    {"head": "passed on"},
    {"head": "conv"},
    {"head": "deep", "classes": 1, "activation": "sigmoid"},
    {"head": "conv", "classes": 1, "activation": "sigmoid"},
    {"head": "max", "classes": 1, "activation": None},
]


@pytest.mark.parametrize("options", HEADS)
@pytest.mark.parametrize("method", ["ablation", "gradient"])
def test_logits_are_found_and_the_table_sums_to_the_score(options, method, image):
    model = network(**options, interpretable=True)
    found = icnn.explain(model, image, method=method)
    p = np.asarray(model.predict_on_batch(image[None].astype("float32")), "float64")[0]
    if len(p) == 1:
        logit = p[0] if options["activation"] is None else np.log(p[0] / (1 - p[0]))
        np.testing.assert_allclose(found.logits, [logit], atol=1e-5)
        assert found.prediction == int(logit >= 0)
        assert found.logit == pytest.approx(abs(logit), abs=1e-5)
    else:
        # A softmax fixes logits up to a constant.
        np.testing.assert_allclose(np.diff(found.logits), np.diff(np.log(p)), atol=1e-5)
        assert found.prediction == found.target == p.argmax()
        np.testing.assert_allclose(found.probabilities, p, atol=1e-6)
    for n in (None, 0, 1, 2):
        rows = found.table(n)
        assert sum(row["effect"] for row in rows) == pytest.approx(found.logit, abs=1e-9)
        assert [row["part"] for row in rows[-2:]] == ["without any filter", "remainder"]
    assert found.baseline + found.effects.sum() + found.filter_remainder == pytest.approx(
        found.logit
    )


def test_a_saturated_softmax_has_finite_logits(image):
    model = network()
    layer = model.get_layer("classifier")
    layer.kernel.assign(ops.convert_to_tensor(layer.kernel) * 1e4)
    found = icnn.explain(model, image)
    assert found.probabilities.max() == 1.0
    assert np.isfinite(found.logits).all() and np.abs(found.logits).max() > 100
    assert layer.activation is keras.activations.softmax


def test_gradient_against_finite_differences(image):
    model = network(head="deep", classes=1, activation="sigmoid", interpretable=True)
    explainer = Explainer(model, "gradient", reference=False)
    found = explainer(image, target=1)
    below = explainer.split.below(image[None])
    maps = below[0]
    for f in np.flatnonzero(np.abs(found.effects) > 1e-4):
        step = np.zeros_like(maps)
        step[..., f] = maps[..., f] * 1e-2
        up, down = (explainer.split.logits([maps + s * step])[0, 0] for s in (1, -1))
        assert (up - down) / 2e-2 == pytest.approx(found.effects[f], rel=2e-2, abs=1e-3)


def test_class_0_of_one_output_and_against(image):
    one = network(classes=1, activation="sigmoid")
    for method in ("ablation", "gradient"):
        yes, no = (icnn.explain(one, image, c, method, reference=False) for c in (1, 0))
        assert no.logit == -yes.logit
        np.testing.assert_allclose(no.effects, -yes.effects)
    three = network()
    both = [icnn.explain(three, image, c, reference=False) for c in (0, 2)]
    found = icnn.explain(three, image, 0, against=2, reference=False)
    assert found.logit == pytest.approx(both[0].logit - both[1].logit)
    np.testing.assert_allclose(found.effects, both[0].effects - both[1].effects, atol=1e-5)
    assert "less that of class 2" in found.summary()


@pytest.mark.medium
def test_many_images_as_one_by_one(data):
    model = network(head="deep", interpretable=True)
    images = np.stack([data.image(i) for i in range(5)])
    data = data.with_classes([*data.class_names, "dog"])
    for method in ("ablation", "gradient"):
        explainer = Explainer(model, method, batch_size=2, reference=data)
        many = explainer.batch(images, [0, 1, 2, 1, None])
        for image, target, found in zip(images, [0, 1, 2, 1, None], many, strict=True):
            one = explainer(image, target)
            np.testing.assert_allclose(found.effects, one.effects, atol=1e-5)
            assert found.logit == pytest.approx(one.logit, abs=1e-5)
            assert found.baseline == pytest.approx(one.baseline, abs=1e-5)
            assert [p.filters for p in found.parts] == [p.filters for p in one.parts]


# --- parts --------------------------------------------------------------------------------------


def test_like_filters_by_hand():
    # 0 and 1 go together; 2 is there in two of four; 3 fires elsewhere; 4 never; 5 is faint.
    peaks = np.zeros((4, 6, 2))
    peaks[:, 0] = peaks[:, 1] = [[10, 10], [50, 20], [30, 70], [80, 80]]
    peaks[:, 1] += 5
    peaks[:, 2] = [[10, 10], [50, 20], [90, 10], [10, 90]]
    peaks[:, 3] = [60, 60]
    peaks[:, 5] = peaks[:, 0]
    strengths = np.ones((4, 6))
    strengths[:, 4] = 0
    strengths[:, 5] = [0.01, 0.01, 0.01, 1]
    found = like_filters(peaks, strengths, (100, 100))
    assert found == [(0, 1, 2), (3,), (4,), (5,)]
    assert like_filters(peaks, strengths, (100, 100), agreement=0.6)[0] == (0, 1)
    assert like_filters(peaks, strengths, (100, 100), tolerance=0.01)[0] == (0, 2)
    # On the other image the faint one is silent: it does not fire in the same images.
    assert like_filters(peaks[3:], strengths[3:], (100, 100))[0] == (0, 1, 5)


def copies(model, of=0, to=(1, 2)):
    """Makes filters of the layer `parts` the same, as a strong push does."""
    for variable in (model.get_layer("parts").kernel, model.get_layer("parts").bias):
        value = ops.convert_to_numpy(ops.convert_to_tensor(variable)).copy()
        for f in to:
            value[..., f] = value[..., of]
        variable.assign(value)
    return model


def test_copies_are_one_part_shown_once(data, image):
    model = copies(network(head="max", classes=1, activation="sigmoid"))
    kernel = np.zeros((FILTERS, 1), "float32")
    kernel[0] = kernel[1] = kernel[2] = 1.0
    model.get_layer("classifier").kernel.assign(kernel)
    found = icnn.explain(model, image, target=1, reference=data)
    (part,) = [p for p in found.parts if 0 in p.filters]
    assert set(part.filters) >= {0, 1, 2} and part.count == len(part.filters)
    assert part.effect == pytest.approx(found.logit - found.baseline, abs=1e-5)
    assert found.grouped_by == "reference"
    row = found.table(1)[0]
    assert row["count"] == part.count and row["part"].startswith("filters 0, 1, ...")
    assert f"  {part.count}  " in found.summary()
    # A FilterGroups made once serves again.
    again = icnn.explain(model, image, target=1, reference=Explainer(model, reference=data).groups)
    assert again.table() == found.table()


def test_filters_that_can_stand_in_for_each_other_leave_a_remainder(image):
    """Two copies of which the head takes the higher: without one, the other does it all."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(2, 8, strides=8, activation="relu", kernel_initializer="ones", name="parts")(
        inputs
    )
    x = layers.GlobalMaxPooling2D()(x)
    x = layers.Dense(1, name="classifier")(ops.max(x, axis=-1, keepdims=True))
    model = keras.Model(inputs, x, name="net")
    model.get_layer("classifier").kernel.assign([[1.0]])
    found = icnn.explain(model, image, target=1, layer="parts", reference=False)
    np.testing.assert_allclose(found.effects, 0, atol=1e-2)
    assert found.remainder == pytest.approx(found.logit, rel=1e-4) and found.logit > 1
    together = icnn.explain(
        model, image, target=1, layer="parts", reference=FilterGroups([(0, 1)], [""])
    )
    assert together.parts[0].effect == pytest.approx(found.logit, rel=1e-4)
    assert together.remainder == pytest.approx(0, abs=1e-2)


def test_parts_are_named_by_the_landmark_they_follow(data):
    """Filter 0 lights up where the head is: a picture that shows nothing but the head's place."""
    from keras_icnn.datasets import PartDataset

    rng = np.random.default_rng(0)
    places = rng.integers(2, 6, (30, 2)) * 4 + 2

    def picture(i):
        x, y = places[i]
        result = np.zeros((32, 32, 3), "uint8")
        result[y - 2 : y + 2, x - 2 : x + 2] = 255
        return result

    landmarks = np.stack([places, np.roll(places, 7, axis=0)], axis=1).astype("float32")
    reference = PartDataset(
        image=picture,
        labels=np.ones(30, int),
        files=[str(i) for i in range(30)],
        class_names=["negative", "beast"],
        image_size=(32, 32),
        landmarks=landmarks,
        landmark_names=["head", "tail"],
    )
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(3, 4, strides=4, activation="relu", name="parts")(inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)), name="net")
    kernel = np.zeros((4, 4, 3, 3), "float32")
    kernel[..., :2] = 1 / 255
    model.get_layer("parts").set_weights([kernel, np.zeros(3, "float32")])
    found = icnn.explain(model, picture(0), target=1, reference=reference)
    assert found.grouped_by == "annotation"
    assert [(p.label, p.filters) for p in found.parts] == [("head", (0, 1))]
    assert found.target_name == "beast"
    # Known names win over the reference's, and a report's are taken where R2 is above one half.
    named = icnn.explain(model, picture(0), target=1, parts=["ear", "", "ear"])
    assert {(p.name, p.filters) for p in named.parts} == {("ear", (0, 2)), ("", (1,))}
    report = icnn.metrics.evaluate(model, reference, parts=False)
    assert names_of(report, 3) == ["head", "head", ""]


@pytest.mark.parametrize("rule", ["one_part", "paper", "official", None])
def test_one_image_alone_groups_by_place_where_the_layer_has_no_parts(rule, image):
    model = copies(network(interpretable=True, rule=rule))
    found = icnn.explain(model, image)
    assert found.grouped_by == "image" and "pass `reference`" in found.summary()
    limit = 0.1 * np.hypot(32, 32)
    for part in found.parts:
        places = found.peaks[list(part.filters)]
        assert np.linalg.norm(places - places[0], axis=1).max() <= 2 * limit
    assert sorted(f for p in found.parts for f in p.filters if found.strengths[f] > 0) == list(
        np.flatnonzero(found.strengths > 0)
    )


# --- networks, words, figure, errors ------------------------------------------------------------


def small(name, **options):
    return icnn.zoo.create_model(
        name, weights=None, input_shape=(64, 64, 3), include_preprocessing=True, **options
    )


NETWORKS = {
    "squeezenet": lambda: small("squeezenet_interpretable", classes=1),
    "mobilenet": lambda: small("mobilenet_v2_interpretable", classes=3, classifier_activation=None),
    "ordinary": lambda: small("squeezenet", classes=4),
    "converted": lambda: icnn.make_interpretable(network(), num_classes=3),
}


@pytest.mark.medium
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_zoo_and_converted_ones(name):
    model = NETWORKS[name]()
    size = model.inputs[0].shape[1]
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), "uint8")
    found = icnn.explain(model, picture, method="gradient")
    assert sum(row["effect"] for row in found.table(4)) == pytest.approx(found.logit, abs=1e-6)
    ordinary = name == "ordinary"
    assert (found.categories is None) == ordinary
    assert found.layer == ("fire9_concat" if ordinary else "interpretable_conv")


def test_words_figure_and_json(data, image, tmp_path):
    model = network(classes=1, activation="sigmoid", interpretable=True)
    found = icnn.explain(model, image, target="cat", class_names=data.class_names, reference=data)
    text = found.summary(2)
    assert "'net' says" in text and "probability" in text and "The logit of cat" in text
    figure = found.plot(2, tmp_path / "why.png")
    assert (tmp_path / "why.png").stat().st_size > 5000
    rows = found.table(2)
    picture, bars = figure.axes
    np.testing.assert_array_equal(picture.images[0].get_array(), image)
    widths = [patch.get_width() for patch in bars.patches]
    np.testing.assert_allclose(widths, [row["effect"] for row in rows])
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["logit"] == found.logit and len(told["effects"]) == FILTERS
    assert told["parts"][0]["effect"] == found.parts[0].effect


def test_a_part_that_is_nowhere_above_zero_has_an_effect_and_no_place(image):
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(2, 8, strides=8, name="parts")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Activation("silu")(x))
    model = keras.Model(inputs, layers.Dense(1, use_bias=False)(x), name="net")
    model.get_layer("parts").set_weights([np.zeros((8, 8, 3, 2)), np.array([-1.0, 2.0])])
    model.layers[-1].set_weights([np.array([[3.0], [1.0]])])
    found = icnn.explain(model, image, 1, layer="parts", reference=False)
    # silu(-1) * 3 and silu(2): by hand.
    silent, fires = (-3 / (1 + np.e), 2 / (1 + np.exp(-2)))
    by_filter = {part.filters: part for part in found.parts}
    assert by_filter[0,].effect == pytest.approx(silent, rel=1e-5)
    assert by_filter[1,].effect == pytest.approx(fires, rel=1e-5)
    assert np.isnan(by_filter[0,].x) and np.isnan(by_filter[0,].y) and by_filter[0,].strength == 0
    assert by_filter[1,].x == pytest.approx(3.5)
    rings = [patch.get_center() for patch in found.plot().axes[0].patches]
    assert rings == [(3.5, 3.5)] * 2  # one ring: its line and its dark border
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {row["x"] for row in told["parts"]} == {None, 3.5}
    groups = {part.filters: number for number, part in enumerate(found.parts)}
    assert _explanation(found, (32, 32), groups)["parts"][1]["x"] is None


def test_features_are_preprocessed(image):
    model = network()
    half = icnn.explain(model, image, 0, preprocess=lambda x: x / 2, reference=False)
    np.testing.assert_allclose(
        half.logits, icnn.explain(model, image / 2.0, 0, reference=False).logits, atol=1e-5
    )
    np.testing.assert_array_equal(half.image, image)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "guess"}, "`method`"),
        ({"target": 3}, "`target`"),
        ({"target": True}, "`target`"),
        ({"target": "cow"}, "`target`.*class_names"),
        ({"target": "cow", "class_names": ["a", "b", "c"]}, "`target`.*a, b, c"),
        ({"target": 1, "against": 1}, "`against`"),
        ({"class_names": ["a"]}, "`class_names`"),
        ({"layer": "nope"}, "`layer`"),
        ({"layer": "classifier"}, "`layer`"),
        ({"parts": ["head"]}, "`parts`"),
        ({"reference": FilterGroups([(0, 1)], [""])}, "`reference`"),
    ],
)
def test_wrong_arguments(options, match, image):
    with pytest.raises(ValueError, match=match):
        icnn.explain(network(), image, **options)


def test_images_and_models_that_do_not_fit(data, image):
    model = network()
    with pytest.raises(ValueError, match="one image"):
        icnn.explain(model, image[None])
    with pytest.raises(ValueError, match="input size"):
        icnn.explain(model, np.zeros((40, 40, 3)))
    with pytest.raises(ValueError, match="at least one image"):
        icnn.explain(model, image, reference=data.take(0))
    with pytest.raises(ValueError, match="must classify"):
        icnn.explain(keras.Model(model.inputs, model.get_layer("parts").output), image)
    with pytest.raises(ValueError, match="`targets`"):
        Explainer(model).batch(image[None], [0, 1])
    with pytest.raises(ValueError, match="`n`"):
        icnn.explain(model, image).table(-1)


# One of each way to build a network and to end it: a dense head, a convolution and a Flatten,
# Keras's own networks with additions, with concatenations, with signed maps.
KINDS = (
    "alexnet",
    "squeezenet_interpretable",
    "mobilenet_v2_interpretable",
    "densenet121",
    "convnext_tiny_interpretable",
)


@pytest.mark.parametrize("name", slow_except(("squeezenet_interpretable",), KINDS))
def test_every_kind_of_network_in_the_zoo(name):
    size = 127 if name.startswith(("alexnet", "vgg_")) else 64
    model = icnn.zoo.create_model(
        name,
        weights=None,
        input_shape=(size, size, 3),
        classes=3,
        new_head=True,
        include_preprocessing=True,
    )
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), "uint8")
    p = np.asarray(model.predict_on_batch(picture[None].astype("float32")), "float64")[0]
    found = icnn.explain(model, picture, method="gradient")
    np.testing.assert_allclose(found.probabilities, p, atol=1e-4)
    assert sum(row["effect"] for row in found.table()) == pytest.approx(found.logit, abs=1e-5)
    # Removing everything leaves the baseline: its effect is all that there is above it.
    everything = icnn.explain(
        model, picture, reference=FilterGroups([tuple(range(len(found.effects)))], [""])
    )
    assert everything.remainder == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("method", ["ablation", "gradient"])
def test_predictions_that_are_not_finite_are_refused(method):
    model = network(interpretable=True)
    model.get_layer("classifier").bias.assign([np.nan, 0, 0])
    image = np.zeros((32, 32, 3), "uint8")
    explainer = Explainer(model, method)
    with pytest.raises(ValueError, match="'net' predicts NaN"):
        explainer(image)
    with pytest.raises(ValueError, match="'net' predicts NaN"):
        explainer.batch(image[None])

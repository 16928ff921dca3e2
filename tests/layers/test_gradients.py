"""Every gradient against the float64 reference, and the reference against finite differences."""

import loss_reference as reference
import numpy as np
import pytest
from backend_modes import MODES, value_and_gradient
from keras import ops

import keras_icnn as icnn

pytestmark = pytest.mark.core

H, W, N, F = 4, 3, 6, 3
Y = np.array([0, 1, 2, 1, 0, 2])
TAU = 0.3


def maps(scale=1.0):
    """Positive maps whose sums tell the classes apart: filter f belongs to class f."""
    x = np.random.default_rng(3).uniform(0.1, 1.0, (N, H, W, F))
    for f in range(F):
        x[f == Y, :, :, f] *= 1.8
    return (x * scale).astype("float32")


def layer(**rule):
    if rule.get("weight") != "relative":
        rule = {"scale_with_activation": False, **rule}
    templates = {"tau": TAU, "beta": rule.pop("beta", 4.0)}
    rule = {"momentum": 0.0, "strength": 1.0, "templates": templates, **rule}
    return icnn.InterpretableFilters(num_classes=3, filter_loss=icnn.FilterLoss(**rule))


def set_state(made, **values):
    for name, value in values.items():
        getattr(made._state, name).assign(np.asarray(value, "float32"))


def term_gradient(made, x, mode="eager", y=Y):
    """Gradient of the layer's loss term alone."""
    if not made.built:
        made.build(x.shape)

    def loss(t):
        with icnn.labels(y) as terms:
            made(t, training=True)
        return terms.total()

    return value_and_gradient(loss, x, mode)


def per_filter(x):
    return [x[..., f].astype("float64") for f in range(F)]


def targets(x, f):
    """Index of the target template of each map: its peak's, or the negative one."""
    return np.array([a.reshape(-1).argmax() if Y[k] == f else H * W for k, a in enumerate(x)])


def relative_error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.fixture(scope="module")
def bank():
    return reference.templates(H, W, tau=TAU)


P = reference.prior(H, W)


@pytest.mark.parametrize("mode", MODES)
def test_full_differentiation(bank, mode):
    x = maps()
    value, found = term_gradient(layer(gradient="full_differentiation"), x, mode)
    losses = 0.0
    for f, a in enumerate(per_filter(x)):
        losses -= reference.mutual_information(a, bank, P)
        expected = reference.finite_differences(
            lambda z: -reference.mutual_information(z, bank, P), a
        )
        assert relative_error(found[..., f], expected) < 1e-4
    assert value == pytest.approx(losses, rel=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_full_sum_with_constant_z(bank, mode):
    x = maps()
    _, found = term_gradient(layer(gradient="full_sum"), x, mode)
    for f, a in enumerate(per_filter(x)):
        m = reference.means(a, bank)
        expected = reference.finite_differences(
            lambda z, m=m: reference.constant_z_loss(z, bank, P, m), a
        )
        assert relative_error(found[..., f], expected) < 1e-4


@pytest.mark.parametrize("mode", MODES)
def test_full_sum_with_constant_marginal(bank, mode):
    x = maps()
    _, found = term_gradient(layer(gradient="full_sum", marginal="constant"), x, mode)
    for f, a in enumerate(per_filter(x)):
        m = reference.means(a, bank)
        expected = reference.finite_differences(
            lambda z, m=m: reference.constant_marginal_loss(z, bank, P, m), a
        )
        assert relative_error(found[..., f], expected) < 1e-4


@pytest.mark.parametrize("mode", MODES)
def test_one_template_of_eq_4(bank, mode):
    x = maps()
    _, found = term_gradient(layer(gradient="one_template"), x, mode)
    for f, a in enumerate(per_filter(x)):
        m = reference.means(a, bank)
        q = reference.evidence(a, bank, P, m)
        t = targets(a, f)
        expected = reference.finite_differences(
            lambda z, t=t, m=m, q=q: reference.one_template_surrogate(z, bank, P, t, m, q), a
        )
        assert relative_error(found[..., f], expected) < 1e-4


def test_one_template_with_constant_marginal(bank):
    # Without the 1 in the bracket it is the gradient of nothing (the official code's `+ alpha`).
    x = maps()
    _, found = term_gradient(layer(gradient="one_template", marginal="constant"), x)
    for f, a in enumerate(per_filter(x)):
        m = reference.means(a, bank)
        for k, t in enumerate(targets(a, f)):
            u = np.sum(a[k] * bank[t]) - np.log(m[t])
            expected = -P[t] * bank[t] * np.exp(u) * (u + 1) / N
            assert found[k, ..., f] == pytest.approx(expected, rel=1e-4)


def test_equal_strength_follows_the_target_template(bank):
    x = maps()
    _, found = term_gradient(layer(gradient="equal"), x)
    for f, a in enumerate(per_filter(x)):
        for k, t in enumerate(targets(a, f)):
            assert found[k, ..., f] == pytest.approx(-bank[t] / N, rel=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_official_strengths(bank, mode):
    x = maps()
    made = layer(gradient="official")
    _, found = term_gradient(made, x, mode)
    peaks = np.array([[divmod(int(x[k, ..., f].argmax()), W) for f in range(F)] for k in range(N)])
    mirrored = peaks[::-1, ::-1]
    for f, a in enumerate(per_filter(x)):
        strength = reference.official_strength(a, mirrored[:, f], f == Y, bank, peaks[:, f], TAU)
        for side in (f == Y, f != Y):
            strength[side] /= np.abs(strength[side]).mean()
        for k, t in enumerate(targets(a, f)):
            expected = -strength[k] * bank[t] / TAU / N
            assert found[k, ..., f] == pytest.approx(expected, rel=2e-4)


def spread(a, members):
    """The authors' sigma of one filter: axes from -1 to 1, here of sqrt(h*w) units."""
    square = weight = 0.0
    n = np.sqrt(H * W)
    for k in members:
        pi, pj = divmod(int(a[k].argmax()), W)
        for i in range(H):
            for j in range(W):
                square += a[k, i, j] * ((i - pi) ** 2 + (j - pj) ** 2) * (2 / (n - 1)) ** 2
                weight += a[k, i, j]
    return np.sqrt(square / weight)


@pytest.mark.parametrize("weight", ["absolute", "relative"])
def test_width_of_masks_follows_the_spread_of_maps(weight):
    # Concentrated to a different degree for each filter, so that no limit holds all.
    x = maps()
    for f, power in enumerate((1, 6, 40)):
        x[..., f] = x[..., f] ** power
    made = layer(
        gradient="equal", weight=weight, learn_beta=True, momentum=0.75, target="max", beta=4.0
    )
    outputs = []
    made.build(x.shape)
    for _ in range(2):
        with icnn.labels(Y):
            outputs.append(ops.convert_to_numpy(made(x, training=True)))
    n = np.sqrt(H * W)
    targets_of = made.target_categories()
    beta, seen = np.full(F, 4.0), []
    for _ in range(2):
        seen.append(beta)
        fitted = []
        for f, a in enumerate(per_filter(x)):
            sigma = spread(a, np.flatnonzero(targets_of[f] == Y))
            fitted.append(np.clip(3 / sigma, 1.5, 3) * 2 * n / (n - 1))
        beta = 0.75 * beta + 0.25 * np.array(fitted)
    assert len(set(np.round(fitted, 3))) > 1
    assert made.state.beta == pytest.approx(beta, rel=1e-4)
    for found, used in zip(outputs, seen, strict=True):
        for f, a in enumerate(per_filter(x)):
            masks = reference.templates(H, W, tau=1.0, beta=used[f])
            expected = [z * np.maximum(masks[z.argmax()], 0) for z in a]
            assert found[..., f] == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)
    # Inference takes the widths learned so far.
    found = ops.convert_to_numpy(made(x, training=False))
    for f, a in enumerate(per_filter(x)):
        masks = reference.templates(H, W, tau=1.0, beta=beta[f])
        expected = [z * np.maximum(masks[z.argmax()], 0) for z in a]
        assert found[..., f] == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)


def test_push_follows_templates_of_the_filter_s_own_width():
    x = maps()
    made = layer(gradient="equal", learn_beta=True)
    made.build(x.shape)
    own = np.array([3.0, 4.0, 6.0])
    set_state(made, beta=own)
    _, found = term_gradient(made, x)
    for f, a in enumerate(per_filter(x)):
        bank = reference.templates(H, W, tau=TAU, beta=own[f])
        for k, t in enumerate(targets(a, f)):
            assert found[k, ..., f] == pytest.approx(-bank[t] / N, rel=1e-4, abs=1e-7)


def test_filters_that_never_fire_keep_their_width():
    x = maps()
    x[..., 1] = 0
    made = layer(gradient="equal", learn_beta=True, beta=5.0)
    made.build(x.shape)
    with icnn.labels(Y):
        made(x, training=True)
    assert made.state.beta[1] == pytest.approx(5.0)


def test_class_balance_and_sizes_of_official_strengths():
    x = maps()
    _, plain = term_gradient(layer(gradient="equal"), x)
    _, balanced = term_gradient(layer(gradient="equal", class_balance=True), x)
    for f in range(F):
        weight = np.where(f == Y, 0.5 / (2 / 6), 0.5 / (4 / 6))
        assert balanced[..., f] == pytest.approx(plain[..., f] * weight[:, None, None], rel=1e-5)
    made = layer(gradient="official")
    _, found = term_gradient(made, x)
    for f in range(F):
        # At the peak the template is 1: what is left is minus the strength over the batch size.
        peak = [
            found[k, ..., f].reshape(-1)[targets(per_filter(x)[f], f)[k] % (H * W)]
            for k in range(N)
        ]
        sizes = np.abs(peak) * N
        assert sizes[f == Y].mean() == pytest.approx(1.0, rel=1e-4)
        assert sizes[f != Y].mean() == pytest.approx(1.0, rel=1e-4)


def test_rescaled_likelihood(bank):
    # Maps in units of their running mean peak; the chain rule divides the gradient once more.
    x = maps()
    scale = x.max(axis=(1, 2)).mean(axis=0)
    _, rescaled = term_gradient(layer(gradient="full_sum", rescale=True), x)
    _, plain = term_gradient(layer(gradient="full_sum"), (x / scale).astype("float32"))
    assert rescaled == pytest.approx(plain / scale, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("gradient", ["one_template", "full_sum", "full_differentiation"])
def test_descending_raises_mutual_information(bank, gradient):
    # Eq. (4) as printed in the body lacks the minus sign and would lower it.
    x = maps()
    _, g = term_gradient(layer(gradient=gradient), x)
    step = 0.05 / np.abs(g).max()
    for f, a in enumerate(per_filter(x)):
        before = reference.mutual_information(a, bank, P)
        after = reference.mutual_information(a - step * g[..., f], bank, P)
        assert after > before


def test_one_template_departs_from_the_full_sum():
    x = maps()
    _, one = term_gradient(layer(gradient="one_template"), x)
    _, full = term_gradient(layer(gradient="full_sum"), x)
    cosine = np.sum(one * full) / np.linalg.norm(one) / np.linalg.norm(full)
    assert 0.2 < cosine < 0.99


def test_literal_size_is_tiny():
    # The paper's constants, read literally, give gradients far below any task's.
    x = maps()
    made = icnn.InterpretableFilters(num_classes=3, filter_loss="paper")
    _, g = term_gradient(made, x)
    assert 0 < np.abs(g).max() < 1e-6


def test_lambda_follows_activation_filter_by_filter():
    x = maps()
    _, plain = term_gradient(layer(gradient="equal"), x)
    _, scaled = term_gradient(layer(gradient="equal", scale_with_activation=True), x)
    factor = x.max(axis=(1, 2)).mean(axis=0)
    assert scaled == pytest.approx(plain * factor, rel=1e-5)


def test_large_activations_neither_overflow_nor_vanish():
    for gradient in ("one_template", "full_sum", "full_differentiation"):
        value, g = term_gradient(layer(gradient=gradient), maps(scale=500.0))
        assert np.isfinite(value)
        assert np.isfinite(g).all()


# --- the relative weight ------------------------------------------------------------------------


def relative_gradient(made, x, upstream, mode="eager", y=Y, scale=1.0):
    made.build(x.shape)
    u = ops.convert_to_tensor((upstream * scale).astype("float32"))

    def loss(t):
        with icnn.labels(y):
            return ops.sum(made(t, training=True) * u)

    return value_and_gradient(loss, x, mode)[1]


def expected_relative(x, upstream, strength=0.1, mask=True, mask_beta=4.0):
    """`g o mask + rho rms(g) / rms(push) push`, from the definition."""
    bank1 = reference.templates(H, W, tau=1.0)
    masks = np.maximum(reference.templates(H, W, tau=1.0, beta=mask_beta), 0)
    push = np.zeros_like(x, dtype="float64")
    own = np.zeros_like(push)
    kept = np.zeros_like(push)
    for f, a in enumerate(per_filter(x)):
        share = np.mean(f == Y)
        for k, t in enumerate(targets(a, f)):
            weight = 0.5 / share if Y[k] == f else 0.5 / (1 - share)
            push[k, ..., f] = -weight * bank1[t] * TAU
            own[k, ..., f] = Y[k] == f
            kept[k, ..., f] = upstream[k, ..., f] * (masks[a[k].argmax()] if mask else 1)
        push[..., f] -= a * np.sum(push[..., f] * a) / np.sum(a * a)
    size = np.sqrt(np.mean(upstream**2))
    return kept + strength * size * push / np.sqrt(np.sum(push**2 * own) / np.sum(own))


RELATIVE = {"gradient": "equal", "weight": "relative", "strength": 0.1, "class_balance": True}


@pytest.mark.parametrize("mode", MODES)
def test_relative_push(mode):
    x = maps()
    upstream = np.random.default_rng(5).normal(size=x.shape)
    found = relative_gradient(layer(**RELATIVE), x, upstream, mode)
    assert relative_error(found, expected_relative(x, upstream)) < 1e-4


def test_size_is_kept_where_no_image_is_of_a_target_category():
    made = layer(**RELATIVE)
    relative_gradient(made, maps(), np.ones(maps().shape))
    before = made.state.push_rms
    made.background_class = 0
    with icnn.labels(np.zeros(len(Y), "int32")):
        made(maps(), training=True)
    assert made.state.push_rms == before


def test_masks_of_another_width_than_the_templates():
    x = maps()
    upstream = np.random.default_rng(5).normal(size=x.shape)
    found = relative_gradient(layer(**RELATIVE, mask_beta=1.5), x, upstream)
    expected = expected_relative(x, upstream, mask_beta=1.5)
    assert relative_error(found, expected) < 1e-4


def test_relative_push_without_mask():
    x = maps()
    upstream = np.random.default_rng(5).normal(size=x.shape)
    made = icnn.InterpretableFilters(
        num_classes=3,
        mask=False,
        filter_loss=icnn.FilterLoss(**RELATIVE, momentum=0.0, templates={"tau": TAU}),
    )
    found = relative_gradient(made, x, upstream)
    assert relative_error(found, expected_relative(x, upstream, mask=False)) < 1e-4


def test_relative_push_is_of_degree_one_in_the_task_gradient():
    x = maps()
    upstream = np.random.default_rng(5).normal(size=x.shape)
    once = relative_gradient(layer(**RELATIVE), x, upstream)
    thousand = relative_gradient(layer(**RELATIVE), x, upstream, scale=1024.0)
    assert thousand == pytest.approx(once * 1024, rel=1e-5)


def test_push_does_not_depend_on_the_scale_of_activations():
    """Mean 1 as in VGG's conv5, mean 50 as in SqueezeNet's fire9: the same constants."""
    upstream = np.random.default_rng(5).normal(size=maps().shape)
    found = [
        relative_gradient(icnn.InterpretableFilters(num_classes=3), maps(scale), upstream)
        for scale in (1.0, 50.0)
    ]
    assert relative_error(found[1], found[0]) < 1e-4


def test_relative_push_of_the_full_sum():
    x = maps()
    upstream = np.random.default_rng(5).normal(size=x.shape)
    none = relative_gradient(layer(**{**RELATIVE, "strength": 1e-12}), x, upstream)
    found = relative_gradient(
        layer(gradient="full_sum", weight="relative", strength=0.1), x, upstream
    )
    push = found - none
    expected = np.array(term_gradient(layer(gradient="full_sum"), x)[1], "float64")
    own = np.zeros(x.shape)
    for f in range(F):
        a = x[..., f]
        expected[..., f] -= a * np.sum(expected[..., f] * a) / np.sum(a * a)
        own[f == Y, :, :, f] = 1
    size = np.sqrt(np.sum(expected**2 * own) / own.sum())
    expected *= 0.1 * np.sqrt(np.mean(upstream**2)) / size
    assert relative_error(push, expected) < 2e-3


def test_radial_part_is_gone():
    x = maps()
    upstream = np.random.default_rng(5).normal(size=x.shape)
    none = relative_gradient(layer(**{**RELATIVE, "strength": 1e-12}), x, upstream)
    push = relative_gradient(layer(**RELATIVE), x, upstream) - none
    along = np.sum(push * x, axis=(0, 1, 2))
    size = np.sqrt(np.sum(push**2, axis=(0, 1, 2)) * np.sum(x**2, axis=(0, 1, 2)))
    assert np.abs(along / size).max() < 1e-4


@pytest.mark.medium
def test_decay_divides_the_weight():
    x = maps()
    made = layer(gradient="equal", decay_steps=2)
    sizes = [np.abs(term_gradient(made, x)[1]).max() for _ in range(5)]
    assert sizes == pytest.approx([sizes[0], sizes[0], sizes[0] / 2, sizes[0] / 2, sizes[0] / 3])

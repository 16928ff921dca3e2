"""A training step as a function: state and maps in, state and push out; no layer."""

import loss_reference as reference
import numpy as np
import pytest
from backend_modes import MODES
from keras import ops

from keras_icnn import FilterLoss
from keras_icnn.layers import _learning, _state, _targets
from keras_icnn.layers._peaks import peak_position

pytestmark = pytest.mark.core

H, W, N, F, C = 3, 4, 6, 2, 3
Y = np.array([0, 1, 2, 1, 0, 2])


def task(rule="default", background_class=None, monitor_every=1):
    rule = FilterLoss.parse(rule)
    bank = rule.templates.for_maps(H, W)
    return _learning.Task(rule, bank, background_class, rule.balance_targets, monitor_every)


def fresh(given):
    shapes = _state.LayerState.shapes(given.bank, C, F)
    state = _state.LayerState(*(np.zeros(shape, "float32") for shape in shapes))
    category, part = _targets.assigned_in_turn(F, C, given.background_class, given.rule.parts)
    return tensors(
        state._replace(category=category, part=part, steps=np.zeros((), "int32")),
    )


def tensors(state):
    return type(state)(*map(ops.convert_to_tensor, state))


def arrays(state):
    return type(state)(*(np.array(ops.convert_to_numpy(value)) for value in state))


def maps(seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (N, H, W, F)).astype("float32")


def learn(state, x, given, healthy=True, y=Y):
    x = ops.convert_to_tensor(x)
    member = ops.convert_to_tensor(np.eye(C, dtype="float32")[y])
    healthy = ops.convert_to_tensor(healthy)
    return _learning.learn(state, x, peak_position(x), member, healthy, given)


def assert_same(found, expected):
    for name, a, b in zip(found._fields, arrays(found), arrays(expected), strict=True):
        assert a.tolist() == b.tolist(), name


def test_statistics_of_the_first_two_batches():
    given = task()
    first = arrays(learn(fresh(given), maps(), given).state)
    by_class = maps().sum(axis=(1, 2))
    assert first.class_activation[1] == pytest.approx(by_class[Y == 1].mean(axis=0), rel=1e-5)
    assert first.class_count.tolist() == [2, 2, 2]
    assert first.activation_scale == pytest.approx(maps().max(axis=(1, 2)).mean(axis=0), rel=1e-5)
    assert first.steps == 1
    second = arrays(learn(tensors(first), maps(1), given).state)
    moved = 0.9 * first.activation_scale + 0.1 * maps(1).max(axis=(1, 2)).mean(axis=0)
    assert second.activation_scale == pytest.approx(moved, rel=1e-5)
    assert second.class_count.tolist() == [4, 4, 4]
    assert second.steps == 2


def test_the_push_has_the_size_it_is_said_to_have():
    """factor (push - radial x) has the rule's strength over the images of target categories."""
    given = task("one_part")
    lesson = learn(fresh(given), maps(), given)
    push = ops.convert_to_numpy(lesson.push.direction(given.bank))
    push = push - ops.convert_to_numpy(lesson.radial) * maps()
    push = push * ops.convert_to_numpy(lesson.factor)
    assert np.abs(np.sum(push * maps(), axis=(0, 1, 2))).max() < 1e-3
    target = arrays(lesson.state).class_activation.argmax(axis=0)
    # Balanced targets of two filters: each its best class, which differ here.
    assert len(set(target)) == F
    own = np.stack([target[f] == Y for f in range(F)], axis=1)[:, None, None]
    rms = np.sqrt(np.sum(push**2 * own) / (own.sum() * H * W))
    assert rms == pytest.approx(given.rule.strength, rel=1e-4)


@pytest.mark.parametrize("rule", ["default", "paper", "official"])
def test_a_bad_batch_teaches_nothing(rule):
    given = task(rule)
    state = learn(fresh(given), maps(), given).state
    assert_same(learn(state, maps(1), given, healthy=False).state, state)
    for bad in (np.nan, np.inf):
        x = maps(1)
        x[2, 1, 1, 0] = bad
        assert_same(learn(state, x, given).state, state)


def test_what_went_in_is_not_changed():
    given = task()
    state = learn(fresh(given), maps(), given).state
    before = arrays(state)
    learn(state, maps(1), given)
    assert_same(state, before)


def test_without_images_of_a_target_category_the_size_stays():
    given = task(background_class=0)
    state = learn(fresh(given), maps(), given).state
    after = learn(state, maps(1), given, y=np.zeros(N, "int64")).state
    assert arrays(after).push_rms == arrays(state).push_rms
    assert arrays(after).steps == 2


def batch_loss(x, given):
    """-MI of a batch against its own Z_T, averaged over filters, from the definition."""
    scale, losses = x.max(axis=(1, 2)).mean(axis=0), []
    bank = reference.templates(H, W, tau=given.rule.templates.tau)
    for f in range(F):
        a = x[..., f].astype("float64") / scale[f]
        losses.append(-reference.mutual_information(a, bank, reference.prior(H, W)))
    return np.mean(losses)


@pytest.mark.medium
@pytest.mark.parametrize("mode", MODES)
def test_a_monitor_computes_now_and_then_what_it_would_compute_in_every_step(mode):
    def run(every):
        given = task(monitor_every=every)

        def step(state, x):
            return tuple(learn(state, x, given).state)

        if mode != "eager":
            step = compiled(step, mode)
        states, state = [], fresh(given)
        for k in range(5):
            state = _state.LayerState(*step(state, ops.convert_to_tensor(maps(k))))
            states.append(arrays(state))
        return states

    always, seldom = run(1), run(3)
    assert batch_loss(maps(0), task()) == pytest.approx(float(always[0].filter_loss), rel=1e-4)
    for k in range(5):
        # Computed in steps 0 and 3, and held in between.
        assert seldom[k].filter_loss == pytest.approx(always[k - k % 3].filter_loss, rel=1e-5)
        assert (seldom[k].log_z == seldom[k - k % 3].log_z).all()
        rest = [name for name in seldom[k]._fields if name not in ("log_z", "filter_loss")]
        for name in rest:
            assert getattr(seldom[k], name) == pytest.approx(getattr(always[k], name), rel=1e-6)
    assert seldom[3].filter_loss != seldom[2].filter_loss
    # The running Z_T follows the batches that were computed.
    mixed = np.log(0.9 * np.exp(seldom[0].log_z) + 0.1 * mean_exp(maps(3), seldom[3]))
    assert seldom[3].log_z == pytest.approx(mixed, abs=1e-5)


def mean_exp(x, state):
    bank = reference.templates(H, W, tau=0.1)
    return np.exp(np.einsum("bijf,tij->tbf", x / state.activation_scale, bank)).mean(axis=1)


def compiled(step, mode):
    if MODES == ("eager", "jit"):
        import jax

        return jax.jit(step)
    import tensorflow as tf

    return tf.function(step, jit_compile=mode == "jit")


@pytest.mark.parametrize("rule", ["paper", "default"])
def test_likelihoods_in_every_step_just_where_the_push_depends_on_them(rule):
    given = task(rule, monitor_every=100)
    state = fresh(given)
    losses = []
    for k in range(3):
        state = learn(state, maps(k), given).state
        losses.append(float(arrays(state).filter_loss))
    assert len(set(losses)) == (3 if rule == "paper" else 1)


def test_layers_without_a_filter_loss_observe():
    given = task()
    member = ops.convert_to_tensor(np.eye(C, dtype="float32")[Y])
    x = ops.convert_to_tensor(maps())
    found = arrays(_learning.observe(fresh(given), x, member, ops.convert_to_tensor(True), given))
    expected = arrays(learn(fresh(given), maps(), given).state)
    assert found.push_rms == 0
    assert_same(found._replace(push_rms=expected.push_rms), expected)


PARTS = FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2, spacing=1)


def assigned(given, category, part):
    return fresh(given)._replace(
        category=ops.convert_to_tensor(category, "int32"), part=ops.convert_to_tensor(part, "int32")
    )


def templates_of(lesson):
    """Row and column of each map's template, `[N, F]` each."""
    return ops.convert_to_numpy(lesson.push.row), ops.convert_to_numpy(lesson.push.column)


def test_filters_of_a_part_are_pushed_to_one_place_and_those_of_another_elsewhere():
    given = task(PARTS)
    lesson = learn(assigned(given, [1, 1], [0, 1]), maps(), given)
    row, column = templates_of(lesson)
    mine = Y == 1
    apart = np.abs(row[mine, 0] - row[mine, 1]) + np.abs(column[mine, 0] - column[mine, 1])
    assert (apart > 1).all()
    together = learn(assigned(given, [1, 1], [0, 0]), maps(), given)
    row, column = templates_of(together)
    assert (row[mine, 0] == row[mine, 1]).all()
    assert (column[mine, 0] == column[mine, 1]).all()


def test_assigned_categories_do_not_follow_the_activations():
    given = task(PARTS)
    x = maps()
    x[Y == 2] *= 9  # Chosen by activation, both filters would be of class 2.
    lesson = learn(assigned(given, [0, 1], [0, 0]), x, given)
    slope = ops.convert_to_numpy(lesson.push.slope)
    assert ((slope[:, 0] < 0) == (Y == 0)).all()
    assert ((slope[:, 1] < 0) == (Y == 1)).all()


def test_a_filter_without_a_category_is_pushed_nowhere():
    given = task(PARTS)
    lesson = learn(assigned(given, [-1, 1], [-1, 0]), maps(), given)
    assert (ops.convert_to_numpy(lesson.push.slope)[:, 0] == 0).all()
    assert (ops.convert_to_numpy(lesson.push.level)[:, 0] == 0).all()
    assert (ops.convert_to_numpy(lesson.push.slope)[Y == 1, 1] < 0).all()


def lesson_of(member, given):
    x = ops.convert_to_tensor(maps())
    state = assigned(given, [1, 1], [0, 0])
    true = ops.convert_to_tensor(True)
    return _learning.learn(state, x, peak_position(x), ops.convert_to_tensor(member), true, given)


def test_in_an_image_of_several_categories_filters_keep_their_own_peaks():
    own = peak_position(ops.convert_to_tensor(maps()))
    member = np.eye(C, dtype="float32")[Y]
    member[1] = [0, 1, 1]
    row, column = templates_of(lesson_of(member, task(PARTS)))
    assert row[1].tolist() == ops.convert_to_numpy(own.row)[1].tolist()
    assert column[1].tolist() == ops.convert_to_numpy(own.column)[1].tolist()
    # Labels that count the background as a class of the image change nothing.
    member[1] = [1, 1, 0]
    row, column = templates_of(lesson_of(member, task(PARTS, background_class=0)))
    assert (row[1, 0], column[1, 0]) == (row[1, 1], column[1, 1])

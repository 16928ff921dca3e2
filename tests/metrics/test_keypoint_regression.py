"""Keypoint regression: against a plain normal-equations reference, and what it must find."""

import fake_data
import numpy as np
import pytest

from keras_icnn import metrics

SIZE = (100, 200)


def _data(n, rng, noise=0.0):
    """Landmarks that are a linear mixture of three filters' peaks; a fourth one is noise."""
    peaks = rng.uniform([20, 20], [180, 80], (n, 4, 2))
    first = 0.5 * peaks[:, 0] + 0.5 * peaks[:, 1] + noise * rng.normal(size=(n, 2))
    second = peaks[:, 2, ::-1] * [0.8, 0.3]
    return peaks, np.stack([first, second], axis=1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_linear_mixture_is_found(rng):
    train, test = _data(80, rng), _data(40, rng)
    result = metrics.keypoint_regression(*train, *test, image_size=SIZE, head=0)
    assert result.error < 1e-4 and (result.per_landmark < 1e-4).all()
    assert result.images.tolist() == [[80, 40], [80, 40]]
    trivial = {name: error for name, (error, _) in result.trivial.items()}
    assert list(trivial) == ["mean", "random peaks", "one bit"]
    assert trivial["one bit"] < trivial["mean"] <= trivial["random peaks"] * 1.05
    text = result.summary(["head", "tail"])
    assert "all filters' peaks" in text and "one bit" in text and "tail" in text


def test_trivial_detectors_by_hand(rng):
    (train, y), (test, y_test) = _data(50, rng), _data(30, rng)
    result = metrics.keypoint_regression(train, y, test, y_test, image_size=SIZE, head=0)
    diagonal = np.hypot(*SIZE)
    mean = np.linalg.norm(y.mean(0) - y_test, axis=-1).mean(0) / diagonal
    np.testing.assert_allclose(result.trivial["mean"][1], mean)
    middle = np.median(y[:, 0, 0])
    left, left_test = y[:, 0, 0] < middle, y_test[:, 0, 0] < middle
    answers = np.where(left_test[:, None, None], y[left].mean(0), y[~left].mean(0))
    one_bit = np.linalg.norm(answers - y_test, axis=-1).mean(0) / diagonal
    np.testing.assert_allclose(result.trivial["one bit"][1], one_bit)


def test_the_ridge_is_the_best_by_leaving_out_each_image(rng):
    (train, y), (test, y_test) = _data(12, rng, noise=8), _data(20, rng, noise=8)
    result = metrics.keypoint_regression(train, y, test, y_test, image_size=SIZE)
    size = np.array(SIZE[::-1])

    def shares(points):
        return ((points - (size - 1) / 2) / size).reshape(len(points), -1)

    def answer(x, target, x_test, ridge):
        mean, centre = x.mean(0), target.mean(0)
        a = (x - mean).T @ (x - mean) + ridge * np.eye(x.shape[1])
        return centre + (x_test - mean) @ np.linalg.solve(a, (x - mean).T @ (target - centre))

    x, x_test = shares(train), shares(test)
    target = shares(y[:, 0])
    scale = np.square(x - x.mean(0)).sum() / len(x)
    errors = {}
    for power in range(-6, 5):
        ridge = 10.0**power * scale
        left_out = [
            answer(np.delete(x, i, 0), np.delete(target, i, 0), x[i : i + 1], ridge) - target[i]
            for i in range(len(x))
        ]
        errors[power] = np.square(left_out).mean()
    best = min(errors, key=errors.get)
    assert result.ridge[0] == pytest.approx(10.0**best)
    wrong = (answer(x, target, x_test, 10.0**best * scale) - shares(y_test[:, 0])) * size
    expected = np.linalg.norm(wrong, axis=-1).mean() / np.hypot(*SIZE)
    assert result.per_landmark[0] == pytest.approx(expected, rel=1e-5)


def test_absent_landmarks_and_silent_filters(rng):
    (train, y), (test, y_test) = _data(60, rng), _data(30, rng)
    y[::2, 1] = np.nan
    y[0] = np.nan
    y_test[:, 1] = np.nan
    strengths = np.ones((60, 4))
    strengths[:, 3] = 0
    train[:, 3] = 1e6  # where a silent filter's peak is said to be does not matter
    test_strengths = np.ones((30, 4))
    test_strengths[:, 3] = 0
    result = metrics.keypoint_regression(
        train,
        y,
        test,
        y_test,
        image_size=SIZE,
        train_strengths=strengths,
        test_strengths=test_strengths,
    )
    assert result.images.tolist() == [[59, 30], [30, 0]]
    assert result.per_landmark[0] < 1e-4 and np.isnan(result.per_landmark[1])
    assert result.error == result.per_landmark[0]


def test_images_of_different_size_give_shares_of_their_own_diagonals(rng):
    (train, y), (test, y_test) = _data(60, rng, 5), _data(30, rng, 5)
    same = metrics.keypoint_regression(train, y, test, y_test, image_size=SIZE, head=0)
    factor = rng.integers(1, 5, 30)
    # An image twice as large, its pixel centers moved along.
    larger = (factor[:, None, None], (factor[:, None, None] - 1) / 2)
    scaled = metrics.keypoint_regression(
        train,
        y,
        test * larger[0] + larger[1],
        y_test * larger[0] + larger[1],
        image_size=SIZE,
        test_image_size=np.array(SIZE) * factor[:, None],
        head=0,
    )
    assert scaled.error == pytest.approx(same.error, rel=1e-5)
    for name, (error, _) in same.trivial.items():
        assert scaled.trivial[name][0] == pytest.approx(error, rel=1e-5)


def test_a_network_and_the_limit_of_its_grid():
    data = fake_data.FakeDataset(60)
    other = fake_data.FakeDataset(60, seed=1)
    result = metrics.evaluate_keypoints(fake_data.network(), data, other, batch_size=7)
    head, legs = result.per_landmark
    limit = result.trivial["nearest unit"][1]
    # One filter finds the head; nothing tells where the legs are.
    assert limit[0] <= head < 0.5 * result.trivial["one bit"][1][0]
    assert legs > 0.8 * result.trivial["mean"][1][1]
    assert result.images.tolist() == [[30, 30], [30, 30]]
    # Units are 2 pixels apart, so the nearest is at most sqrt(2) pixels away.
    assert (limit <= np.sqrt(2) / np.hypot(*fake_data.SIZE)).all()


def test_errors(rng):
    (train, y), (test, y_test) = _data(10, rng), _data(10, rng)
    with pytest.raises(ValueError, match="same filters and landmarks"):
        metrics.keypoint_regression(train[:, :2], y, test, y_test, image_size=SIZE)
    with pytest.raises(ValueError, match="`landmarks` must have shape"):
        metrics.keypoint_regression(train, y[:5], test, y_test, image_size=SIZE)
    bare = fake_data.FakeDataset(4)
    bare.landmark_names = []
    with pytest.raises(ValueError, match="same landmarks"):
        metrics.evaluate_keypoints(fake_data.network(), bare, bare)

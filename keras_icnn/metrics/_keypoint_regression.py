"""Keypoint regression: how well all filters' peaks together tell where the landmarks are.

The measure of unsupervised part discovery (SCOPS, Hung et al. 2019; PDiscoNet, van der Klis et
al. 2023): a linear map from the parts' places to the landmarks, fitted on training images with
labels, its error on test images. It asks what a set of filters knows together, not whether any
one of them stands for a part: many filters that follow different things can do well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.metrics import _array_shapes as shapes
from keras_icnn.metrics._location_instability import mean_or_nan
from keras_icnn.metrics._peak_table import PeakTable, relative
from keras_icnn.metrics._top_images import facing

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Strengths of the ridge to choose from, as shares of the features' mean variance per image.
_RIDGES = 10.0 ** np.arange(-6, 5)
_RANDOM = 512


@dataclass(frozen=True)
class KeypointResult:
    """Errors as shares of the image diagonal; smaller is better.

    `error`: mean over the landmarks. `per_landmark` [landmarks]: mean over the test images that
    contain the landmark (NaN: none does, or fewer than 2 training images do). `ridge`
    [landmarks]: the strength chosen by leaving out one training image at a time. `images`
    [landmarks, 2]: training and test images used. `trivial`: dict of detector name to
    (error, per_landmark).
    """

    error: float
    per_landmark: np.ndarray
    ridge: np.ndarray
    images: np.ndarray
    trivial: dict[str, tuple[float, np.ndarray]]

    def summary(self, landmark_names: Sequence[str] | None = None) -> str:
        """The table as text: the filters, then every trivial detector."""
        n = len(self.per_landmark)
        names = list(landmark_names or (str(k) for k in range(n)))
        rows = {"all filters' peaks": (self.error, self.per_landmark), **self.trivial}
        width = max(len(name) for name in rows)
        lines = [" " * width + "".join(f"{name:>12}" for name in ("mean", *names))]
        for name, (error, per_landmark) in rows.items():
            cells = "".join(f"{_cell(value):>12}" for value in (error, *per_landmark))
            lines.append(f"{name:<{width}}{cells}")
        lines += ["", "Mean distance from the landmark, share of the image diagonal."]
        return "\n".join(lines)


def _cell(value):
    return f"{value:.4f}" if np.isfinite(value) else "-"


def keypoint_regression(
    train_peaks: ArrayLike,
    train_landmarks: ArrayLike,
    test_peaks: ArrayLike,
    test_landmarks: ArrayLike,
    *,
    image_size: Sequence[int] | np.ndarray,
    test_image_size: Sequence[int] | np.ndarray | None = None,
    train_strengths: ArrayLike | None = None,
    test_strengths: ArrayLike | None = None,
    head: int | None = None,
    centers: ArrayLike | None = None,
    input_size: Sequence[int] | None = None,
    seed: int = 0,
) -> KeypointResult:
    """Error of a ridge regression from all filters' peaks to each landmark.

    Per landmark, over the images that contain it: its place as a share of the image's width and
    height is regressed on the places of all filters' peaks (a filter that is silent is at the
    image's center), fitted on the training images, with the strength of the ridge chosen there by
    leaving out one image at a time; the distance from the landmark on the test images, divided by
    the image's diagonal, is averaged.

    Beside it stand, fitted and measured on the same images:

    - `mean`: always the training images' mean place;
    - `random peaks`: the same regression on as many units drawn evenly (512 at most);
    - `one bit`: knows whether the head is left or right of the training images' median, and
      answers the mean place of that side (needs `head`);
    - `nearest unit`: the unit nearest to the landmark, the limit of the grid (needs `centers`).

    Args:
        train_peaks, test_peaks: float [images, filters, 2], (x, y) pixels.
        train_landmarks, test_landmarks: float [images, landmarks, 2], (x, y), NaN where absent.
        image_size: (height, width) in pixels, or [images, 2] where images differ in size.
        test_image_size: the same for the test images; None: `image_size`.
        train_strengths, test_strengths: float [images, filters], the activation at the peak; 0 or
            less is silent. None: all fire.
        head: index of the landmark that gives facing, for `one bit`.
        centers: float [h, w, 2], the units' centers, for `nearest unit` and for the random peaks
            (None: those are drawn from the whole image).
        input_size: (height, width) of the network's input, in whose pixels `centers` are; None:
            `image_size`. Needed where images differ in size.
        seed: of the random peaks.

    Returns:
        A `KeypointResult`.

    Raises:
        ValueError: for wrong shapes or activations that are not finite.
    """
    train, test = PeakTable(), PeakTable()
    train.update(train_peaks, train_landmarks, train_strengths, image_size=image_size)
    size = image_size if test_image_size is None else test_image_size
    test.update(test_peaks, test_landmarks, test_strengths, image_size=size)
    units = None
    if centers is not None:
        frame = image_size if input_size is None else input_size
        units = relative_centers(centers, shapes.as_image_size(frame, name="input_size"))
    return regress(train, test, head=head, units=units, seed=seed)


def regress(train, test, *, head=None, units=None, seed=0) -> KeypointResult:
    """`keypoint_regression` of two `PeakTable`s; `units` as from `relative_centers`."""
    x, y, _ = train.arrays()
    x_test, y_test, size = test.arrays()
    if x.shape[1] != x_test.shape[1] or y.shape[1] != y_test.shape[1]:
        raise ValueError(
            "Training and test images must have the same filters and landmarks. Received: "
            f"{x.shape[1]} and {x_test.shape[1]} filters, {y.shape[1]} and {y_test.shape[1]} "
            "landmarks"
        )
    present, present_test = _present(y), _present(y_test)
    images = np.stack([present.sum(0), present_test.sum(0)], axis=1)
    rng = np.random.default_rng(seed)
    drawn = [_draw(rng, len(rows), min(x.shape[1], _RANDOM), units) for rows in (x, x_test)]
    answers = {
        "peaks": _ridge_answers(x, y, x_test),
        "mean": (_mean_answers(y, y_test), None),
        "random peaks": _ridge_answers(drawn[0], y, drawn[1]),
    }
    if head is not None:
        answers["one bit"] = (_side_answers(y, y_test, head), None)
    if units is not None:
        answers["nearest unit"] = (_unit_answers(y_test, units), None)
    # Shares of width and height become pixels, then a share of the diagonal.
    to_diagonal = size[:, None, ::-1] / np.hypot(size[:, 0], size[:, 1])[:, None, None]
    table = {}
    for name, (answer, _) in answers.items():
        distance = np.linalg.norm((answer - y_test) * to_diagonal, axis=-1)
        per_landmark = mean_or_nan(distance.T)
        table[name] = (float(mean_or_nan(per_landmark)), per_landmark)
    error, per_landmark = table.pop("peaks")
    return KeypointResult(error, per_landmark, answers["peaks"][1], images, table)


def _present(landmarks):
    return np.isfinite(landmarks).all(axis=-1)


def _ridge_answers(x, y, x_test):
    """Predictions [test images, landmarks, 2], and the ridge chosen for each landmark."""
    answers = np.full((len(x_test), y.shape[1], 2), np.nan)
    chosen = np.full(y.shape[1], np.nan)
    x, x_test = (a.reshape(len(a), -1).astype("float64") for a in (x, x_test))
    for k in range(y.shape[1]):
        rows = np.isfinite(y[:, k]).all(axis=-1)
        if rows.sum() >= 2:
            answers[:, k], chosen[k] = _ridge(x[rows], y[rows, k], x_test)
    return answers, chosen


def _ridge(x, y, x_test):
    """Ridge regression with an intercept; its strength by the leave-one-out error."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    u, s, vt = np.linalg.svd(x - x_mean, full_matrices=False)
    scale = max(float(np.square(s).sum()) / len(x), np.finfo(float).tiny)
    target = u.T @ (y - y_mean)
    best = (np.inf, 0.0, None)
    for ridge in _RIDGES:
        shrink = s**2 / (s**2 + ridge * scale)
        # The exact residual of an image left out is its residual over 1 - its leverage.
        leverage = np.square(u) @ shrink + 1 / len(x)
        residual = y - y_mean - u @ (shrink[:, None] * target)
        left_out = np.square(residual / np.maximum(1 - leverage, 1e-12)[:, None]).mean()
        # Of equal errors the stronger ridge.
        if left_out <= best[0]:
            best = (left_out, ridge, s / (s**2 + ridge * scale))
    weights = vt.T @ (best[2][:, None] * target)
    return y_mean + (x_test - x_mean) @ weights, best[1]


def _mean_answers(y, y_test):
    mean = mean_or_nan(np.moveaxis(y, 0, -1))
    return np.broadcast_to(mean, y_test.shape)


def _side_answers(y, y_test, head):
    """The mean place of the landmark on the side where the image's head is."""
    answers = np.full(y_test.shape, np.nan)
    side = facing(y, head)
    known = y[side >= 0, head, 0]
    if not len(known):
        return answers
    middle = np.median(known)
    test_side = np.where(_present(y_test)[:, head], y_test[:, head, 0] >= middle, -1)
    overall = _mean_answers(y, y_test)
    for s in (-1, 0, 1):
        mine = y[side == s] if s >= 0 else y[:0]
        mean = mean_or_nan(np.moveaxis(mine, 0, -1)) if len(mine) else overall[0]
        answers[test_side == s] = np.where(np.isfinite(mean), mean, overall[0])
    return answers


def _unit_answers(y_test, units):
    answers = np.full(y_test.shape, np.nan)
    for k in range(y_test.shape[1]):
        rows = np.isfinite(y_test[:, k]).all(axis=-1)
        # Nearest in pixels: along either axis on its own, as units lie on a grid.
        for axis in (0, 1):
            places = np.unique(units[:, axis])
            near = np.abs(places[None] - y_test[rows, k, axis][:, None]).argmin(axis=1)
            answers[rows, k, axis] = places[near]
    return answers


def relative_centers(centers, input_size):
    """Centers [units, 2] as shares of the input's width and height from its center."""
    centers = shapes.as_centers(centers)
    return relative(centers.reshape(1, -1, 2), np.asarray(input_size, "float64")[None])[0]


def _draw(rng, images, filters, units):
    if units is None:
        return rng.uniform(-0.5, 0.5, (images, filters, 2))
    return units[rng.integers(len(units), size=(images, filters))]

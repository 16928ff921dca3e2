"""Parts and landmarks: do groups of filters tell the landmarks apart?

The measure of unsupervised part discovery besides keypoint regression (Choudhury et al. 2021,
PDiscoNet, van der Klis et al. 2023): at every visible landmark of every test image, the predicted
part at that place is compared with which landmark it is. Networks there have K part maps; here K
groups of filters take their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics import _array_shapes as shapes
from keras_icnn.metrics._diversity import Alive, alive
from keras_icnn.metrics._partitions import adjusted_rand_index, normalized_mutual_information
from keras_icnn.metrics._peak_table import PeakTable, relative_places

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_STARTS = 10
_ROUNDS = 100


@dataclass(frozen=True)
class PartAgreement:
    """How far the parts at the landmarks agree with which landmarks they are; higher is better.

    `nmi`, `ari`: over all visible landmarks of all images, no part there counting as one more
    part. `foreground_nmi`, `foreground_ari`: over those where there is a part, whose share is
    `covered`. `table` int [parts + 1, landmarks]: how often each part (last: none) is at each
    landmark. `trivial`: dict of detector name to (nmi, ari). `groups`: the filters of each part,
    list of tuples (empty: labels were given).
    """

    nmi: float
    ari: float
    foreground_nmi: float
    foreground_ari: float
    covered: float
    table: np.ndarray
    trivial: dict[str, tuple[float, float]]
    groups: list[tuple[int, ...]]

    def summary(self, landmark_names: Sequence[str] | None = None) -> str:
        """The table as text: the parts, the trivial detectors, which part is at which landmark."""
        names = list(landmark_names or (str(k) for k in range(self.table.shape[1])))
        parts = len(self.table) - 1
        rows = {
            f"{parts} groups of filters": (self.nmi, self.ari),
            "  where a filter fires": (self.foreground_nmi, self.foreground_ari),
            **self.trivial,
        }
        width = max(len(name) for name in rows)
        lines = [" " * width + f"{'NMI':>12}{'ARI':>12}"]
        for name, values in rows.items():
            lines.append(f"{name:<{width}}" + "".join(f"{_cell(value):>12}" for value in values))
        lines += [
            "",
            f"{self.table.sum()} landmarks, {self.covered:.1%} of them where a filter fires. "
            "Below: how often each part is at each landmark.",
            " " * width + "".join(f"{name:>12}" for name in ("filters", *names)),
        ]
        sizes = [len(group) for group in self.groups] or [None] * parts
        for part, (size, counts) in enumerate(zip([*sizes, None], self.table, strict=True)):
            name = f"part {part}" if part < parts else "none"
            cells = ["" if size is None else size, *counts]
            lines.append(f"{name:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
        return "\n".join(lines)


def _cell(value):
    return f"{value:.4f}" if np.isfinite(value) else "-"


def part_agreement(
    parts_at: ArrayLike,
    landmarks: ArrayLike,
    *,
    parts: int,
    image_size: Sequence[int] | np.ndarray,
    seed: int = 0,
    groups: Sequence[Sequence[int]] = (),
) -> PartAgreement:
    """NMI and ARI between the part at a landmark and which landmark it is.

    Beside it stand, over the same landmarks:

    - `grid of cells`: as many parts, the image cut into rows and columns of equal cells; what the
      place in the image alone says;
    - `random labels`: one of as many parts, drawn for every landmark;
    - `perfect labels`: a part for each landmark, 1. With fewer parts than landmarks no labeling
      gets there.

    Args:
        parts_at: int [images, landmarks], the part at each landmark, 0 to `parts` - 1, or -1 where
            there is none. What stands at absent landmarks is not looked at.
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        parts: K, the number of parts.
        image_size: (height, width) in pixels, or [images, 2] where images differ in size.
        seed: of the random labels.
        groups: the filters of each part, for the table.

    Returns:
        A `PartAgreement`.

    Raises:
        ValueError: for wrong shapes, parts out of range, or fewer than three landmarks.
    """
    landmarks = shapes.as_landmarks(landmarks, len(landmarks))
    check_landmarks(landmarks.shape[1])
    parts = check_parts(parts)
    parts_at = np.asarray(parts_at)
    if parts_at.shape != landmarks.shape[:2] or parts_at.dtype.kind not in "iu":
        raise ValueError(
            "`parts_at` must hold integers of the shape [images, landmarks] of `landmarks`, "
            f"{landmarks.shape[:2]}. Received: {parts_at.dtype} {parts_at.shape}"
        )
    present = np.isfinite(landmarks).all(axis=-1)
    image, truth = np.nonzero(present)
    labels = parts_at[present]
    if len(labels) and not (labels.min() >= -1 and labels.max() < parts):
        raise ValueError(
            f"`parts_at` must lie from -1 (no part) to {parts - 1}. Received: values from "
            f"{labels.min()} to {labels.max()}"
        )
    size = np.broadcast_to(shapes.as_image_size(image_size, len(landmarks)), (len(landmarks), 2))
    table = np.zeros((parts + 1, landmarks.shape[1]), int)
    np.add.at(table, (labels, truth), 1)  # -1 is the last row
    drawn = np.random.default_rng(seed).integers(parts, size=len(truth))
    inside = labels >= 0
    cells = _cells(landmarks[present], size[image], parts)
    trivial = {"grid of cells": cells, "random labels": drawn, "perfect labels": truth}
    return PartAgreement(
        *_agreement(labels, truth),
        *_agreement(labels[inside], truth[inside]),
        covered=float(inside.mean()) if len(inside) else float("nan"),
        table=table,
        trivial={name: _agreement(given, truth) for name, given in trivial.items()},
        groups=[tuple(int(f) for f in group) for group in groups],
    )


def check_parts(parts):
    return check.whole_number(parts, "parts", "part_agreement", at_least=2)


def check_landmarks(count):
    if count < 3:
        raise ValueError(
            "Which part is at which landmark needs images with at least 3 landmarks. "
            f"Received: {count}"
        )


def _agreement(labels, truth):
    return normalized_mutual_information(labels, truth), adjusted_rand_index(labels, truth)


def _cells(points, sizes, parts):
    """Number of the cell that each point [n, 2] is in, of as square a grid as there is."""
    rows = max(n for n in range(1, int(np.sqrt(parts)) + 1) if parts % n == 0)
    columns = parts // rows
    share = (points + 0.5) / sizes[:, ::-1]
    column = np.clip((share[:, 0] * columns).astype(int), 0, columns - 1)
    row = np.clip((share[:, 1] * rows).astype(int), 0, rows - 1)
    return row * columns + column


def group_filters(
    peaks: ArrayLike,
    strengths: ArrayLike,
    *,
    parts: int,
    image_size: Sequence[int] | np.ndarray,
    labels: ArrayLike | None = None,
    seed: int = 0,
) -> list[tuple[int, ...]]:
    """Groups filters that peak at the same places into K parts.

    K-means over the filters: each is the row of its peaks in all images, as shares of the image's
    width and height (where it is silent, the center), so that filters are near one another where
    their peaks are, image by image. The best of ten starts, by the sum of squares. Filters that
    fire on more than half of the images of no category belong to no part.

    Args:
        peaks: float [images, filters, 2], (x, y) pixels.
        strengths: float [images, filters], the activation at the peak; 0 or less is silent.
        parts: K.
        image_size: (height, width) in pixels, or [images, 2] where images differ in size.
        labels: int [images], their categories; None: all are of one.
        seed: of the starts.

    Returns:
        List of K tuples of filter numbers, the largest group first.

    Raises:
        ValueError: where fewer than K filters are left, or only K - 1 different ones.
    """
    peaks = shapes.as_peaks(peaks)
    strengths = shapes.as_strengths(strengths, peaks.shape[:2])
    size = np.broadcast_to(shapes.as_image_size(image_size, len(peaks)), (len(peaks), 2))
    labels = np.zeros(len(peaks), int) if labels is None else np.asarray(labels)
    living = [alive(strengths[labels == label])[0] for label in np.unique(labels)]
    return groups_of(relative_places(peaks, strengths, size), np.any(living, axis=0), parts, seed)


def groups_of(places, living, parts, seed=0):
    """`group_filters` from places [images, filters, 2] as shares and which filters count."""
    parts = check_parts(parts)
    counted = np.flatnonzero(living)
    rows = np.asarray(places, "float64")[:, counted].transpose(1, 0, 2).reshape(len(counted), -1)
    different = len(np.unique(rows, axis=0)) if len(counted) else 0
    if different < parts:
        raise ValueError(
            f"`parts` must be at most the number of filters that fire on most images and differ, "
            f"{different}. Received: parts={parts}"
        )
    rng = np.random.default_rng(seed)
    # Only distances matter, so as many coordinates as filters hold all of them.
    rows = rows - rows.mean(axis=0)
    if rows.shape[1] > len(rows):
        values, vectors = np.linalg.eigh(rows @ rows.T)
        rows = vectors * np.sqrt(np.maximum(values, 0))
    best = min((_k_means(rows, parts, rng) for _ in range(_STARTS)), key=lambda found: found[0])
    groups = [tuple(int(f) for f in counted[best[1] == k]) for k in range(parts)]
    return sorted(groups, key=lambda group: (-len(group), group))


def _k_means(rows, k, rng):
    """(sum of squares, int [rows]): Lloyd's iterations from a start by k-means++."""
    centers = rows[rng.integers(len(rows))][None]
    while len(centers) < k:
        nearest = _squares(rows, centers).min(axis=1)
        # A row that is a center already is never drawn: there are k different ones.
        nearest[nearest <= 1e-12 * nearest.max()] = 0
        drawn = rng.choice(len(rows), p=nearest / nearest.sum())
        centers = np.concatenate([centers, rows[drawn][None]])
    label = None
    for _ in range(_ROUNDS):
        squares = _squares(rows, centers)
        before, label = label, squares.argmin(axis=1)
        for empty in np.setdiff1d(np.arange(k), label):
            # The row farthest from its center, of a group that has others, starts a new group.
            far = np.where(np.bincount(label, minlength=k)[label] > 1, squares.min(axis=1), -1)
            label[far.argmax()] = empty
            squares[far.argmax()] = 0
        if before is not None and (label == before).all():
            break
        centers = np.stack([rows[label == j].mean(axis=0) for j in range(k)])
    return float(np.square(rows - centers[label]).sum()), label


def _squares(rows, centers):
    """Squared distances [rows, centers]."""
    cross = rows @ centers.T
    squares = np.square(rows).sum(axis=1)[:, None] + np.square(centers).sum(axis=1) - 2 * cross
    return np.maximum(squares, 0)


class TrainingPeaks:
    """What grouping and normalizing the filters needs from the training images."""

    def __init__(self):
        self._table = PeakTable()
        self._strength, self._images, self._alive = 0.0, 0, {}

    def update(self, peaks, landmarks, strengths, labels, *, image_size):
        """Adds a batch; images without any landmark are left out."""
        self._table.update(peaks, landmarks, strengths, image_size=image_size)
        known = np.isfinite(landmarks).all(-1).any(-1)
        strengths, labels = np.maximum(strengths[known], 0), np.asarray(labels)[known]
        self._strength = self._strength + strengths.sum(axis=0, dtype="float64")
        self._images += len(strengths)
        for label in np.unique(labels).tolist():
            self._alive.setdefault(label, Alive()).update(strengths[labels == label])

    def groups(self, parts, seed):
        """The groups, and the weights [filters, parts] of the filters in the parts' maps."""
        if not self._images:
            raise ValueError("`train` must have images with landmarks. Received: none")
        living = np.any([measure.result()[0] for measure in self._alive.values()], axis=0)
        groups = groups_of(self._table.arrays()[0], living, parts, seed)
        mean = self._strength / self._images
        weights = np.zeros((len(living), len(groups)), "float32")
        for k, group in enumerate(groups):
            group = list(group)
            weights[group, k] = 1 / mean[group] / len(group)
        return groups, weights

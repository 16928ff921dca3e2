"""Detectors that know nothing, or everything: what a measure's value is worth.

Low instability, a high overlap and an R2 near .5 can all be had without looking at the image, so
every table prints these beside a network, measured by the same functions on the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.metrics import _array_shapes as shapes
from keras_icnn.metrics import _bit_masks as bits
from keras_icnn.metrics._location_instability import location_instability, mean_or_nan
from keras_icnn.metrics._part_anatomy import PartAnatomy, facing_of_landmarks, mirrored_landmarks
from keras_icnn.metrics._part_association import association_rates
from keras_icnn.metrics._part_coverage import PartCoverage
from keras_icnn.metrics._part_interpretability import IOU
from keras_icnn.metrics._part_tracking import part_tracking
from keras_icnn.metrics._peak_table import PeakTable
from keras_icnn.metrics._resizing import move_points
from keras_icnn.metrics._top_images import facing, image_center
from keras_icnn.metrics._trivial_regions import COLUMNS, TrivialRegions, nearest_unit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_DRAWS = 32
_PIECES = 16  # of the lattice of positions: large temporary arrays cost more than their sums
_TOP = 100  # images that count, as in `location_instability`


def trivial_detectors(
    landmarks: ArrayLike,
    centers: ArrayLike,
    *,
    image_size: Sequence[int] | np.ndarray,
    input_size: Sequence[int] | None = None,
    landmark_names: Sequence[str] | None = None,
    part_masks: Callable[[int], np.ndarray] | None = None,
    image_ids: ArrayLike | None = None,
    radius: float | None = None,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """The measures of every trivial detector on the annotated images of one category.

    - `random`: a unit drawn evenly for every image (mean of 32 such detectors).
    - `centre`: always the image's center.
    - `best constant`: the fixed position with the lowest instability.
    - `one bit`: knows whether the head is left or right of the median, and answers the better of
      two positions, the means of the landmark on either side. Without a landmark named "head" it
      knows which way the landmarks face (see `part_anatomy`).
    - `perfect NAME`: the unit nearest to the landmark, the limit of the grid, on the images that
      contain it.
    - `every landmark`: a bank of the units nearest to each landmark, or to its left or right
      counterpart where that alone is there, for `coverage`, `parts_followed` and `anatomy`.
    - `whole image`, `centred disc`: the same region everywhere; the disc's radius is 98/224 of the
      image's shorter side.

    Args:
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        centers: float [h, w, 2], the centers of the measured layer's units.
        image_size: (height, width) in pixels, or [images, 2] where images differ. A fixed position
            is then the same share of every image's width and height.
        input_size: (height, width) of the network's input, in whose pixels `centers`, `radius` and
            the part masks are; None: `image_size`. Needed where images differ.
        landmark_names: names of the landmarks.
        part_masks: function of an image's number that gives bool [parts, height, width], or None.
        image_ids: the images' numbers for `part_masks`; None: 0, 1, ...
        radius: of the round receptive field; None leaves out the overlap of `perfect NAME`.
        seed: of the random detector.

    Returns:
        dict of name to dict of `instability`, `r2`, `r2_strongest`, `r2_facing`, `coverage`,
        `parts_followed`, `anatomy` (those of all detectors of a row as one bank of filters),
        `part_interpretability`; NaN where a measure does not apply.
    """
    landmarks = shapes.as_landmarks(landmarks, len(landmarks))
    centers = shapes.as_centers(centers)
    size = shapes.as_image_size(image_size, len(landmarks))
    frame = shapes.as_image_size(size if input_size is None else input_size, name="input_size")
    names = list(landmark_names or (str(k) for k in range(landmarks.shape[1])))
    head = names.index("head") if "head" in names else None
    images = _AnnotatedImages(landmarks, size, frame, names, head)
    table = _positions(images, centers, names, seed) if images.present.any() else {}
    if part_masks is None:
        return table
    ids = range(len(landmarks)) if image_ids is None else image_ids
    discs = bits.pack_discs(centers.reshape(-1, 2), radius, frame) if radius else None
    fixed = TrivialRegions(landmarks, names, centers, size, frame, discs)
    (rates,) = association_rates(part_masks, list(ids), fixed.regions, [fixed.detectors()], IOU)
    fixed.fill(table, rates)
    return table


def _positions(images, centers, names, seed):
    """The rows of the detectors that answer with a position."""
    n, present = len(images.landmarks), images.present
    flat = centers.reshape(-1, 2)
    drawn = flat[np.random.default_rng(seed).integers(len(flat), size=(n, _DRAWS))]
    middle = np.broadcast_to(image_center(images.frame), (n, 1, 2))
    table = {
        "random": images.measure(drawn),
        "centre": images.measure(middle),
        "best constant": images.measure(_best_constant(images)),
    }
    if (images.side >= 0).any():
        table["one bit"] = images.measure(_side_means(images), images.side >= 0, best=True)
    for k, name in enumerate(names):
        if present[:, k].any():
            units = nearest_unit(images.in_input[:, k], centers)
            table[f"perfect {name}"] = images.measure(flat[units][:, None], present[:, k])
    points, shown = images.either_side()
    bank = np.stack([flat[nearest_unit(p, centers)] for p in np.moveaxis(points, 1, 0)], axis=1)
    together = images.bank(images.own(bank), landmarks=images.landmarks, strengths=shown)
    table["every landmark"] = dict.fromkeys(COLUMNS, float("nan")) | together
    return table


class _AnnotatedImages:
    """The images of one category, with what measuring a detector on them needs.

    Args:
        landmarks: float [images, landmarks, 2] in the images' own pixels.
        size: (height, width) of the images, or [images, 2].
        frame: (height, width) of the network's input.
        names: names of the landmarks.
        head: index of the landmark that gives facing, or None.

    Attributes:
        in_input: the landmarks in the input's pixels, where left and right mean the same in images
            of every width.
        present: bool [images, landmarks].
        side: which way each image faces, as from `facing`, or without a head from
            `facing_of_landmarks`.
    """

    def __init__(self, landmarks, size, frame, names, head):
        self.differ = size.shape != (2,) or tuple(size) != tuple(frame)
        self.landmarks, self.frame, self.names, self.head = landmarks, frame, names, head
        self.size = np.broadcast_to(size, (len(landmarks), 2)) if self.differ else size
        self.present = np.isfinite(landmarks).all(axis=-1)
        self.in_input = move_points(landmarks, self.size, frame) if self.differ else landmarks
        self.pairs = mirrored_landmarks(names, landmarks.shape[1])
        if head is None:
            self.side = facing_of_landmarks(self.in_input, self.pairs)
        else:
            self.side = facing(self.in_input, head)

    def either_side(self):
        """Landmarks of the input, in place of absent ones their counterparts, and whether there
        is one: float [images, landmarks] of 0 and 1."""
        present = self.present[..., None]
        points = np.where(present, self.in_input, self.in_input[:, self.pairs])
        return points, np.isfinite(points).all(axis=-1).astype("float32")

    def bank(self, peaks, landmarks, strengths=None, rows=slice(None)):
        """What detectors reach together, as the filters of a layer."""
        size = self.size[rows] if self.differ else self.size
        table = PeakTable()
        table.update(peaks, landmarks, strengths, image_size=size)
        coverage = PartCoverage(store=table).result()
        return {
            "coverage": coverage.coverage,
            "parts_followed": coverage.parts_followed,
            "anatomy": PartAnatomy(landmark_names=self.names, store=table).result().mean,
        }

    def own(self, points, rows=slice(None)):
        """Points [images, ..., 2] of the input in the pixels of the images `rows`."""
        points = points[rows]
        return move_points(points, self.frame, self.size[rows]) if self.differ else points

    def measure(self, points, rows=slice(None), best=False):
        """A row of the table: the means over the detectors, or the figures of the best of them.

        Args:
            points: float [images, detectors, 2], what they answer, in the input's pixels.
            rows: which images to measure on.
            best: whether to take the best detector instead of the mean, figure by figure.
        """
        mine = self.landmarks[rows]
        peaks = self.own(points)[rows]
        size = self.size[rows] if self.differ else self.size
        steady = location_instability(peaks, mine, image_size=size).per_filter
        track = part_tracking(peaks, mine, image_size=size, head=self.head)
        values = [steady, track.best_r2, track.best_r2_strongest, track.best_r2_facing]
        if best:
            lowest, *others = values
            values = [-_highest(-lowest), *(_highest(v) for v in others)]
        else:
            values = [float(mean_or_nan(v)) for v in values]
        found = dict(zip(COLUMNS[:4], values, strict=True)) | self.bank(peaks, mine, rows=rows)
        return dict.fromkeys(COLUMNS, float("nan")) | found


def _highest(values):
    """The highest defined value; NaN where none is finite."""
    highest = float(values[~np.isnan(values)].max(initial=-np.inf))
    return highest if np.isfinite(highest) else float("nan")


def _best_constant(images):
    """The position of the lowest instability, on a lattice of 33 x 33, then a finer one.

    In the input's pixels [images, 1, 2].
    """
    frame = images.frame
    low, high = np.zeros(2), frame[::-1] - 1
    for _ in range(2):
        axes = [np.linspace(a, b, 33) for a, b in zip(low, high, strict=True)]
        lattice = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        value = _instability_of_constants(lattice, images)
        if np.isnan(value).all():
            best = image_center(frame)
            break
        best = lattice[np.nanargmin(value)]
        step = (high - low) / 16
        low, high = np.maximum(best - step, 0), np.minimum(best + step, frame[::-1] - 1)
    return np.broadcast_to(best, (len(images.landmarks), 1, 2))


def _instability_of_constants(lattice, images):
    """Instability of a detector at every position of the lattice.

    As `location_instability` has it; with equal strengths the first images count.
    """
    landmarks = images.landmarks
    size = np.broadcast_to(images.size, (len(landmarks), 2))
    deviations = []
    for k in range(landmarks.shape[1]):
        rows = np.flatnonzero(np.isfinite(landmarks[:, k]).all(axis=-1))[:_TOP]
        if len(rows) < 2:
            continue
        diagonal = np.hypot(size[rows, 0], size[rows, 1])
        deviations.append(
            np.concatenate(
                [
                    _deviation(
                        images.own(np.broadcast_to(some, (len(landmarks), *some.shape)), rows)
                        - landmarks[rows, k][:, None],
                        diagonal,
                    )
                    for some in np.array_split(lattice, _PIECES)
                ]
            )
        )
    return np.mean(deviations, axis=0) if deviations else np.full(len(lattice), np.nan)


def _deviation(offsets, diagonal):
    """Deviation over the images of the length of `offsets` [images, n, 2]: [n]."""
    x, y = offsets[..., 0], offsets[..., 1]
    return (np.sqrt(x * x + y * y) / diagonal[:, None]).std(axis=0, ddof=1)


def _side_means(images):
    """One detector per landmark: its mean position on the image's side, [images, landmarks, 2]."""
    landmarks, present, side = images.in_input, images.present, images.side
    peaks = np.zeros_like(landmarks)
    for k in range(landmarks.shape[1]):
        overall = landmarks[present[:, k], k]
        for s in (0, 1):
            mine = landmarks[present[:, k] & (side == s), k]
            if not len(mine):
                mine = overall if len(overall) else np.zeros((1, 2))
            peaks[side == s, k] = mine.mean(axis=0)
    return peaks

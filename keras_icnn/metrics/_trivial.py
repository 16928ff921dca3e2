"""Detectors that know nothing, or everything: what a measure's value is worth.

Low instability, a high overlap and an R2 near .5 can all be had without looking at the image, so
every table prints these beside a network, measured by the same functions on the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.metrics import _checks, _discs
from keras_icnn.metrics._association import Regions, Rows, association_rates
from keras_icnn.metrics._frames import move
from keras_icnn.metrics._location_instability import location_instability, mean_or_nan
from keras_icnn.metrics._part_interpretability import IOU, best_part
from keras_icnn.metrics._part_tracking import part_tracking
from keras_icnn.metrics._top_images import facing, image_centre

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_DISC = 98 / 224
_DRAWS = 32
_PIECES = 16  # of the lattice of positions: large temporary arrays cost more than their sums
_TOP = 100  # images that count, as in `location_instability`
_COLUMNS = ("instability", "r2", "r2_strongest", "r2_facing", "part_interpretability")


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
    - `centre`: always the image's centre.
    - `best constant`: the fixed position with the lowest instability.
    - `one bit`: knows whether the head is left or right of the median, and answers the better of
      two positions, the means of the landmark on either side; needs a landmark named "head".
    - `perfect NAME`: the unit nearest to the landmark, the limit of the grid, on the images that
      contain it.
    - `whole image`, `centred disc`: the same region everywhere; the disc's radius is 98/224 of the
      image's shorter side.

    Args:
        landmarks: float [images, landmarks, 2], (x, y) pixels, NaN where absent.
        centers: float [h, w, 2], the centres of the measured layer's units.
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
        dict of name to dict of `instability`, `r2`, `r2_strongest`, `r2_facing`,
        `part_interpretability`; NaN where a measure does not apply.
    """
    landmarks = _checks.as_landmarks(landmarks, len(landmarks))
    centers = _checks.as_centers(centers)
    images, n_landmarks = landmarks.shape[:2]
    size = _checks.as_image_size(image_size, images)
    frame = _checks.as_image_size(size if input_size is None else input_size, name="input_size")
    differ = size.shape != (2,) or tuple(size) != tuple(frame)
    if differ:
        size = np.broadcast_to(size, (images, 2))

    def own(points, rows=slice(None)):
        """Points [images, ..., 2] of the network's input in the pixels of the images `rows`."""
        return move(points[rows], frame, size[rows]) if differ else points[rows]

    names = list(landmark_names or (str(k) for k in range(n_landmarks)))
    head = names.index("head") if "head" in names else None
    ids = range(images) if image_ids is None else image_ids
    present = np.isfinite(landmarks).all(axis=-1)
    # In the input's pixels, left and right mean the same in images of every width.
    in_input = move(landmarks, size, frame) if differ else landmarks
    side = facing(in_input, head)

    def measure(peaks, rows=slice(None), chosen=None):
        """Means over the detectors; `chosen` names a reduction to the best of them instead."""
        mine = landmarks[rows]
        sizes = size[rows] if differ else size
        steady = location_instability(peaks[rows], mine, image_size=sizes).per_filter
        track = part_tracking(peaks[rows], mine, image_size=sizes, head=head)
        values = [steady, track.best_r2, track.best_r2_strongest, track.best_r2_facing]
        if chosen is None:
            values = [float(mean_or_nan(v)) for v in values]
        else:
            low = [-values[0], *values[1:]]
            values = [float(v[~np.isnan(v)].max(initial=-np.inf)) for v in low]
            values = [v if np.isfinite(v) else float("nan") for v in values]
            values[0] = -values[0]
        return dict(zip(_COLUMNS, [*values, float("nan")], strict=True))

    table = {}
    if images and present.any():
        rng = np.random.default_rng(seed)
        drawn = centers.reshape(-1, 2)[rng.integers(centers[..., 0].size, size=(images, _DRAWS))]
        table["random"] = measure(own(drawn))
        centre = own(np.broadcast_to(image_centre(frame), (images, 1, 2)))
        table["centre"] = measure(centre)
        table["best constant"] = measure(own(_best_constant(landmarks, size, frame, own)))
        if head is not None and present[:, head].any():
            table["one bit"] = measure(
                own(_side_means(in_input, present, side)), present[:, head], chosen="best"
            )
        for k, name in enumerate(names):
            if present[:, k].any():
                units = _nearest_unit(in_input[:, k], centers)
                table[f"perfect {name}"] = measure(
                    own(centers.reshape(-1, 2)[units][:, None]), present[:, k]
                )
    if part_masks is None:
        return table
    discs = _discs.pack_discs(centers.reshape(-1, 2), radius, frame) if radius else None
    fixed = TrivialRegions(landmarks, names, centers, size, frame, discs)
    (rates,) = association_rates(part_masks, list(ids), fixed.regions, [fixed.detectors()], IOU)
    fixed.fill(table, rates)
    return table


class TrivialRegions:
    """The detectors that answer with a region, as a group of `association_rates`.

    `regions` are the discs of the units (where they are given), then the detectors' own.

    Args:
        landmarks, centers: as in `trivial_detectors`.
        names: names of the landmarks.
        image_size, input_size: (height, width), or [images, 2] for the first.
        discs: the units' discs, as from `pack_discs`; None leaves out `perfect NAME`.
    """

    def __init__(self, landmarks, names, centers, image_size, input_size, discs):
        landmarks = _checks.as_landmarks(landmarks, len(landmarks))
        frame = np.asarray(input_size, "float64")
        own = np.broadcast_to(np.asarray(image_size, "float64"), (len(landmarks), 2))
        self._present = np.isfinite(landmarks).all(axis=-1)
        in_input = move(landmarks, own, frame)
        whole = np.ones(tuple(int(n) for n in frame), bool)
        centred = _discs.disc(image_centre(frame), _DISC * frame.min(), frame)
        self.regions = Regions(discs, frame, [whole, centred])
        self._names = ["whole image", "centred disc"]
        self._fixed = len(self.regions.packed) - 2 + np.arange(2)
        known = () if discs is None else range(len(names))
        self._landmarks = [k for k in known if self._present[:, k].any()]
        self._names += [f"perfect {names[k]}" for k in self._landmarks]
        self._units = [_nearest_unit(in_input[:, k], centers) for k in self._landmarks]

    def detectors(self):
        """Their number, and a function of the place of an image."""

        def rows(place):
            drawn = [j for j, k in enumerate(self._landmarks) if self._present[place, k]]
            members = [*self._fixed, *(self._units[j][place] for j in drawn)]
            return Rows(
                np.array([0, 1, *(2 + j for j in drawn)]),
                np.array(members),
                np.arange(len(members)),
            )

        return len(self._names), rows

    def fill(self, table, rates):
        """Enters the overlaps into the table of `trivial_detectors`."""
        value, _ = best_part(rates)
        for name, overlap in zip(self._names, value, strict=True):
            row = table.setdefault(name, dict.fromkeys(_COLUMNS, float("nan")))
            row["part_interpretability"] = float(overlap)


def _best_constant(landmarks, size, frame, own):
    """The position of the lowest instability, on a lattice of 33 x 33, then a finer one.

    In the input's pixels [images, 1, 2].
    """
    images = len(landmarks)
    low, high = np.zeros(2), frame[::-1] - 1
    for _ in range(2):
        axes = [np.linspace(a, b, 33) for a, b in zip(low, high, strict=True)]
        lattice = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        value = _instability_of_constants(lattice, landmarks, size, own)
        if np.isnan(value).all():
            best = image_centre(frame)
            break
        best = lattice[np.nanargmin(value)]
        step = (high - low) / 16
        low, high = np.maximum(best - step, 0), np.minimum(best + step, frame[::-1] - 1)
    return np.broadcast_to(best, (images, 1, 2))


def _instability_of_constants(lattice, landmarks, size, own):
    """Instability of a detector at every position of the lattice.

    As `location_instability` has it; with equal strengths the first images count.
    """
    size = np.broadcast_to(size, (len(landmarks), 2))
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
                        own(np.broadcast_to(some, (len(landmarks), *some.shape)), rows)
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


def _side_means(landmarks, present, side):
    """One detector per landmark: its mean position on the image's side, [images, landmarks, 2]."""
    peaks = np.zeros_like(landmarks)
    for k in range(landmarks.shape[1]):
        overall = landmarks[present[:, k], k]
        for s in (0, 1):
            mine = landmarks[present[:, k] & (side == s), k]
            if not len(mine):
                mine = overall if len(overall) else np.zeros((1, 2))
            peaks[side == s, k] = mine.mean(axis=0)
    return peaks


def _nearest_unit(points, centers):
    flat = centers.reshape(-1, 2)
    distance = np.square(flat[None] - points[:, None]).sum(axis=-1)
    return np.where(np.isnan(distance), np.inf, distance).argmin(axis=1)

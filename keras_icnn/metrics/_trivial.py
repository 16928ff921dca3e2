"""Detectors that know nothing, or everything: what a measure's value is worth.

Low instability, a high overlap and an R2 near .5 can all be had without looking at the image, so
every table prints these beside a network, measured by the same functions on the same images.
"""

import numpy as np

from keras_icnn.metrics import _check, _discs
from keras_icnn.metrics._location_instability import location_instability, mean_or_nan
from keras_icnn.metrics._part_interpretability import association_rates, best_part
from keras_icnn.metrics._part_tracking import part_tracking
from keras_icnn.metrics._top_images import facing, image_centre

_DISC = 98 / 224
_DRAWS = 32
_COLUMNS = ("instability", "r2", "r2_strongest", "r2_facing", "part_interpretability")


def trivial_detectors(
    landmarks,
    centers,
    *,
    image_size,
    landmark_names=None,
    part_masks=None,
    image_ids=None,
    radius=None,
    seed=0,
):
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
        image_size: (height, width) in pixels.
        landmark_names: names of the landmarks.
        part_masks: function of an image's number that gives bool [parts, height, width], or None.
        image_ids: the images' numbers for `part_masks`; None: 0, 1, ...
        radius: of the round receptive field; None leaves out the overlap of `perfect NAME`.
        seed: of the random detector.

    Returns:
        dict of name to dict of `instability`, `r2`, `r2_strongest`, `r2_facing`,
        `part_interpretability`; NaN where a measure does not apply.
    """
    landmarks = _check.as_landmarks(landmarks, len(landmarks))
    centers = _check.as_centers(centers)
    size = _check.as_image_size(image_size)
    images, n_landmarks = landmarks.shape[:2]
    names = list(landmark_names or (str(k) for k in range(n_landmarks)))
    head = names.index("head") if "head" in names else None
    ids = range(images) if image_ids is None else image_ids
    present = np.isfinite(landmarks).all(axis=-1)
    side = facing(landmarks, head)

    def measure(peaks, rows=slice(None), chosen=None):
        """Means over the detectors; `chosen` names a reduction to the best of them instead."""
        mine = landmarks[rows]
        steady = location_instability(peaks[rows], mine, image_size=size).per_filter
        track = part_tracking(peaks[rows], mine, image_size=size, head=head)
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
        table["random"] = measure(drawn)
        table["centre"] = measure(np.broadcast_to(image_centre(size), (images, 1, 2)))
        table["best constant"] = measure(_best_constant(landmarks, size, images))
        if head is not None and present[:, head].any():
            table["one bit"] = measure(
                _side_means(landmarks, present, side), present[:, head], chosen="best"
            )
        for k, name in enumerate(names):
            if present[:, k].any():
                units = _nearest_unit(landmarks[:, k], centers)
                table[f"perfect {name}"] = measure(
                    centers.reshape(-1, 2)[units][:, None], present[:, k]
                )
    if part_masks is not None:
        _add_regions(table, landmarks, present, names, centers, size, part_masks, ids, radius)
    return table


def _best_constant(landmarks, size, images):
    """The position of the lowest instability, on a lattice of 33 x 33, then a finer one."""
    low, high = np.zeros(2), size[::-1] - 1
    for _ in range(2):
        axes = [np.linspace(a, b, 33) for a, b in zip(low, high, strict=True)]
        lattice = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        peaks = np.broadcast_to(lattice, (images, len(lattice), 2))
        value = location_instability(peaks, landmarks, image_size=size).per_filter
        if np.isnan(value).all():
            best = image_centre(size)
            break
        best = lattice[np.nanargmin(value)]
        step = (high - low) / 16
        low, high = np.maximum(best - step, 0), np.minimum(best + step, size[::-1] - 1)
    return np.broadcast_to(best, (images, 1, 2))


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


def _add_regions(table, landmarks, present, names, centers, size, part_masks, ids, radius):
    whole = _discs.pack(np.ones(size.astype(int), bool))
    centred = _discs.pack(_discs.disc(image_centre(size), _DISC * size.min(), size))
    fixed = np.stack([whole, centred])
    rows = ["whole image", "centred disc"]
    perfect = [k for k, name in enumerate(names) if f"perfect {name}" in table and radius]
    rows += [f"perfect {names[k]}" for k in perfect]
    units = [_nearest_unit(landmarks[:, k], centers) for k in perfect]
    flat = centers.reshape(-1, 2)

    def draw(i):
        discs = [
            _discs.pack(_discs.disc(flat[unit[i]], radius, size))
            for k, unit in zip(perfect, units, strict=True)
            if present[i, k]
        ]
        drawn = [2 + j for j, k in enumerate(perfect) if present[i, k]]
        return np.array([0, 1, *drawn]), np.stack([*fixed, *discs])

    value, _ = best_part(association_rates(part_masks, ids, size, draw, len(rows)))
    for name, overlap in zip(rows, value, strict=True):
        row = table.setdefault(name, dict.fromkeys(_COLUMNS, float("nan")))
        row["part_interpretability"] = float(overlap)

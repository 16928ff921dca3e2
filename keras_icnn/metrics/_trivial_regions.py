"""Trivial detectors that answer with a region: a fixed one, or that of the nearest unit."""

import numpy as np

from keras_icnn.metrics import _array_shapes as shapes
from keras_icnn.metrics import _bit_masks as bits
from keras_icnn.metrics._part_association import Regions, Rows
from keras_icnn.metrics._part_interpretability import best_part
from keras_icnn.metrics._resizing import move_points
from keras_icnn.metrics._top_images import image_center

COLUMNS = (
    "instability",
    "r2",
    "r2_strongest",
    "r2_facing",
    "coverage",
    "parts_followed",
    "anatomy",
    "part_interpretability",
)

_DISC = 98 / 224


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
        landmarks = shapes.as_landmarks(landmarks, len(landmarks))
        frame = np.asarray(input_size, "float64")
        own = np.broadcast_to(np.asarray(image_size, "float64"), (len(landmarks), 2))
        self._present = np.isfinite(landmarks).all(axis=-1)
        in_input = move_points(landmarks, own, frame)
        whole = np.ones(tuple(int(n) for n in frame), bool)
        centered = bits.disc(image_center(frame), _DISC * frame.min(), frame)
        self.regions = Regions(discs, frame, [whole, centered])
        self._names = ["whole image", "centred disc"]
        self._fixed = len(self.regions.packed) - 2 + np.arange(2)
        known = () if discs is None else range(len(names))
        self._landmarks = [k for k in known if self._present[:, k].any()]
        self._names += [f"perfect {names[k]}" for k in self._landmarks]
        self._units = [nearest_unit(in_input[:, k], centers) for k in self._landmarks]

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
            row = table.setdefault(name, dict.fromkeys(COLUMNS, float("nan")))
            row["part_interpretability"] = float(overlap)


def nearest_unit(points, centers):
    """Number of the unit nearest to each point [images, 2]; `centers` [h, w, 2]."""
    flat = centers.reshape(-1, 2)
    distance = np.square(flat[None] - points[:, None]).sum(axis=-1)
    return np.where(np.isnan(distance), np.inf, distance).argmin(axis=1)

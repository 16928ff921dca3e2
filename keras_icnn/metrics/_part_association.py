"""Which detectors are associated with which parts: IoU above a bound, decided exactly.

A detector's region in an image is a union of known regions (the discs of its valid units). Most
decisions follow from the areas of those and of their overlaps with the part; only where these
bounds leave it open is the union drawn.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from keras_icnn.metrics import _bit_masks as bits

# NumPy lets go of the interpreter's lock in what is done here.
_THREADS = min(4, os.cpu_count() or 1)
_IMAGES = 16  # for each thread at a time


class Regions:
    """Regions that detectors are composed of, as bit masks.

    Args:
        discs: the units' discs, as from `pack_discs`; None: no discs.
        image_size: (height, width).
        extra: list of bool [height, width], numbered after the units.
    """

    def __init__(self, discs, image_size, extra=()):
        self.image_size = tuple(int(n) for n in image_size)
        packed = [] if discs is None else [discs]
        packed += [bits.pack(mask)[None] for mask in extra]
        self.packed = np.concatenate(packed)
        self.area = bits.popcount(self.packed)


class Rows(NamedTuple):
    """The detectors that have a region in one image: `detectors` [n]; detector i is the union of
    the regions `members[starts[i]:starts[i + 1]]`."""

    detectors: np.ndarray
    members: np.ndarray
    starts: np.ndarray


def association_rates(part_masks, image_ids, regions, groups, iou):
    """P_fk of detectors: the share of the images with part k on which f is associated with it.

    Args:
        part_masks: function of an image's number that gives bool [parts, height, width]; it is
            called once an image, from several threads.
        image_ids: the images' numbers.
        regions: `Regions`.
        groups: list of pairs of a number of detectors and a function of the place in `image_ids`
            that gives their `Rows`.
        iou: association needs more than this.

    Returns:
        list of float [detectors, parts], one a group; NaN where no image has the part.
    """

    def count(places):
        return [_count(part_masks(image_ids[i]), image_ids[i], i) for i in places]

    def _count(masks, image_id, place):
        masks = np.asarray(masks, dtype=bool)
        if masks.ndim != 3 or masks.shape[1:] != regions.image_size:
            raise ValueError(
                "`part_masks` must give bool [parts, height, width] with (height, width) = "
                f"{regions.image_size}. Received: shape={masks.shape} for image {image_id}"
            )
        present = masks.any(axis=(1, 2))
        if not present.any():
            return present, None
        parts = bits.pack(masks[present])
        overlap = bits.overlaps(regions.packed, parts)
        return present, [
            _associated(regions, rows(place), parts, overlap, iou) for _, rows in groups
        ]

    hits = images_with = None
    places = [range(i, min(i + _IMAGES, len(image_ids))) for i in range(0, len(image_ids), _IMAGES)]
    with ThreadPoolExecutor(_THREADS) as pool:
        for block in pool.map(count, places):
            for present, found in block:
                if hits is None:
                    hits = [np.zeros((n, len(present))) for n, _ in groups]
                    images_with = np.zeros(len(present))
                images_with += present
                for total, rows in zip(hits, found or (), strict=bool(found)):
                    detectors, associated = rows
                    total[np.ix_(detectors, np.flatnonzero(present))] += associated
    return [np.where(images_with > 0, n / np.maximum(images_with, 1), np.nan) for n in hits]


def _associated(regions, rows, parts, overlap, iou):
    """(detectors, bool [detectors, parts]); `overlap` [regions, parts] in pixels."""
    if not len(rows.detectors):
        return rows.detectors, np.zeros((0, len(parts)), bool)
    part_area = bits.popcount(parts)
    overlap = overlap[rows.members]
    area = regions.area[rows.members]
    # The union's area lies between that of the largest member and the sum; so does its overlap.
    lowest, highest = np.maximum.reduceat(area, rows.starts), np.add.reduceat(area, rows.starts)
    low = np.maximum.reduceat(overlap, rows.starts)
    high = np.minimum(np.add.reduceat(overlap, rows.starts), part_area)
    certain = _ratio(low, highest[:, None] + part_area - low) > iou
    possible = _ratio(high, lowest[:, None] + part_area - high) > iou
    undecided = (possible & ~certain).any(axis=1)
    if undecided.any():
        ends = np.append(rows.starts[1:], len(rows.members))
        lengths = ends - rows.starts
        members = rows.members[np.repeat(undecided, lengths)]
        starts = np.append(0, np.cumsum(lengths[undecided])[:-1])
        drawn = bits.unions(regions.packed, members, starts)
        certain[undecided] = bits.iou(drawn, parts) > iou
    return rows.detectors, certain


def _ratio(both, either):
    return both / np.maximum(either, 1)

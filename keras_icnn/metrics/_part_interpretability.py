"""Part interpretability of filters (paper section 5.2.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.metrics import _array_shapes as shapes
from keras_icnn.metrics import _bit_masks as bits
from keras_icnn.metrics._location_instability import mean_or_nan
from keras_icnn.metrics._part_association import Regions, Rows, association_rates

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

IOU = 0.2

# Entries gathered at least before the strongest are selected again.
_BUFFER = 1 << 15
# Entries in a temporary array: 64 KiB. Larger ones are mapped and given back each time, which
# takes longer than what is done with them.
_TABLE = 1 << 13
# Neighboring units of a row of which the highest counts in the first guess of the floor.
_BLOCK = 8


@dataclass(frozen=True)
class InterpretabilityResult:
    """`rates` [filters, parts]: P_fk, share of the images with part k on which filter f is
    associated with it (NaN: no image has the part). `per_filter` [filters]: P_f, the highest of
    them; `part` int [filters]: which part that is (-1: none); `thresholds` [filters]: T_f;
    `mean` over the filters; `radius` in pixels.
    """

    rates: np.ndarray
    per_filter: np.ndarray
    part: np.ndarray
    thresholds: np.ndarray
    mean: float
    radius: float


class PartInterpretability:
    """Streaming form of `part_interpretability`, exact in one pass.

    Kept are each filter's `share * images * units + 1` highest activations with their places,
    which is what the threshold and the valid units depend on, and nothing else. Masks are asked
    for one image at a time, in `result`.

    Args:
        images: how many images will come at most.
        part_masks: function of an image's number that gives bool [parts, height, width]; a part
            that is absent has an empty mask.
        centers: [h, w, 2], (x, y) pixel of each unit's center.
        radius: of the round receptive field, in pixels.
        image_size: (height, width) of the masks.
        share: P(x > T_f).
        iou: association needs an intersection over union above this.
    """

    def __init__(
        self,
        images: int,
        part_masks: Callable[[int], np.ndarray],
        centers: ArrayLike,
        radius: float,
        image_size: Sequence[int],
        *,
        share: float = 0.005,
        iou: float = IOU,
    ) -> None:
        self.centers = shapes.as_centers(centers)
        self.image_size = shapes.as_image_size(image_size)
        where = "PartInterpretability"
        radius = check.positive(radius, "radius", where, fix="See `occlusion_radius`.")
        share = check.number(share, "share", where, above=0, below=1)
        self.part_masks = part_masks
        self.radius = radius
        self.share = share
        self.iou = iou
        self._units = self.centers.shape[0] * self.centers.shape[1]
        self._capacity = self._rank(images) + 1
        self._expected = images
        if images * self._units >= 2**32:
            raise ValueError(
                f"At most {2**32 // self._units} images of {self._units} units can be measured at "
                f"once. Received: images={images}; measure in groups of categories."
            )
        self._filters = None
        self._floor = None
        self._kept = []
        self._buffered = 0
        self._ids = []
        self._images = 0

    def _rank(self, images):
        # 1e-9: .005 * 200 must be 1 in floating point, too.
        return int(self.share * images * self._units + 1e-9)

    def update(self, maps: ArrayLike, image_ids: Iterable[int] | None = None) -> None:
        """Adds maps [images, h, w, filters]; `image_ids` are the numbers `part_masks` knows."""
        maps = shapes.as_maps(maps)
        if maps.shape[1:3] != self.centers.shape[:2]:
            raise ValueError(
                "`maps` must have the height and width of `centers`, "
                f"{self.centers.shape[:2]}. Received: maps.shape={maps.shape}"
            )
        images = len(maps)
        if self._images + images > self._expected:
            raise ValueError(
                f"More images than `images={self._expected}` were given; the threshold would no "
                "longer be exact. Pass the full number of images to the constructor."
            )
        if image_ids is None:
            image_ids = range(self._images, self._images + images)
        self.add(maps, image_ids)

    def add(self, maps: Sequence[np.ndarray] | np.ndarray, image_ids: Iterable[int]) -> None:
        """`update` without its checks: `maps` is a sequence of float32 [h, w, filters]."""
        if self._filters is None:
            self._filters = maps[0].shape[-1]
            self._floor = self._first_floor(maps)
        filters = self._filters
        for one in maps:
            # Maps are taken after ReLU: values of 0 or less are never valid.
            above = np.flatnonzero(one > self._floor)
            place, filter_ = np.divmod(above, filters)
            place += self._images * self._units
            values = one.reshape(-1)[above].view("uint32").astype("uint64")
            keys = (values << np.uint64(32)) | place.astype("uint64")
            self._kept.append((filter_.astype("uint16" if filters < 2**16 else "int64"), keys))
            self._buffered += len(keys)
            self._images += 1
        self._ids.extend(int(i) for i in image_ids)
        if self._buffered > max(_BUFFER, 2 * filters * self._capacity):
            self._compact()

    def _first_floor(self, maps):
        """What no unit can lie at or below and still be kept, [filters], from one batch.

        If `capacity` blocks of units have their highest at b or above, as many units have.
        """
        pieces = -(-maps[0].shape[1] // _BLOCK)
        highest = [
            block.max(axis=1) for one in maps for block in np.array_split(one, pieces, axis=1)
        ]
        highest = np.concatenate(highest)
        surplus = len(highest) - self._capacity
        if surplus < 0:
            return np.zeros(self._filters, "float32")
        bound = np.partition(highest, surplus, axis=0)[surplus]
        return np.nextafter(np.maximum(bound, 0), np.float32(0))

    def _compact(self):
        """Lets go of all but each filter's `capacity` highest."""
        filter_ = np.concatenate([f for f, _ in self._kept])
        keys = np.concatenate([k for _, k in self._kept])
        order = np.argsort(filter_, kind="stable")  # a radix sort for 16 bits
        filter_, keys = filter_[order], keys[order]
        count = np.bincount(filter_, minlength=self._filters)
        starts = np.cumsum(count) - count
        keep = np.ones(len(keys), bool)
        longer = np.flatnonzero(count > self._capacity)
        longer = longer[np.argsort(-count[longer])]
        while len(longer):
            # Filters of about the same number of entries, as rows of one table.
            width = count[longer[0]]
            some, longer = np.split(longer, [max(1, _TABLE // width)])
            column = np.arange(width)
            inside = column < count[some][:, None]
            place = starts[some][:, None] + np.where(inside, column, 0)
            table = np.where(inside, keys[place], 0)
            cut = width - self._capacity
            table.partition(cut, axis=1)
            # What is no higher than the lowest kept, the first after a partition, cannot lie
            # above the threshold.
            self._floor[some] = _value(table[:, cut])
            keep[place] = False
            place = place[:, : self._capacity]
            keys[place] = table[:, cut:]
            keep[place] = True
        self._kept = [(filter_[keep], keys[keep])]
        self._buffered = 0
        return self._kept[0]

    def _valid(self):
        """Thresholds [filters] and the valid units as (image, filter, unit) sorted arrays."""
        filter_, keys = self._compact()
        values = _value(keys)
        thresholds = self._thresholds_of(filter_, values)
        valid = values > thresholds[filter_]
        places = (keys[valid] & np.uint64(0xFFFFFFFF)).astype("int64")
        filters = filter_[valid].astype("int64")
        image, unit = np.divmod(places, self._units)
        order = np.argsort((image * self._filters + filters) * self._units + unit)
        return thresholds, image[order], filters[order], unit[order]

    def _thresholds_of(self, filter_, values):
        """The value of rank `_rank` of every filter, from what was kept, sorted by filter."""
        rank = self._rank(self._images)
        count = np.bincount(filter_, minlength=self._filters)
        starts = np.cumsum(count) - count
        thresholds = np.zeros(self._filters)
        some = np.flatnonzero(count)
        if len(some):
            lowest = np.minimum.reduceat(values, starts[some])
            thresholds[some] = np.where(count[some] == rank + 1, lowest, 0)
        # Only where fewer images came than were announced, so that more than needed was kept.
        for f in np.flatnonzero(count > rank + 1):
            mine = values[starts[f] : starts[f] + count[f]]
            thresholds[f] = np.partition(mine, count[f] - 1 - rank)[count[f] - 1 - rank]
        return thresholds

    def detectors(self) -> tuple[int, Callable[[int], Rows]]:
        """The filters as a group of `association_rates`: their number, and a function."""
        if self._filters is None:
            raise ValueError("No images were measured: call `update` before `result`.")
        self._thresholds, image, filters, unit = self._valid()
        bounds = np.searchsorted(image, np.arange(self._images + 1))

        def rows(place):
            mine = slice(bounds[place], bounds[place + 1])
            sorted_ = filters[mine]
            starts = np.flatnonzero(np.diff(sorted_, prepend=-1))
            return Rows(sorted_[starts], unit[mine], starts)

        return self._filters, rows

    @property
    def image_ids(self) -> list[int]:
        """The numbers of the images so far, in the order that `detectors` counts them in."""
        return self._ids

    def finish(self, rates: np.ndarray) -> InterpretabilityResult:
        """The `InterpretabilityResult`, from the rates of `detectors`."""
        per_filter, part = best_part(rates)
        mean = float(mean_or_nan(per_filter))
        return InterpretabilityResult(rates, per_filter, part, self._thresholds, mean, self.radius)

    def result(self) -> InterpretabilityResult:
        """The `InterpretabilityResult` of all batches so far."""
        group = self.detectors()
        discs = bits.pack_discs(self.centers.reshape(-1, 2), self.radius, self.image_size)
        regions = Regions(discs, self.image_size)
        (rates,) = association_rates(self.part_masks, self._ids, regions, [group], self.iou)
        return self.finish(rates)


def _value(keys):
    return (keys >> np.uint64(32)).astype("uint32").view("float32")


def best_part(rates):
    """P_f = max_k P_fk and the part it belongs to (NaN and -1 where no part is defined)."""
    if rates.shape[-1] == 0:
        return np.full(len(rates), np.nan), np.full(len(rates), -1)
    filled = np.where(np.isfinite(rates), rates, -1.0)
    part = filled.argmax(axis=-1)
    value = filled.max(axis=-1)
    return np.where(value < 0, np.nan, value), np.where(value < 0, -1, part)


def part_interpretability(
    maps: ArrayLike,
    part_masks: ArrayLike,
    *,
    centers: ArrayLike,
    radius: float,
    share: float = 0.005,
    iou: float = IOU,
) -> InterpretabilityResult:
    """How often the region where a filter is strongly active overlaps one and the same part.

    The threshold T_f has P(x > T_f) = `share` over all positions of all maps of filter f: it is
    the value of rank floor(share * images * h * w), counted from 0 at the highest, and valid units
    lie strictly above it. Valid units are drawn as discs of `radius` around their centers; their
    union on image I, S_f, is associated with part k where IoU(S_f, S_k) > `iou`. P_fk is the rate
    over the images that contain part k and P_f = max_k P_fk (paper section 5.2.1).

    Args:
        maps: float [images, h, w, filters], the filters' maps after ReLU and mask.
        part_masks: bool [images, parts, height, width]; an absent part has an empty mask.
        centers: float [h, w, 2], (x, y) pixel of each unit's center.
        radius: of the round receptive field, in pixels (see `occlusion_radius`).
        share: P(x > T_f).
        iou: association needs an intersection over union above this.

    Returns:
        An `InterpretabilityResult`.

    Raises:
        ValueError: for wrong shapes or a radius that is not positive.
    """
    maps = shapes.as_maps(maps)
    part_masks = np.asarray(part_masks, dtype=bool)
    if part_masks.ndim != 4 or len(part_masks) != len(maps):
        raise ValueError(
            f"`part_masks` must be bool [images={len(maps)}, parts, height, width]. "
            f"Received: part_masks.shape={part_masks.shape}"
        )
    measure = PartInterpretability(
        len(maps),
        part_masks.__getitem__,
        centers,
        radius,
        part_masks.shape[2:],
        share=share,
        iou=iou,
    )
    measure.update(maps)
    return measure.result()

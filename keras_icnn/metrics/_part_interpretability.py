"""Part interpretability of filters (paper section 5.2.1)."""

from dataclasses import dataclass

import numpy as np

from keras_icnn.metrics import _check, _discs
from keras_icnn.metrics._location_instability import mean_or_nan

# Entries gathered before the strongest are selected again (12 bytes each).
_BUFFER = 1 << 20


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
        centers: [h, w, 2], (x, y) pixel of each unit's centre.
        radius: of the round receptive field, in pixels.
        image_size: (height, width) of the masks.
        share: P(x > T_f).
        iou: association needs an intersection over union above this.
    """

    def __init__(self, images, part_masks, centers, radius, image_size, *, share=0.005, iou=0.2):
        self.centers = _check.as_centers(centers)
        self.image_size = _check.as_image_size(image_size)
        if not np.isfinite(radius) or radius <= 0:
            raise ValueError(f"`radius` must be a positive number. Received: radius={radius}")
        if not 0 < share < 1:
            raise ValueError(f"`share` must lie between 0 and 1. Received: share={share}")
        self.part_masks = part_masks
        self.radius = float(radius)
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

    def update(self, maps, image_ids=None):
        """Adds maps [images, h, w, filters]; `image_ids` are the numbers `part_masks` knows."""
        maps = _check.as_maps(maps)
        if maps.shape[1:3] != self.centers.shape[:2]:
            raise ValueError(
                "`maps` must have the height and width of `centers`, "
                f"{self.centers.shape[:2]}. Received: maps.shape={maps.shape}"
            )
        images, _, _, filters = maps.shape
        if self._images + images > self._expected:
            raise ValueError(
                f"More images than `images={self._expected}` were given; the threshold would no "
                "longer be exact. Pass the full number of images to the constructor."
            )
        if self._filters is None:
            self._filters = filters
            self._floor = np.zeros(filters, "float32")
        if image_ids is None:
            image_ids = range(self._images, self._images + images)
        flat = maps.reshape(-1, filters)
        # Maps are taken after ReLU: values of 0 or less are never valid.
        place, filter_ = np.divmod(np.flatnonzero(flat > self._floor), filters)
        place += self._images * self._units
        values = flat[place - self._images * self._units, filter_]
        keys = (values.view("uint32").astype("uint64") << np.uint64(32)) | place.astype("uint64")
        self._kept.append((filter_.astype("uint16" if filters < 2**16 else "int64"), keys))
        self._ids.extend(int(i) for i in image_ids)
        self._images += images
        self._buffered += len(keys)
        if self._buffered > max(_BUFFER, filters * self._capacity):
            self._compact()

    def _compact(self):
        filter_ = np.concatenate([f for f, _ in self._kept])
        keys = np.concatenate([k for _, k in self._kept])
        order = np.argsort(filter_, kind="stable")  # a radix sort for 16 bits
        filter_, keys = filter_[order], keys[order]
        ends = np.searchsorted(filter_, np.arange(self._filters + 1))
        chosen = []
        for f in range(self._filters):
            mine = keys[ends[f] : ends[f + 1]]
            if len(mine) > self._capacity:
                cut = len(mine) - self._capacity
                mine = np.partition(mine, cut)[cut:]
                # What is no higher than the lowest kept cannot lie above the threshold.
                self._floor[f] = _value(mine.min())
            chosen.append(mine)
        lengths = [len(mine) for mine in chosen]
        filter_ = np.repeat(np.arange(self._filters, dtype=filter_.dtype), lengths)
        self._kept = [(filter_, np.concatenate(chosen))]
        self._buffered = 0
        return chosen

    def _valid(self):
        """Thresholds [filters] and the valid units as (image, filter, unit) sorted arrays."""
        chosen = self._compact()
        rank = self._rank(self._images)
        thresholds = np.zeros(self._filters)
        filters, places = [], []
        for f, keys in enumerate(chosen):
            values = _value(keys)
            if len(values) > rank:
                thresholds[f] = np.partition(values, len(values) - 1 - rank)[len(values) - 1 - rank]
            valid = keys[values > thresholds[f]] & np.uint64(0xFFFFFFFF)
            places.append(valid.astype("int64"))
            filters.append(np.full(len(valid), f))
        filters, places = np.concatenate(filters), np.concatenate(places)
        image, unit = np.divmod(places, self._units)
        order = np.lexsort((unit, filters, image))
        return thresholds, image[order], filters[order], unit[order]

    def result(self):
        """The `InterpretabilityResult` of all batches so far."""
        if self._filters is None:
            raise ValueError("No images were measured: call `update` before `result`.")
        thresholds, image, filters, unit = self._valid()
        packed = _discs.pack_discs(self.centers.reshape(-1, 2), self.radius, self.image_size)
        bounds = np.searchsorted(image, np.arange(self._images + 1))

        def draw(i):
            mine = slice(bounds[i], bounds[i + 1])
            rows, starts = np.unique(filters[mine], return_index=True)
            return rows, _discs.unions(packed, unit[mine], starts)

        rates = association_rates(
            self.part_masks, self._ids, self.image_size, draw, self._filters, self.iou
        )
        per_filter, part = best_part(rates)
        return InterpretabilityResult(
            rates, per_filter, part, thresholds, float(mean_or_nan(per_filter)), self.radius
        )


def _value(keys):
    return (np.asarray(keys) >> np.uint64(32)).astype("uint32").view("float32")


def association_rates(part_masks, image_ids, image_size, draw, detectors, iou=0.2):
    """P_fk of any detectors that draw regions.

    Args:
        part_masks: function of an image's number that gives bool [parts, height, width].
        image_ids: the images' numbers.
        image_size: (height, width) of the masks.
        draw: function of the place in `image_ids` that gives (detector numbers [n], their packed
            regions [n, words]); detectors left out have an empty region.
        detectors: how many there are.
        iou: association needs more than this.

    Returns:
        float [detectors, parts]; NaN where no image has the part.
    """
    hits = images_with = None
    for place, image_id in enumerate(image_ids):
        masks = np.asarray(part_masks(image_id), dtype=bool)
        if masks.ndim != 3 or masks.shape[1:] != tuple(int(n) for n in image_size):
            raise ValueError(
                "`part_masks` must give bool [parts, height, width] with (height, width) = "
                f"{tuple(int(n) for n in image_size)}. "
                f"Received: shape={masks.shape} for image {image_id}"
            )
        if hits is None:
            hits = np.zeros((detectors, len(masks)))
            images_with = np.zeros(len(masks))
        present = masks.any(axis=(1, 2))
        images_with += present
        if not present.any():
            continue
        rows, regions = draw(place)
        if len(rows):
            associated = _discs.iou(regions, _discs.pack(masks[present])) > iou
            hits[np.ix_(rows, np.flatnonzero(present))] += associated
    return np.where(images_with > 0, hits / np.maximum(images_with, 1), np.nan)


def best_part(rates):
    """P_f = max_k P_fk and the part it belongs to (NaN and -1 where no part is defined)."""
    if rates.shape[-1] == 0:
        return np.full(len(rates), np.nan), np.full(len(rates), -1)
    filled = np.where(np.isfinite(rates), rates, -1.0)
    part = filled.argmax(axis=-1)
    value = filled.max(axis=-1)
    return np.where(value < 0, np.nan, value), np.where(value < 0, -1, part)


def part_interpretability(
    maps, part_masks, *, centers, radius, share=0.005, iou=0.2
) -> InterpretabilityResult:
    """How often the region where a filter is strongly active overlaps one and the same part.

    The threshold T_f has P(x > T_f) = `share` over all positions of all maps of filter f: it is
    the value of rank floor(share * images * h * w), counted from 0 at the highest, and valid units
    lie strictly above it. Valid units are drawn as discs of `radius` around their centres; their
    union on image I, S_f, is associated with part k where IoU(S_f, S_k) > `iou`. P_fk is the rate
    over the images that contain part k and P_f = max_k P_fk (paper section 5.2.1).

    Args:
        maps: float [images, h, w, filters], the filters' maps after ReLU and mask.
        part_masks: bool [images, parts, height, width]; an absent part has an empty mask.
        centers: float [h, w, 2], (x, y) pixel of each unit's centre.
        radius: of the round receptive field, in pixels (see `occlusion_radius`).
        share: P(x > T_f).
        iou: association needs an intersection over union above this.

    Returns:
        An `InterpretabilityResult`.

    Raises:
        ValueError: for wrong shapes or a radius that is not positive.
    """
    maps = _check.as_maps(maps)
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

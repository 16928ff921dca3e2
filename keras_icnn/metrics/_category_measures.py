"""All measures of one category's images, gathered batch by batch."""

from typing import NamedTuple

import numpy as np

from keras_icnn.metrics._diversity import Alive, PeakDiversity
from keras_icnn.metrics._location_instability import InstabilityResult, LocationInstability
from keras_icnn.metrics._part_anatomy import AnatomyResult, PartAnatomy
from keras_icnn.metrics._part_coverage import CoverageResult, PartCoverage
from keras_icnn.metrics._part_interpretability import InterpretabilityResult, PartInterpretability
from keras_icnn.metrics._part_tracking import PartTracking, TrackingResult
from keras_icnn.metrics._peak_table import PeakTable
from keras_icnn.metrics._resizing import move_points
from keras_icnn.metrics._top_images import TopImages
from keras_icnn.models._map_reading import peak_units


class CategoryResult(NamedTuple):
    """The results of one category; `mean_sum` [filters] is the mean of sum_ij x over its images."""

    instability: InstabilityResult
    tracking: TrackingResult
    parts: InterpretabilityResult | None
    alive: np.ndarray
    fired: np.ndarray
    mean_sum: np.ndarray
    mean_peak: np.ndarray
    random_instability: float
    coverage: CoverageResult
    anatomy: AnatomyResult


class CategoryMeasures:
    """Streams one category's maps through every measure.

    Args:
        landmarks: float [images of the category, landmarks, 2].
        image_ids: their numbers in the data set.
        centers, image_size, radius, part_masks: as in `PartInterpretability`; without a radius or
            masks part interpretability is left out.
        head: index of the landmark that gives facing, or None.
        sizes: [images of the data set, 2], the images' own (height, width) where they differ from
            `image_size`; `landmarks` are in their pixels. Rows are read when their image comes.
        landmark_names: names of the landmarks, which tell pairs of left and right.
    """

    def __init__(
        self,
        landmarks,
        image_ids,
        centers,
        image_size,
        radius,
        part_masks,
        head,
        sizes=None,
        landmark_names=None,
    ):
        self._centers = centers
        self._landmarks = landmarks
        self._image_size = image_size
        self._sizes = sizes
        self._place = {int(image_id): place for place, image_id in enumerate(image_ids)}
        self._names = landmark_names
        self._store = TopImages(image_size, head=head)
        self._table = PeakTable()
        self._parts = None
        if radius is not None and part_masks is not None:
            self._parts = PartInterpretability(
                len(image_ids), part_masks, centers, radius, image_size
            )
        self._alive = Alive()
        self._sum = 0.0
        self._peak = 0.0
        self._images = 0

    def update(self, maps, image_ids, diversity: PeakDiversity):
        """Adds maps, a list of [h, w, filters], of the images with these numbers."""
        # Finite numbers cannot add up to anything else in float64: one pass for both.
        sums = sum(one.sum(axis=(0, 1), dtype="float64") for one in maps)
        if not np.isfinite(sums).all():
            raise ValueError(
                "The maps to measure hold NaN or infinite values; check that the network did not "
                "diverge and that its input has the right preprocessing."
            )
        units, strengths = peak_units(maps)
        peaks = self._centers.reshape(-1, 2)[units]
        own, size = None, self._image_size
        if self._sizes is not None:
            own = size = self._sizes[np.asarray(image_ids)]
            peaks = move_points(peaks, self._image_size, own)
        place = [self._place[int(image_id)] for image_id in image_ids]
        self._store.update(
            peaks, self._landmarks[place], strengths, image_ids=image_ids, image_size=own
        )
        self._table.update(
            peaks, self._landmarks[place], strengths, image_ids=image_ids, image_size=size
        )
        if self._parts is not None:
            self._parts.add(maps, image_ids)
        self._alive.update(strengths)
        if own is None:
            diversity.update_units(units, strengths, self._centers)
        else:
            diversity.update(peaks, strengths, image_size=own)
        self._sum = self._sum + sums
        self._peak = self._peak + np.maximum(strengths, 0).sum(axis=0, dtype="float64")
        self._images += len(maps)

    @property
    def parts(self):
        """The `PartInterpretability`, or None."""
        return self._parts

    def result(self, random_instability, rates=None):
        """The `CategoryResult`.

        Args:
            random_instability: what filters not alive enter means with.
            rates: the association rates of `parts.detectors()`.
        """
        is_alive, fired = self._alive.result()
        return CategoryResult(
            LocationInstability(store=self._store).result(),
            PartTracking(store=self._store).result(),
            None if rates is None else self._parts.finish(rates),
            is_alive,
            fired,
            self._sum / self._images,
            self._peak / self._images,
            random_instability,
            PartCoverage(store=self._table).result(),
            PartAnatomy(landmark_names=self._names, store=self._table).result(),
        )

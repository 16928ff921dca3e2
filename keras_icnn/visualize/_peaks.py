"""Where and how strongly a layer's filters fire over a data set."""

from dataclasses import dataclass

import numpy as np

from keras_icnn.metrics import peaks_of
from keras_icnn.visualize._checks import check_dataset


@dataclass(frozen=True)
class Peaks:
    """Every filter's peak in some images: `strengths` `[images, filters]`, `places` `[images,
    filters, 2]`, (x, y) pixels."""

    strengths: np.ndarray
    places: np.ndarray

    def strongest(self, filter, n):
        """Numbers of the `n` images that a filter fires on most, those it is silent on left out."""
        strengths = self.strengths[:, filter]
        order = np.argsort(-strengths, kind="stable")[:n]
        return [int(i) for i in order if strengths[i] > 0]

    def most_active(self):
        """Filters by their mean peak, the highest first."""
        return np.argsort(-self.strengths.mean(axis=0), kind="stable")


def measured_peaks(reader, dataset, batch_size=32):
    """The `Peaks` of all filters over a data set; maps are not kept.

    Args:
        reader: `keras_icnn.metrics.MapReader`.
        dataset: `PartDataset` of images of one size.
        batch_size: images read from the data set at a time.
    """
    check_dataset(dataset)
    strengths, places = [], []
    batches = dataset.batches(batch_size)
    for number in range(len(batches)):
        maps = reader.maps(batches[number][0])
        found, height = peaks_of(maps.after, maps.field.centers)
        places.append(found.astype("float32"))
        strengths.append(height)
    return Peaks(np.concatenate(strengths), np.concatenate(places))

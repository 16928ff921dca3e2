"""A layer's maps before and after its mask, and where they look in the image."""

from dataclasses import dataclass

import numpy as np

from keras_icnn.metrics import MapReader, peaks_of, receptive_field
from keras_icnn.models._map_reading import interpretable_filters, mask_off


@dataclass(frozen=True)
class Maps:
    """Maps of some images.

    Attributes:
        layer: the layer.
        before: float32 `[images, h, w, filters]`, rectified maps before the mask.
        after: the same behind the mask; equal to `before` for an ordinary layer.
        masked: whether the layer has a mask at all.
        field: `ReceptiveField` of the layer.
    """

    layer: object
    before: np.ndarray
    after: np.ndarray
    masked: bool
    field: object

    def masks(self):
        """The layer's masks: 1 at each map's peak, falling to 0; float32, shaped as `before`."""
        from keras import ops

        return ops.convert_to_numpy(interpretable_filters(self.layer).masks(self.before))

    def peak(self, image, filter):
        """(x, y) pixel that the strongest unit of a map is centred on."""
        unit = int(self.after[image, :, :, filter].argmax())
        return self.field.centers.reshape(-1, 2)[unit]


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


class MapsReader:
    """Gives the `Maps` of images; made once for many batches, so that it is compiled once.

    The map before the mask is what the same layer gives with its mask off. The mask is a plain
    attribute that is read when a function is traced, so a forward pass of its own, traced with the
    mask off, has it; the layer is as before after each call, also by an error.

    Args:
        model, layer: as in `keras_icnn.metrics.measured_layer`.
        batch_size: images per forward pass.

    Attributes:
        layer: the layer.
        field: its `ReceptiveField`, from the first call on.
        output: `MapReader` of the layer's output.
    """

    def __init__(self, model, layer=None, batch_size=32):
        self.output = MapReader(model, layer, batch_size)
        self.layer = self.output.layer
        inner = interpretable_filters(self.layer)
        self.masked = inner is not None and inner.mask
        self._before = MapReader(model, self.layer, batch_size) if self.masked else None
        self._input_size = tuple(model.inputs[0].shape[1:3])
        self._model = model
        self.field = None

    def __call__(self, images, before=False):
        """The `Maps` of images `[images, height, width, 3]`, 0 to 255.

        Without `before` half the work is spared, and `Maps.before` is `Maps.after`.
        """
        images = np.asarray(images, "float32")
        self._require_size(images.shape[1:3])
        after = np.maximum(self.output(images)[0], 0)
        unmasked = after
        if before and self._before is not None:
            with mask_off(self.layer):
                unmasked = np.maximum(self._before(images)[0], 0)
        return Maps(self.layer, unmasked, after, self.masked, self.field)

    def peaks(self, dataset, batch_size=32):
        """The `Peaks` of all filters over a data set; maps are not kept."""
        check_dataset(dataset)
        strengths, places = [], []
        batches = dataset.batches(batch_size)
        for number in range(len(batches)):
            found, height = peaks_of(self(batches[number][0]).after, self.field.centers)
            places.append(found.astype("float32"))
            strengths.append(height)
        return Peaks(np.concatenate(strengths), np.concatenate(places))

    def _require_size(self, size):
        pairs = zip(self._input_size, size, strict=True)
        if any(n is not None and n != m for n, m in pairs):
            raise ValueError(
                f"Images must have the model's input size, {self._input_size} (height, width). "
                f"Received: {tuple(size)}. Resize them, or read the data set with that "
                "`image_size`."
            )
        if self.field is None or self.field.image_size != tuple(size):
            self.field = receptive_field(self._model, self.layer, input_size=size)


def check_dataset(dataset, name="dataset"):
    """Checks that there are images, of one size.

    Raises:
        ValueError: otherwise.
    """
    if not len(dataset):
        raise ValueError(f"`{name}` must hold at least one image. Received: none")
    if dataset.image_size is None:
        raise ValueError(
            f"`{name}` must have images of one size. Received: images that differ; read the data "
            "set with an `image_size`."
        )


def check_counts(**numbers):
    """Checks that each number is a whole one of at least 1.

    Raises:
        ValueError: otherwise.
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(
                f"`{name}` must be a whole number of at least 1. Received: {name}={value!r}"
            )


def checked_filters(filters, count, strongest=(), n=3):
    """List of filter numbers; None: the `n` first of `strongest`.

    Raises:
        ValueError: for a number that is not a filter's.
    """
    if filters is None:
        return [int(f) for f in strongest[:n]]
    filters = [filters] if np.ndim(filters) == 0 else list(filters)
    for f in filters:
        if isinstance(f, bool) or not isinstance(f, int | np.integer) or not 0 <= f < count:
            raise ValueError(
                f"`filters` must be numbers of the layer's {count} filters, 0 to {count - 1}. "
                f"Received: {f!r}"
            )
    if not filters:
        raise ValueError("`filters` must name at least one filter. Received: an empty list")
    return [int(f) for f in filters]


def category_name(layer, filter, class_names):
    """Name of the filter's target category, or "" where there is none or no name."""
    inner = interpretable_filters(layer)
    if inner is None or class_names is None:
        return ""
    target = int(inner.target_categories()[filter])
    return str(class_names[target]) if 0 <= target < len(class_names) else ""


def seen_region(values, field, radius):
    """The image-resolution receptive field of a map: where the image lies that its units saw.

    Each unit puts a soft disc on its centre, as high as its activation over the map's highest.

    Args:
        values: float `[h, w]`, one filter's map, not negative.
        field: `ReceptiveField` of the layer.
        radius: pixels at which a disc has fallen to about 14 % (two standard deviations).

    Returns:
        float64 `[height, width]`, 0 to 1; zero for a silent map.
    """
    height, width = field.image_size
    result = np.zeros((height, width))
    top = values.max()
    if top <= 0:
        return result
    for row, column in zip(*np.nonzero(values > 0.05 * top), strict=True):
        x, y = field.centers[row, column]
        disc = np.exp(-0.5 * ((np.arange(height) - y) / (radius / 2)) ** 2)[:, None] * np.exp(
            -0.5 * ((np.arange(width) - x) / (radius / 2)) ** 2
        )
        np.maximum(result, values[row, column] / top * disc, out=result)
    return result


def region_radius(radius, field):
    """Radius in pixels of the ring around a peak; None: a quarter of the theoretical field.

    Units see the middle of their theoretical receptive field far better than its border.
    """
    return max(field.size) / 4 if radius is None else float(radius)

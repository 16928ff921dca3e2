"""A layer's maps before and after its mask, and where they look in the image."""

from dataclasses import dataclass

import numpy as np

from keras_icnn.metrics import MapReader, receptive_field


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

        from keras_icnn import FilterLoss, _ops

        inner = _filters_of(self.layer)
        # Where there is no loss, the layer masks as the default rule does.
        rule = inner.filter_loss or FilterLoss.parse("default")
        place = _ops.peak_position if rule.peak == "argmax" else _ops.center_of_mass
        row, column = place(ops.convert_to_tensor(self.before))
        templates = rule.templates(*self.before.shape[1:3])
        return ops.convert_to_numpy(_ops.part_mask(row, column, templates))

    def peak(self, image, filter):
        """(x, y) pixel that the strongest unit of a map is centred on."""
        unit = int(self.after[image, :, :, filter].argmax())
        return self.field.centers.reshape(-1, 2)[unit]


def _filters_of(layer):
    """The `InterpretableFilters` within a layer, or None."""
    inner = getattr(layer, "interpretable", layer)
    return inner if hasattr(inner, "target_categories") else None


class MapsReader:
    """Gives the `Maps` of images; made once for many batches, so that it is compiled once.

    The map before the mask is what the same layer gives with its mask off. The mask is a plain
    attribute that is read when a function is traced, so a forward pass of its own, traced with the
    mask off, has it; the layer is as before after each call, also by an error.

    Args:
        model, layer: as in `keras_icnn.metrics.measured_layer`.
        batch_size: images per forward pass.
    """

    def __init__(self, model, layer=None, batch_size=32):
        self._after = MapReader(model, layer, batch_size)
        self.layer = self._after.layer
        inner = _filters_of(self.layer)
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
        after = np.maximum(self._after(images)[0], 0)
        unmasked = after
        if before and self._before is not None:
            inner = _filters_of(self.layer)
            inner.mask = False
            try:
                unmasked = np.maximum(self._before(images)[0], 0)
            finally:
                inner.mask = True
        return Maps(self.layer, unmasked, after, self.masked, self.field)

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
    inner = _filters_of(layer)
    if inner is None or class_names is None:
        return ""
    target = int(inner.target_categories()[filter])
    return str(class_names[target]) if 0 <= target < len(class_names) else ""


def region_radius(radius, field):
    """Radius in pixels of the ring around a peak; None: a quarter of the theoretical field.

    Units see the middle of their theoretical receptive field far better than its border.
    """
    return max(field.size) / 4 if radius is None else float(radius)

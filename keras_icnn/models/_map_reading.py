"""Which layer is measured, and the reader of its maps and of the predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_icnn.models._finding_layers import find_layer, topmost_layer
from keras_icnn.models._inlined import inlined
from keras_icnn.models._receptive_field import ReceptiveField, receptive_field
from keras_icnn.models._tensors import output_of, produced_by

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike


def interpretable_filters(layer):
    """The `InterpretableFilters` within a layer, or None."""
    inner = getattr(layer, "interpretable", layer)
    return inner if hasattr(inner, "target_categories") else None


def measured_layer(
    model: keras.Model, layer: keras.layers.Layer | str | None = None
) -> keras.layers.Layer:
    """The layer to measure.

    Layers of nested models count like the model's own.

    Args:
        model: a functional or sequential Keras model.
        layer: a layer, its name, or its path ("backbone/conv5") where a nested model has it. None:
            the topmost interpretable layer, else the topmost one that gives a map of more than one
            unit. Left out are what has no learned filters below it (preprocessing and
            augmentation), and the head's own layers: pooling, dropout, and maps with one channel
            for each output of the model (SqueezeNet classifies by such a convolution).

    Returns:
        The layer.

    Raises:
        ValueError: if there is no such layer, or several could be meant.
    """
    return topmost_layer(model) if layer is None else find_layer(model, layer)


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
    field: ReceptiveField

    def masks(self) -> np.ndarray:
        """The layer's masks: 1 at each map's peak, falling to 0; float32, shaped as `before`."""
        from keras import ops

        return ops.convert_to_numpy(self.layer.masks(self.before))

    def peak(self, image: int, filter: int) -> np.ndarray:
        """(x, y) pixel that the strongest unit of a map is centred on."""
        unit = int(self.after[image, :, :, filter].argmax())
        return self.field.centers.reshape(-1, 2)[unit]


class MapReader:
    """Reads maps and predictions of a model, in forward passes of one size.

    The model is not touched: another thread may use it meanwhile.

    Args:
        model: a functional or sequential Keras model.
        layer: as in `measured_layer`.
        batch_size: every forward pass has this many images (the last is filled up), so that the
            function is compiled once.

    Attributes:
        model, batch_size: as given.
        layer: the layer that is measured.
        masked: whether it masks its maps.
        field: its `ReceptiveField` in images of the size that `maps` was last asked for.
    """

    def __init__(
        self,
        model: keras.Model,
        layer: keras.layers.Layer | str | None = None,
        batch_size: int = 32,
    ) -> None:
        import keras

        from keras_icnn.models._forward_pass import forward

        self.model = model
        self.layer = measured_layer(model, layer)
        self.batch_size = batch_size
        view = inlined(model)
        output = output_of(view, self.layer)
        output = self.layer.output if output is None else output
        shape = output.shape
        if len(shape) != 4:
            raise ValueError(
                "`layer` must give maps of shape (batch, height, width, filters). "
                f"Received: layer '{self.layer.name}' with output shape {tuple(shape)}"
            )
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                "Maps are measured channels last. Received: "
                f"image_data_format={keras.config.image_data_format()!r}; call "
                "keras.config.set_image_data_format('channels_last') before building the model."
            )
        if getattr(self.layer, "data_format", "channels_last") == "channels_first":
            raise ValueError(
                "`layer` must be channels last. Received: layer "
                f"'{self.layer.name}' with data_format='channels_first'"
            )
        if len(model.inputs) != 1:
            raise ValueError(
                "`model` must have one input, the images. Received: inputs "
                f"{[tensor.name for tensor in model.inputs]}"
            )
        prediction = view.outputs[0]
        self.predicts = len(prediction.shape) == 2
        self.masked = hasattr(self.layer, "target_categories") and self.layer.mask
        self.field = None
        self._view, self._output = view, output
        # Not the list: torch warns when the structure is not the one that is fed.
        outputs = [output, prediction] if self.predicts else [output]
        self._after = forward(keras.Model(view.inputs[0], outputs))
        self._before = None

    def __call__(self, images: ArrayLike) -> tuple[np.ndarray, np.ndarray | None]:
        """The layer's output and the predictions, from one forward pass.

        Args:
            images: `[images, height, width, channels]` as the model takes them.

        Returns:
            (maps float32 `[images, h, w, filters]`, predictions float32 `[images, classes]` or
            None).
        """
        given = self._read(self._after, images)
        return given[0], given[1] if self.predicts else None

    def maps(self, images: ArrayLike, before: bool = False) -> Maps:
        """The `Maps` of images `[images, height, width, 3]`, 0 to 255.

        Args:
            images: as the model takes them.
            before: whether `Maps.before` is wanted, which takes a second forward pass where the
                layer has a mask; otherwise it is `Maps.after`.

        Returns:
            `Maps`.
        """
        images = np.asarray(images, "float32")
        self._locate(images.shape[1:3])
        after = np.maximum(self(images)[0], 0)
        unmasked = after
        if before and self.masked:
            unmasked = np.maximum(self._read(self._unmasked(), images)[0], 0)
        return Maps(self.layer, unmasked, after, self.masked, self.field)

    def _unmasked(self):
        """The forward pass from the images to the maps before the mask."""
        if self._before is None:
            import keras

            from keras_icnn.models._forward_pass import forward
            from keras_icnn.models._views import WithoutMask

            (given,) = produced_by(self._output)[1]
            maps = WithoutMask(self.layer)(given)
            self._before = forward(keras.Model(self._view.inputs[0], [maps]))
        return self._before

    def _read(self, run, images):
        """The outputs of a forward pass, a list of float32 arrays."""
        images, size = np.asarray(images), self.batch_size
        n = len(images)
        if n > size:
            parts = [self._read(run, images[i : i + size]) for i in range(0, n, size)]
            return [np.concatenate(column) for column in zip(*parts, strict=True)]
        if n < size:
            images = np.concatenate([images, np.repeat(images[-1:], size - n, axis=0)])
        return [np.asarray(one)[:n].astype("float32", copy=False) for one in run(images)]

    def _locate(self, size):
        """Checks the images' size, and finds where the layer's units look in them."""
        own = tuple(self.model.inputs[0].shape[1:3])
        if any(n is not None and n != m for n, m in zip(own, size, strict=True)):
            raise ValueError(
                f"Images must have the model's input size, {own} (height, width). "
                f"Received: {tuple(size)}. Resize them, or read the data set with that "
                "`image_size`."
            )
        if self.field is None or self.field.image_size != tuple(size):
            self.field = receptive_field(self.model, self.layer, input_size=size)


def peaks_of(
    maps: np.ndarray | list[np.ndarray], centers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Position and activation of each filter's peak.

    Args:
        maps: float [images, h, w, filters].
        centers: float [h, w, 2], (x, y) pixel of each unit's center.

    Returns:
        (peaks [images, filters, 2], strengths [images, filters]). Of equal activations the first
        unit in reading order is the peak.
    """
    units, strengths = peak_units(maps)
    return centers.reshape(-1, 2)[units], strengths


def peak_units(maps):
    """Number of each filter's peak unit and the activation there, both [images, filters].

    `maps` may be a list of float [h, w, filters].
    """
    filters = maps[0].shape[-1] if isinstance(maps, list) else maps.shape[-1]
    found = np.empty((len(maps), filters), "int64")
    strengths = np.empty((len(maps), filters), getattr(maps, "dtype", "float32"))
    # One image after the other: its temporary arrays stay in the processor's cache.
    for number, one in enumerate(maps):
        flat = one.reshape(-1, filters)
        highest = flat.max(axis=0, out=strengths[number])
        # NumPy's argmax over an axis that is not the last takes six times as long as this.
        units = len(flat)
        from_end = np.arange(units, 0, -1).astype(np.min_scalar_type(units))[:, None]
        first = np.multiply(flat == highest, from_end).max(axis=0)
        # A map of NaN equals nothing, not even its highest unit.
        found[number] = (units - first.astype("int64")) % units
    return found, strengths

"""Which layer is measured, and the forward pass that gives its maps and the predictions."""

import contextlib

import numpy as np

from keras_icnn.models._graph_tensors import output_of, produced_by


def interpretable_filters(layer):
    """The `InterpretableFilters` within a layer, or None."""
    inner = getattr(layer, "interpretable", layer)
    return inner if hasattr(inner, "target_categories") else None


@contextlib.contextmanager
def mask_off(layer):
    """The layer without its mask, while the block runs; gives whether it has one."""
    inner = interpretable_filters(layer)
    masked = inner is not None and inner.mask
    if masked:
        inner.mask = False
    try:
        yield masked
    finally:
        if masked:
            inner.mask = True


def measured_layer(model, layer=None):
    """The layer to measure.

    Args:
        model: a functional or sequential Keras model.
        layer: a layer or its name. None: the topmost layer with `target_categories` (an
            interpretable one), else the last one that gives a map of more than one unit. The
            head's own layers are left out: pooling, dropout, and maps with one channel for each
            output of the model (SqueezeNet classifies by such a convolution).

    Raises:
        ValueError: if there is no such layer.
    """
    names = [candidate.name for candidate in model.layers]
    if layer is not None:
        name = getattr(layer, "name", layer)
        if name not in names:
            raise ValueError(
                "`layer` must be a layer of the model itself (not of a model nested in it) or its "
                f"name. Received: layer={name!r}; the model has {names}"
            )
        return model.get_layer(name)
    for candidate in reversed(model.layers):
        if hasattr(candidate, "target_categories"):
            return candidate
    maps = [candidate for candidate in model.layers if _is_map(model, candidate)]
    for candidate in reversed(maps):
        if output_of(model, candidate).shape[-1] != model.outputs[0].shape[-1]:
            return candidate
    if maps:
        return maps[-1]
    raise ValueError(f"No layer of the model gives maps; pass `layer`. The model has {names}")


def _is_map(model, layer):
    if hasattr(layer, "pool_size") or type(layer).__name__.endswith("Dropout"):
        return False
    if hasattr(layer, "layers"):
        return False
    output = output_of(model, layer)
    if output is None or len(output.shape) != 4 or any(output is t for t in model.inputs):
        return False
    return all(n is None or n > 1 for n in output.shape[1:3])


def output_activation(model):
    """ "sigmoid", "softmax" or "linear" (logits): how a model's first output is to be read."""
    layer = produced_by(model.outputs[0])[0]
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", str(activation or type(layer).__name__)).lower()
    return next((kind for kind in ("sigmoid", "softmax") if kind in name), "linear")


class MapReader:
    """Gives (maps, predictions) of a model for a batch, in one forward pass of fixed size.

    Args:
        model: a functional or sequential Keras model.
        layer: as in `measured_layer`.
        batch_size: every forward pass has this many images (the last is filled up), so that the
            function is compiled once.
    """

    def __init__(self, model, layer=None, batch_size=32):
        import keras

        self.model = model
        self.layer = measured_layer(model, layer)
        self.batch_size = batch_size
        output = output_of(model, self.layer)
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
        prediction = model.outputs[0]
        self.predicts = len(prediction.shape) == 2
        outputs = [output, prediction] if self.predicts else [output]
        if len(model.inputs) != 1:
            raise ValueError(
                "`model` must have one input, the images. Received: inputs "
                f"{[tensor.name for tensor in model.inputs]}"
            )
        # Not the list: torch warns when the structure is not the one that is fed.
        self._reader = keras.Model(model.inputs[0], outputs)

    def __call__(self, images):
        """Maps float32 [images, h, w, filters]; predictions [images, classes] or None."""
        images = np.asarray(images)
        n = len(images)
        if n > self.batch_size:
            parts = [self(images[i : i + self.batch_size]) for i in range(0, n, self.batch_size)]
            maps = np.concatenate([part[0] for part in parts])
            return maps, np.concatenate([p[1] for p in parts]) if self.predicts else None
        if n < self.batch_size:
            images = np.concatenate([images, np.repeat(images[-1:], self.batch_size - n, axis=0)])
        given = self._reader.predict_on_batch(images)
        given = list(given) if isinstance(given, list | tuple) else [given]
        maps = np.asarray(given[0])[:n].astype("float32", copy=False)
        return maps, np.asarray(given[1])[:n].astype("float32") if self.predicts else None


def peaks_of(maps, centers):
    """Position and activation of each filter's peak.

    Args:
        maps: float [images, h, w, filters].
        centers: float [h, w, 2], (x, y) pixel of each unit's centre.

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

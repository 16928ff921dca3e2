"""What an artifact answers: `serve` the predictions, `explain` also which filters made them.

Only operations that SavedModel, ONNX, LiteRT and OpenVINO all can express: no gradients (that of
pooling has no counterpart), no gathering by batch, no `argmax` (see `_peaks.peak_position`).
"""

import keras
import numpy as np
from keras import ops

from keras_icnn import _arguments
from keras_icnn.export._head import Head
from keras_icnn.layers import _peaks
from keras_icnn.metrics import measured_layer, receptive_field
from keras_icnn.models._inlined import inlined
from keras_icnn.models._output_meaning import output_meaning, settled
from keras_icnn.models._part_membership import part_membership
from keras_icnn.models._tensors import output_of
from keras_icnn.zoo._manifest import MANIFEST
from keras_icnn.zoo._preprocessing import ImagePreprocessing


def preprocessing_layer(preprocessing):
    """A callable on batches of pixels, or None.

    Args:
        preprocessing: None, the name of a network of the zoo, or a Keras layer or function.

    Raises:
        ValueError: for an unknown name.
    """
    if preprocessing is None or callable(preprocessing):
        return preprocessing
    name = str(preprocessing).removesuffix("_interpretable")
    if name not in MANIFEST:
        raise ValueError(
            "`preprocessing` must be None, a Keras layer or function of a batch of images, or a "
            f"network of the zoo, one of {sorted(MANIFEST)}. Received: {preprocessing!r}"
        )
    return ImagePreprocessing(MANIFEST[name].preprocessing)


class Serve(keras.Model):
    """Predictions alone: images `[batch, height, width, channels]` to `{"predictions"}`."""

    def __init__(self, model, preprocessing=None, name="serve"):
        super().__init__(name=name)
        # A shell around the same layers: writing a SavedModel takes the compiled functions off
        # the models in it for a moment, and another thread may be predicting.
        self.model = keras.Model(model.input, model.output, name=model.name)
        self.preprocessing = preprocessing_layer(preprocessing)
        self.built = True

    def call(self, images, training=False):
        return {"predictions": self.model(self.prepared(images), training=False)}

    def prepared(self, images):
        """The images as the model takes them."""
        x = ops.cast(images, self.model.inputs[0].dtype)
        return x if self.preprocessing is None else self.preprocessing(x)


class Explain(Serve):
    """Predictions, and for each image where and how strongly filters fired, and what that did.

    Gives a dict; `F` filters, `k` the strongest ones:

    - `predictions` `[batch, outputs]`;
    - `peaks` float `[batch, F, 2]`, (x, y) in pixels of the network's input: the center of the
      receptive field of each map's strongest unit, the first one of several in reading order;
    - `strengths` float `[batch, F]`, the map there;
    - `target_categories` int `[batch, F]`, the same in every row; -1 where none is known;
    - `part` int `[batch, F]`, number of each filter's part among those of its category, the same in
      every row; -1 where it has none;
    - `top_filters` int `[batch, k]`, the filters with the largest effect on the decision, whatever
      its sign, the largest first;
    - `top_effects` float `[batch, k]`, those effects: what the logit of the predicted class loses
      when the filter's map is set to zero, exactly. With one output: of that one logit.

    Args:
        model: a functional Keras model with one image input and one output `[batch, outputs]`.
        layer: as in `keras_icnn.metrics.measured_layer`.
        preprocessing: as in `preprocessing_layer`.
        top_filters: k; at most F.
        from_logits: whether the model's output is a logit; None: what the network tells.

    Raises:
        ValueError: for a model that this cannot be computed for.
    """

    def __init__(self, model, layer=None, preprocessing=None, top_filters=8, from_logits=None):
        super().__init__(model, preprocessing, name="explain")
        self.layer = measured_layer(model, layer)
        if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
            raise ValueError(
                "`explain` needs a model with one output of shape (batch, outputs); pass "
                "`endpoint='serve'` to export predictions alone. Received: outputs of shapes "
                f"{[tuple(t.shape) for t in model.outputs]}"
            )
        view = inlined(model)
        maps = output_of(view, self.layer)
        field = receptive_field(model, self.layer)
        self.filters = int(maps.shape[-1])
        top_filters = _arguments.whole_number(top_filters, "top_filters", "Explain", at_least=1)
        self.top_filters = min(top_filters, self.filters)
        self._first = field.centers[0, 0]
        self._step = (field.stride[1], field.stride[0])
        self._size = field.centers.shape[:2]
        categories = getattr(self.layer, "target_categories", None)
        categories = np.full(self.filters, -1) if categories is None else categories()
        self._categories = categories.astype("int32")
        membership = part_membership(self.layer)
        part = np.full(self.filters, -1) if membership is None else membership.part
        self._part = part.astype("int32")
        logits = settled(model, output_meaning(model), from_logits).logits
        self._head = Head(view, self.layer, logits)
        # What the model makes of the maps, as `answer` takes it.
        self.above = [self._head.entry, logits, view.outputs[0]]
        self._body = keras.Model(view.inputs[0], [maps, *self.above])

    def call(self, images, training=False):
        return self.explained(images)[0]

    def explained(self, images):
        """The dict of `call`, the maps `[batch, h, w, F]`, all effects `[batch, F]`, the logits."""
        return self.answer(*self._body(self.prepared(images), training=False))

    def answer(self, maps, entry, logits, predictions):
        """As `explained`, from the values of the maps and of the tensors `above` them."""
        maps, logits = ops.cast(maps, "float32"), ops.cast(logits, "float32")
        row, column = _peaks.peak_position(maps)
        x = float(self._first[0]) + float(self._step[0]) * column
        y = float(self._first[1]) + float(self._step[1]) * row
        strengths = ops.max(maps, axis=(1, 2))
        effects = self._head.effects(entry, logits)
        _, top = ops.top_k(ops.abs(effects), self.top_filters)
        chosen = ops.one_hot(top, self.filters, dtype="float32")
        return (
            {
                "predictions": ops.cast(predictions, "float32"),
                "peaks": ops.stack([x, y], axis=-1),
                "strengths": strengths,
                "target_categories": ops.zeros_like(column, dtype="int32") + self._categories,
                "part": ops.zeros_like(column, dtype="int32") + self._part,
                "top_filters": ops.cast(top, "int32"),
                "top_effects": ops.sum(chosen * ops.expand_dims(effects, 1), axis=-1),
            },
            maps,
            effects,
            logits,
        )

    def units_of(self, peaks):
        """Index of the unit `[batch, F]` of each of `peaks`; None where one is not a center."""
        place = (np.asarray(peaks, "float64") - self._first) / self._step
        if not np.isfinite(place).all():
            return None
        column, row = np.moveaxis(np.rint(place), -1, 0).astype(int)
        height, width = self._size
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        if not inside.all() or np.abs(place - np.rint(place)).max(initial=0.0) > 1e-3:
            return None
        return row * width + column

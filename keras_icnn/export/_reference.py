"""What the network itself answers at `explain`, also with its masks around other peaks."""

import keras
import numpy as np
from keras import ops

from keras_icnn.export._endpoints import Explain
from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.models._inlined import inlined
from keras_icnn.models._map_reading import interpretable_filters
from keras_icnn.models._tensors import output_of, produced_by
from keras_icnn.models._views import WithoutMask


class Reference:
    """A network's own explanations, beside which those of an artifact are put.

    The network is not touched.

    Args:
        model, layer, preprocessing, top_filters, from_logits: as in `Explain`.

    Attributes:
        explain: the `Explain` end point.
    """

    def __init__(self, model, layer=None, preprocessing=None, top_filters=8, from_logits=None):
        self.explain = Explain(model, layer, preprocessing, top_filters, from_logits)
        self._layer = self.explain.layer
        inner = interpretable_filters(self._layer)
        self._masked = inner is not None and self._layer.mask
        if not self._masked:
            return
        rule = FilterLoss.parse(inner.filter_loss or "default")
        self._around_peaks = rule.peak == "argmax"
        view = inlined(model)
        maps = output_of(view, self._layer)
        (given,) = produced_by(maps)[1]
        self._below = keras.Model(view.inputs[0], WithoutMask(self._layer)(given))
        # Keras copies the graph from `maps` on. It loses outputs that are `maps`, or given twice.
        self._wanted = [id(tensor) for tensor in self.explain.above]
        self._maps = id(maps)
        above = {id(tensor): tensor for tensor in self.explain.above if tensor is not maps}
        self._found = list(above)
        self._above = keras.Model(maps, list(above.values()))

    def answers(self, images):
        """What `Explain.explained` gives, as arrays."""
        return _arrays(self.explain.explained(images))

    def unmasked(self, images):
        """Maps before the mask, float32 `[batch, h, w, F]`; the layer's maps where it has none.

        Behind the mask a second peak, as high as the first, is lower.
        """
        if not self._masked:
            return self.answers(images)[1]
        return ops.convert_to_numpy(ops.cast(self._unmasked(images), "float32"))

    def answers_at(self, images, units):
        """What `answers` would give if the masks were around these units `[batch, F]`."""
        # A mask around the center of mass does not depend on the strongest unit.
        if not self._masked or not self._around_peaks:
            return self.answers(images)
        maps = self._unmasked(images)
        height, width, filters = maps.shape[1:]
        peaks = np.arange(height * width)[:, None] == np.asarray(units)[:, None, :]
        # The layer puts its masks around the highest units of what it is given.
        masks = self._layer.masks(peaks.astype("float32").reshape(-1, height, width, filters))
        maps = maps * ops.cast(masks, maps.dtype)
        outputs = self._above(maps, training=False)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        tensors = {self._maps: maps, **dict(zip(self._found, outputs, strict=True))}
        above = [tensors[one] for one in self._wanted]
        return _arrays(self.explain.answer(maps, *above))

    def _unmasked(self, images):
        return ops.relu(self._below(self.explain.prepared(images), training=False))


def _arrays(answers):
    answer, *others = answers
    return (
        {name: ops.convert_to_numpy(value) for name, value in answer.items()},
        *(ops.convert_to_numpy(value) for value in others),
    )

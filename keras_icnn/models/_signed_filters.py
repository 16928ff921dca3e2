"""The interpretable layer for maps with negative values."""

import keras
from keras import ops

from keras_icnn.layers._interpretable_filters import InterpretableFilters


@keras.saving.register_keras_serializable(package="keras_icnn")
class SignedInterpretableFilters(InterpretableFilters):
    """`InterpretableFilters` for a map with negative values: an addition, GELU, swish.

    With the mask on, the map is rectified and masked as everywhere; what is negative is lost, which
    changes the network it is inserted in. With the mask off, the map passes unchanged, in training
    and inference, so that the network is the original one.

    Arguments, shapes, errors and reference: those of `InterpretableFilters`.
    """

    def call(self, inputs, training=None):
        outputs = super().call(inputs, training=training)
        if self.mask:
            return outputs
        return outputs - ops.relu(-inputs)

    def unmasked(self, inputs):
        """What the layer would give without its mask, in inference: not rectified either.

        Args:
            inputs: the layer's inputs.

        Returns:
            Tensor shaped as the layer's output.
        """
        return self.rectified(inputs) - ops.relu(-inputs)

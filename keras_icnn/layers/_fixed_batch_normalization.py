"""`FixedBatchNormalization`: batch normalization that keeps the statistics it came with."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_icnn")
class FixedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that uses its moving statistics in training, too, and keeps them.

    For pretrained networks that are fine-tuned on few images: the statistics of small batches
    differ from those the weights were learned with, and a few epochs are too short to learn new
    ones. Keras's own layer does this only as long as `trainable` is False; this one does it
    whatever `trainable` is, so that scale and offset can be trained. The networks of
    `keras_icnn.zoo` have it wherever pretrained weights are fine-tuned (`fine_tune`).

    Args:
        **kwargs: As in `keras.layers.BatchNormalization`.

    Example:

    ```python
    layer = icnn.layers.FixedBatchNormalization()
    ```

    Reference:
        - [Batch Normalization](https://arxiv.org/abs/1502.03167)
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        del training  # The statistics are fixed.
        return super().call(inputs, training=False, mask=mask)

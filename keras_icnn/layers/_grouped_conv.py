"""Grouped convolution as separate convolutions: AlexNet's, in a form that exports."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_icnn")
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose groups are computed as separate convolutions.

    The same numbers from the same weights. TensorFlow's own grouped convolution has no CPU kernel:
    Keras compiles it with XLA, in a form that ONNX does not have. With `groups=1` it is `Conv2D`.

    Arguments, shapes, errors: those of `keras.layers.Conv2D`.
    """

    def convolution_op(self, inputs, kernel):
        if self.groups == 1:
            return super().convolution_op(inputs, kernel)
        axis = -1 if self.data_format == "channels_last" else 1
        parts = zip(
            ops.split(inputs, self.groups, axis=axis),
            ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        return ops.concatenate([super(GroupedConv2D, self).convolution_op(*p) for p in parts], axis)

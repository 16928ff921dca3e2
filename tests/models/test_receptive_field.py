"""Centers from the graph against where the gradient of each unit really lies."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_icnn as icnn
from keras_icnn import metrics

SIZE = (41, 50)
PARTS = icnn.FilterLoss(gradient="equal", weight="relative", target="assigned", parts=2)


def support(model, layer, unit):
    """Ranges of the pixels that change a unit, by perturbing rows and columns of the input."""
    reader = keras.Model(model.inputs[0], model.get_layer(layer).output)
    height, width = model.inputs[0].shape[1:3]
    i, j = unit
    found = []
    for axis, n in ((0, height), (1, width)):
        images = np.full((n + 1, height, width, 1), 1.0, "float32")
        for p in range(n):
            images[p][(p,) if axis == 0 else (slice(None), p)] += 1.0
        values = reader.predict(images, verbose=0)[:, i, j, 0]
        changed = np.flatnonzero(np.abs(values[:-1] - values[-1]) > 1e-9)
        found.append((changed.min(), changed.max()))
    return found


def positive(model):
    """All kernels constant and positive: every pixel of the receptive field counts."""
    for layer in model._flatten_layers():
        for variable in layer.trainable_variables:
            value = np.full(variable.shape, 1.0 / max(np.prod(variable.shape[:-1]), 1))
            variable.assign(value if variable.path.endswith("kernel") else value * 0 + 1)
    return model


def padded(x):
    x = layers.Conv2D(2, 3, strides=2, padding="same")(x)
    x = layers.Conv2D(2, 4, padding="same", activation="relu")(x)
    return layers.AveragePooling2D(3, 2, padding="same", name="top")(x)


def valid(x):
    x = layers.Conv2D(2, 3, strides=2)(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    return layers.SeparableConv2D(1, (3, 1), name="top")(x)


def dilated(x):
    x = layers.ZeroPadding2D(((3, 1), (0, 2)))(x)
    x = layers.Conv2D(2, 3, dilation_rate=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Cropping2D(((2, 1), (1, 0)))(x)
    return layers.Conv2D(1, (1, 3), strides=(1, 2), padding="same", name="top")(x)


def branches(x):
    x = layers.Conv2D(2, 3, strides=2, padding="same")(x)
    one = layers.Conv2D(2, 1)(x)
    three = layers.Conv2D(2, 3, padding="same")(x)
    x = layers.Concatenate()([one, three])
    x = x + layers.Conv2D(4, 5, padding="same")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(gate)
    # The gate sees the whole image; its product is checked on its own below.
    layers.Multiply(name="gated")([x, gate])
    return layers.Conv2D(1, 1, name="top")(x)


def built(architecture):
    image = keras.Input((*SIZE, 1))
    return positive(keras.Model(image, architecture(image)))


@pytest.mark.parametrize("architecture", [padded, valid, dilated, branches])
def test_centres_are_the_middle_of_what_a_unit_sees(architecture):
    model = built(architecture)
    field = metrics.receptive_field(model, "top")
    h, w = model.get_layer("top").output.shape[1:3]
    assert field.centers.shape == (h, w, 2)
    for i, j in ((h // 2, w // 2), (h // 2 - 1, w // 2 + 1)):
        (top, bottom), (left, right) = support(model, "top", (i, j))
        assert min(top, left) > 0  # not cut by the border
        assert bottom < SIZE[0] - 1
        assert right < SIZE[1] - 1
        np.testing.assert_array_equal(field.centers[i, j], [(left + right) / 2, (top + bottom) / 2])
        assert field.size == (bottom - top + 1, right - left + 1)
    np.testing.assert_array_equal(field.centers[0, 1] - field.centers[0, 0], [field.stride[1], 0])
    np.testing.assert_array_equal(field.centers[1, 0] - field.centers[0, 0], [0, field.stride[0]])


def test_same_padding_depends_on_the_input_size():
    def centre(size):
        image = keras.Input((size, size, 1))
        model = keras.Model(image, layers.Conv2D(1, 3, strides=2, padding="same", name="c")(image))
        return metrics.receptive_field(model, "c").centers[0, 0, 0]

    assert (centre(224), centre(225)) == (1, 0)


def test_squeezenet_is_centred_as_published():
    # Its layers that move positions; the 3x3 layers between them pad and keep them.
    image = keras.Input((224, 224, 3))
    x = layers.Conv2D(1, 3, strides=2)(image)
    for _ in range(3):
        x = layers.MaxPooling2D(3, 2)(x)
    model = keras.Model(image, layers.Conv2D(1, 3, padding="same", name="top")(x))
    field = metrics.receptive_field(model, "top")
    np.testing.assert_array_equal(field.centers[0, :, 0], 15 + 16 * np.arange(13))


def test_gates_behind_global_pooling_have_no_position():
    image = keras.Input((*SIZE, 1))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(image)
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Reshape((1, 1, 4))(gate)
    gate = layers.Conv2D(4, 1, name="gate")(gate)
    model = keras.Model(image, layers.Multiply(name="gated")([gate, x]))
    expected = metrics.receptive_field(model, "conv").centers
    np.testing.assert_array_equal(metrics.receptive_field(model, "gated").centers, expected)
    with pytest.raises(ValueError, match="'gate' has no spatial position"):
        metrics.receptive_field(model, "gate")


def test_the_widest_branch_decides_where_branches_disagree():
    image = keras.Input((*SIZE, 1))
    narrow = layers.Conv2D(1, 2, padding="same")(image)
    wide = layers.Conv2D(1, 5, padding="same")(image)
    model = keras.Model(image, layers.Add(name="sum")([narrow, wide]))
    np.testing.assert_array_equal(metrics.receptive_field(model, "sum").centers[3, 4], [4, 3])


def test_nested_and_sequential_models_are_descended_into():
    flat = built(padded)
    image = keras.Input((*SIZE, 1))
    inner = keras.Sequential(
        [
            keras.Input((*SIZE, 1)),
            layers.Conv2D(2, 3, strides=2, padding="same"),
            layers.Conv2D(2, 4, padding="same", name="inner"),
        ],
        name="stem",
    )
    x = layers.Rescaling(1 / 255)(image)
    x = layers.AveragePooling2D(3, 2, padding="same", name="top")(inner(x))
    model = keras.Model(image, x)
    expected = metrics.receptive_field(flat, "top")
    np.testing.assert_array_equal(metrics.receptive_field(model, "top").centers, expected.centers)
    inside = metrics.receptive_field(model, "inner")
    own = metrics.receptive_field(inner, "inner")
    np.testing.assert_array_equal(inside.centers, own.centers)


def test_a_layer_with_a_kernel_of_its_own_is_followed():
    class Own(layers.Conv2D):
        pass

    image = keras.Input((20, 20, 1))
    model = keras.Model(image, Own(1, 5, strides=3, name="own")(image))
    np.testing.assert_array_equal(metrics.receptive_field(model, "own").centers[0, 1], [5, 2])


def test_open_input_sizes_are_asked_for():
    image = keras.Input((None, None, 1))
    model = keras.Model(image, layers.Conv2D(1, 3, strides=2, padding="same", name="c")(image))
    with pytest.raises(ValueError, match="input_size"):
        metrics.receptive_field(model, "c")
    field = metrics.receptive_field(model, "c", input_size=(10, 9))
    np.testing.assert_array_equal(field.centers[0, 0], [0, 1])


def test_errors():
    image = keras.Input((20, 20, 1))
    x = layers.UpSampling2D(2, name="up")(image)
    model = keras.Model(image, layers.Conv2D(1, 3, name="top")(x))
    with pytest.raises(ValueError, match="'up'"):
        metrics.receptive_field(model, "top")
    with pytest.raises(ValueError, match="'nowhere'"):
        metrics.receptive_field(model, "nowhere")


@pytest.mark.medium
@pytest.mark.parametrize(
    ("builder", "layer"),
    [("MobileNetV2", "block_12_add"), ("DenseNet121", "relu"), ("EfficientNetV2B0", "top_conv")],
)
def test_keras_applications_are_understood(builder, layer):
    model = getattr(keras.applications, builder)(
        weights=None, include_top=False, input_shape=(96, 96, 3)
    )
    field = metrics.receptive_field(model, layer)
    assert field.centers.shape[:2] == model.get_layer(layer).output.shape[1:3]
    assert 0 <= field.centers.min() < 32
    assert 64 < field.centers.max() <= 110


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_view_of_a_layer_sees_what_the_layer_sees(padding):
    inputs = keras.Input((*SIZE, 3))
    x = icnn.InterpretableConv(
        4, 5, strides=2, padding=padding, num_classes=2, filter_loss=PARTS, name="top"
    )(inputs)
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, x, class_names=["a", "b"])
    expected = metrics.receptive_field(model, "top")
    for view in (icnn.models.without_masks(model), icnn.without_parts(model, ["a/0"])):
        found = metrics.receptive_field(view, view.layers[1])
        np.testing.assert_array_equal(found.centers, expected.centers)
        assert (found.stride, found.size) == (expected.stride, expected.size)

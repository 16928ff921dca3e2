"""`make_interpretable` compares the new network with the old one by itself."""

import keras
import pytest
from keras import layers

import keras_icnn as icnn


@keras.saving.register_keras_serializable(package="tests")
class Scaled(layers.Layer):
    """Forgets its factor in `get_config`."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {"name": self.name}


class Remembers(Scaled):
    def get_config(self):
        return {"name": self.name, "factor": self.factor}


class Restless(layers.Layer):
    """Something else each time, in inference, too."""

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


def network(below=None, above=None, nested=False):
    inputs = keras.Input((12, 12, 3))
    x = inputs if below is None else below(inputs)
    x = layers.Conv2D(4, 3, activation="relu", name="top")(x)
    if nested:
        inner = keras.Input((12, 12, 3))
        y = inner if below is None else below(inner)
        y = layers.Conv2D(4, 3, activation="relu", name="top")(y)
        x = keras.Model(inner, y, name="backbone")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    x = x if above is None else above(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x), name="net")


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("options", [{}, {"extra_layer": False}])
def test_a_layer_that_forgets_its_configuration_is_named(nested, options):
    layer = Scaled(3.0, name="culprit")
    with pytest.raises(ValueError, match=r"'culprit'.*computes something else"):
        icnn.make_interpretable(network(layer, nested=nested), num_classes=2, **options)
    icnn.make_interpretable(network(Remembers(3.0), nested=nested), num_classes=2, **options)


def test_above_the_map_it_counts_where_the_function_is_kept():
    above = network(above=Scaled(3.0, name="culprit"))
    icnn.make_interpretable(above, num_classes=2)  # a new layer lies below: nothing to compare
    with pytest.raises(ValueError, match="'culprit'"):
        icnn.make_interpretable(above, num_classes=2, extra_layer=False, mask=False)


def test_random_layers_cannot_be_compared():
    icnn.make_interpretable(network(Restless()), num_classes=2)


def test_names_that_are_taken():
    """A network that has the new layers' names already gets others, and works the same."""
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, name="interpretable_conv")(inputs)
    x = layers.Conv2D(4, 3, name="avg_pool")(x)
    x = layers.Conv2D(4, 3, name="predictions")(x)
    x = layers.Add(name="sum")([x, x])
    x = layers.ReLU(name="sum_interpretable")(x)
    top = layers.Add(name="sum_interpretable_top")([x, x])
    plain = keras.Model(inputs, layers.Activation("relu", name="last")(top))
    model = icnn.make_interpretable(plain, num_classes=2, layers="sum")
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    assert icnn.metrics.measured_layer(model).name == "interpretable_conv_1"
    assert model.layers[-1].name == "predictions_1"
    assert isinstance(model.get_layer("sum_interpretable_1"), icnn.InterpretableFilters)

"""Labels keep the model's classes in a selection, and what does not fit is refused."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_icnn as icnn
from keras_icnn import visualize
from keras_icnn.datasets import PartDataset
from keras_icnn.metrics._model_classes import in_model_classes

NAMES = ["a", "b", "c", "d"]
SIZE = (12, 12)


def data(names=NAMES, images=16):
    """Images of class k have the value k everywhere."""
    labels = np.arange(images) % len(names)
    return PartDataset(
        image=lambda i: np.full((*SIZE, 3), labels[i], "uint8"),
        labels=labels,
        files=[f"{i}.png" for i in range(images)],
        class_names=names,
        image_size=SIZE,
        landmarks=np.random.default_rng(0).uniform(2, 9, (images, 1, 2)),
        landmark_names=["head"],
    )


class Named(icnn.InterpretableModel):
    class_names = None


def network(outputs=4, names=None, wrong=()):
    """Says class k of an image of value k; images of the classes `wrong` are taken for class 0."""
    inputs = keras.Input((*SIZE, 3))
    maps = icnn.InterpretableConv(
        6,
        1,
        num_classes=max(outputs, 2),
        mask=False,
        kernel_initializer=keras.initializers.Constant(1 / 3),
        name="ic",
    )(inputs)
    value = layers.GlobalAveragePooling2D()(maps)
    classes = np.arange(outputs)
    # -(v - k)^2 without the part that all classes have in common.
    kernel = np.repeat(2.0 * classes[None] / 6, 6, axis=0)
    bias = -(classes**2.0) - 100.0 * np.isin(classes, wrong)
    if outputs == 1:
        kernel, bias = np.full((6, 1), 1 / 6), np.array([-0.5])
    head = layers.Dense(outputs, activation="softmax" if outputs > 1 else "sigmoid")
    model = Named(inputs, head(value))
    head.set_weights([kernel.astype("float32"), bias.astype("float32")])
    model.class_names = names
    return model


def accuracy(model, dataset):
    return icnn.metrics.evaluate(model, dataset, parts=False).values["accuracy"]


def test_a_selection_keeps_the_models_numbers():
    some = data().select(["d", "b"])
    assert some.labels.tolist() == [1, 0] * 4
    named = network(names=NAMES)
    assert accuracy(named, some) == 1.0
    assert accuracy(network(names=NAMES, wrong=[1]), some) == 0.5
    whole = some.with_classes(NAMES)
    assert whole.labels.tolist() == [1, 3] * 4 and whole.class_names == NAMES
    assert accuracy(network(), whole) == 1.0
    report = icnn.metrics.evaluate(named, some, parts=False)
    targets = named.get_layer("ic").target_categories()
    for category, target in zip(report.filters["category"], targets, strict=True):
        assert category == NAMES[target] or NAMES[target] not in ("b", "d")


def test_a_reordered_selection_of_all_classes():
    assert accuracy(network(names=NAMES), data().select(["c", "a", "d", "b"])) == 1.0


def entry_points(model, dataset, folder):
    """Everything that takes a model and a data set."""
    evaluate = icnn.metrics.evaluate
    callback = icnn.callbacks.PartMetrics(dataset)
    callback.set_model(model)
    image = dataset.image(0)
    return {
        "evaluate": lambda: evaluate(model, dataset, parts=False),
        "report": lambda: visualize.report(model, dataset, folder / "report.html"),
        "explain": lambda: icnn.explain(model, image, reference=dataset),
        "callback": lambda: callback.on_epoch_end(0, {}),
        "filters": lambda: visualize.filter_gallery(model, dataset, 0),
        "categories": lambda: visualize.category_filters(model, dataset),
        "parts": lambda: visualize.part_gallery(model, dataset, 1),
    }


@pytest.mark.parametrize(
    "names, classes",
    [(None, ["a", "b", "c"]), (None, [*NAMES, "e"]), (NAMES, ["a", "b", "c", "cat"])],
)
def test_what_does_not_fit_is_refused_everywhere(tmp_path, names, classes):
    model = network(names=names)
    for name, call in entry_points(model, data(classes), tmp_path).items():
        with pytest.raises(ValueError, match=r"must have .*the model's"):
            call()
            pytest.fail(f"{name} took it")


def test_classes_are_named_by_the_model():
    model = network(names=NAMES)
    image = np.full((*SIZE, 3), 2, "uint8")
    assert icnn.explain(model, image).prediction_name == "c"
    found = icnn.explain(model, image, target="d", reference=data().select(["c", "b"]))
    assert found.target == 3 and found.prediction_name == "c"


def test_one_output_needs_no_class_called_background():
    assert accuracy(network(1), data(["cat", "dog"])) == 1.0
    assert accuracy(network(1), data(["negative", "dog"])) == 1.0
    with pytest.raises(ValueError, match="one output: the background first"):
        accuracy(network(1), data(["a", "b", "c"]))


def test_a_network_without_a_head_has_the_classes_of_its_layer():
    model = network()
    maps = keras.Model(model.input, model.get_layer("ic").output)
    layer = maps.get_layer("ic")
    assert in_model_classes(maps, data(), layer).class_names == NAMES
    with pytest.raises(ValueError, match="model's 4 classes"):
        in_model_classes(maps, data(["a", "b"]), layer)
    plain = keras.Model(model.input, layers.Conv2D(3, 3)(model.input))
    assert len(in_model_classes(plain, data(["a", "b"])).class_names) == 2


# --- indexing -----------------------------------------------------------------------------------


def values(dataset):
    return [int(dataset.image(i)[0, 0, 0]) for i in range(len(dataset))]


@pytest.mark.parametrize(
    "index",
    [
        [1, 3],
        (1, 3),
        np.array([1, 3]),
        np.array([1, 3], "uint8"),
        [np.int64(1), np.int32(3)],
        [-3, -1],
        np.array([False, True, False, True]),
        [False, True, False, True],
        [np.False_, np.True_, np.False_, np.True_],
        range(1, 4, 2),
    ],
    ids=str,
)
def test_all_kinds_of_positions_mean_the_same(index):
    four = data(images=4)
    assert values(four.subset(index)) == four.subset(index).labels.tolist() == [1, 3]
    if not isinstance(index, tuple | range):
        assert values(four[index]) == [1, 3]


def test_what_is_no_position():
    four = data(images=4)
    assert four[np.int64(-1)].label == 3
    assert values(four[1:3]) == [1, 2] and values(four[::-2]) == [3, 1]
    for wrong in (True, np.True_, np.array(True)):
        with pytest.raises(ValueError, match="one truth value for each sample"):
            four[wrong]
    with pytest.raises(ValueError, match="a position"):
        four.subset([True, 1, 2, 3])
    for wrong in ([True, False], np.zeros(5, bool), np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match="boolean mask of the data set's 4 samples"):
            four.subset(wrong)
    for wrong in ([4], np.array([-5])):
        with pytest.raises(IndexError):
            four.subset(wrong)
    assert len(four.subset([])) == len(four[np.zeros(4, bool)]) == 0

"""What Keras users have, as data sets: arrays, batches, folders, samples."""

import keras
import numpy as np
import pytest
import small_zoo

import keras_icnn as icnn
from keras_icnn.datasets import from_arrays, from_directory, from_tf_dataset
from keras_icnn.datasets._as_part_dataset import as_image, as_part_dataset
from keras_icnn.datasets._from_arrays import from_batches

X = np.random.default_rng(0).integers(0, 256, (7, 8, 10, 3), "uint8")
Y = np.array([0, 2, 1, 0, 2, 2, 1])
NAMES = ["ant", "bee", "cow"]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, k):
        return X[3 * k : 3 * k + 3], Y[3 * k : 3 * k + 3], np.ones(len(Y[3 * k : 3 * k + 3]))


def model(outputs=3, size=(8, 10), class_names=None):
    inputs = keras.Input((*size, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(inputs))
    return icnn.InterpretableModel(
        inputs, keras.layers.Dense(outputs)(x), name="net", class_names=class_names
    )


def same(dataset, names=("class 0", "class 1", "class 2")):
    assert dataset.labels.tolist() == Y.tolist()
    assert dataset.class_names == list(names)
    assert dataset.image_size == (8, 10)
    for i in range(len(Y)):
        np.testing.assert_array_equal(dataset.image(i), X[i])
    return True


@pytest.mark.parametrize(
    "y", [Y, Y.astype("float32"), Y[:, None], np.eye(3)[Y], 2 * np.eye(3)[Y] - 1, Y.tolist()]
)
def test_labels_of_every_form(y):
    assert same(from_arrays(X, y))
    images, labels = from_arrays(X.astype("float64"), y, NAMES).batches(7)[0]
    np.testing.assert_array_equal(images, X)
    assert labels.tolist() == Y.tolist()


@pytest.mark.parametrize(
    "y",
    [
        np.linspace(0, 1, 7),  # to predict
        np.eye(3)[Y] * 0.9 + 0.03,  # smoothed
        np.ones((7, 3)),  # several classes an image
        -Y,
        np.array(list("abcdefg")),
        np.zeros((7, 2, 2)),
        np.full(7, np.nan),
    ],
)
def test_other_labels_are_refused(y):
    with pytest.raises(ValueError, match="`y` of from_arrays must be class numbers"):
        from_arrays(X, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[..., :1], Y), "np.repeat"),
        ((X[0], Y), "`x` of from_arrays"),
        ((X, Y[:3]), "one label for each of the 7"),
        ((X, Y, ["a", "b"]), "3 names"),
        ((X, np.eye(4)[Y], NAMES), "4 names"),
        ((X, Y, ["a", "a", "b"]), "different strings"),
    ],
)
def test_mistakes_in_arrays_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(*arguments)


@pytest.mark.tensorflow_only("the data sets are its own")
def test_tf_datasets_in_batches_and_one_by_one(tmp_path):
    import tensorflow as tf

    slices = tf.data.Dataset.from_tensor_slices((X, np.eye(3, dtype="float32")[Y]))
    assert same(from_tf_dataset(slices))
    assert same(from_tf_dataset(slices.batch(3), class_names=NAMES), NAMES)
    for bad, message in (
        (slices.repeat(), "a data set that ends"),
        (slices.map(lambda x, y: x), "not `label_mode=None`"),
        (slices.map(lambda x, y: ({"a": x}, y)), "no dictionaries"),
        (slices.take(0), "at least one image"),
    ):
        with pytest.raises(ValueError, match=message):
            from_tf_dataset(bad)
    root = small_zoo.class_folders(tmp_path)
    found = keras.utils.image_dataset_from_directory(
        root, image_size=(24, 24), batch_size=6, verbose=False
    )
    read = as_part_dataset(found, model(2, (24, 24)), "evaluate")
    assert read.class_names == ["blue", "red"] and len(read) == 20
    # The label goes with its image, in whatever order they came.
    for i, label in enumerate(read.labels):
        blue, red = read.image(i)[..., 2].mean(), read.image(i)[..., 0].mean()
        assert (red > blue) == (label == 1)


def test_batches_and_samples():
    assert same(from_batches(Batches()))
    data = from_arrays(X, Y, NAMES)
    for given in (data, data.batches(2), [*data], Batches(), (X, Y), (X, Y, np.ones(7))):
        assert same(as_part_dataset(given, model(class_names=NAMES), "evaluate"), NAMES)
    (one,) = as_part_dataset(data[4], model(class_names=NAMES), "evaluate")
    assert one.label == 2


def test_classes_are_numbered_as_the_model_has_them():
    data = from_arrays(X[:2], [0, 1], ["cow", "ant"])
    known = as_part_dataset(data, model(class_names=NAMES), "evaluate")
    assert known.class_names == NAMES and known.labels.tolist() == [2, 0]
    # One output: the background and one class.
    single = as_part_dataset((X[:2], [0, 1]), model(1), "evaluate")
    assert single.class_names == ["background", "class 1"]
    with pytest.raises(ValueError, match=r"Add \['ant'\]"):
        data.with_classes(["cow", "dog"])


def test_a_folder_and_an_image_are_read_at_the_size_of_the_model(tmp_path):
    root = small_zoo.class_folders(tmp_path)
    data = as_part_dataset(str(root), model(2), "evaluate")
    assert len(data) == 20 and data.image(0).shape == (8, 10, 3)
    assert from_directory(root, 6).image_size == (6, 6)
    file = root / "red" / "00.png"
    np.testing.assert_array_equal(as_image(file, model(2), "explain"), data.image(10))
    sample = data[3]
    assert as_image(sample, model(2), "explain") is sample.image
    with pytest.raises(FileNotFoundError, match=r"no image 'nothing.png'. Check the path"):
        as_image("nothing.png", model(2), "explain")
    with pytest.raises(ValueError, match="which is not fixed"):
        as_image(file, model(2, (None, None)), "explain")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (X, r"Give the labels as well: \(x, y\)"),
        ((X, np.arange(7)), "7 names"),
        ((X, np.linspace(0, 1, 7)), "class numbers"),
        ((X, np.eye(4)[Y]), "4 names"),
        (None, "Received: dataset=None"),
        ({"a": 1}, "arrays"),
        (iter([1]), "A generator"),
        (icnn.datasets.PartSplits(train=from_arrays(X, Y)), "Choose a split: data.train"),
        (__file__, "icnn.explain"),
        ("nowhere", "existing folder"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(given, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        as_part_dataset(given, model(), "evaluate")

"""What measures landmarks takes data sets with landmarks, and says so of anything else."""

import keras
import numpy as np
import pytest

import keras_icnn as icnn
from keras_icnn import metrics
from keras_icnn.callbacks import PartMetrics

X = np.zeros((4, 32, 32, 3), "uint8")
Y = np.array([0, 1, 0, 1])


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return X, Y


def tf_dataset(folder):
    return pytest.importorskip("tensorflow").data.Dataset.from_tensor_slices((X, Y)).batch(2)


FORMS = {
    "arrays": lambda folder: (X, Y),
    "images": lambda folder: X,
    "PyDataset": lambda folder: Batches(),
    "tf.data": tf_dataset,
    "folder": lambda folder: folder,
    "text": str,
    "nothing": lambda folder: None,
}


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="maps")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))


@pytest.fixture(scope="module")
def annotated():
    return icnn.datasets.creatures(4, 0, 4, (32, 32), species=["cat"])


def calls(model, data, other):
    """Each function with the wrong data in each place, and what its error calls them."""
    return [
        ("`dataset` of PartMetrics", lambda: PartMetrics(data)),
        ("`train` of evaluate_k", lambda: metrics.evaluate_keypoints(model, data, other)),
        ("`test` of evaluate_k", lambda: metrics.evaluate_keypoints(model, other, data)),
        ("`train` of evaluate_p", lambda: metrics.evaluate_part_agreement(model, data, other)),
        ("`test` of evaluate_p", lambda: metrics.evaluate_part_agreement(model, other, data)),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_are_refused_with_what_to_do(form, model, annotated, tmp_path):
    data = FORMS[form](tmp_path)
    for what, call in calls(model, data, annotated.test):
        with pytest.raises(ValueError, match=f"{what}.*PartDataset with landmarks") as error:
            call()
        assert "icnn.datasets.PartDataset(image=" in str(error.value)


def test_splits_and_data_without_landmarks(model, annotated):
    for what, call in calls(model, annotated, annotated.test):
        with pytest.raises(ValueError, match=rf"{what}.*Choose data\.train or data\.test"):
            call()
    bare = icnn.datasets.from_arrays(X, Y)
    for _, call in calls(model, bare, bare)[1:]:
        with pytest.raises(ValueError, match="landmark"):
            call()


def test_the_data_set_that_the_error_describes_is_taken(model):
    """The code in the message makes what is needed."""
    with pytest.raises(ValueError, match="PartDataset with landmarks") as error:
        metrics.evaluate_keypoints(model, (X, Y), (X, Y))
    code = str(error.value).split("`")[5]
    points = np.random.default_rng(0).uniform(0, 31, (4, 3, 2))
    given = {"x": X, "y": Y, "class_names": ["a", "b"], "points": points, "names": list("abc")}
    data = eval(code, {"icnn": icnn, **given})
    assert PartMetrics(data.batches(2)).dataset is data
    found = metrics.evaluate_keypoints(model, data, data.batches(2))
    assert found is not None

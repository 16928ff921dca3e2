"""`PartBatches`: what a batch holds, in which order, and how Keras reads it."""

import keras
import numpy as np
import pytest

from keras_icnn.datasets import PartBatches


def _ids(images):
    """The numbers of the pictures, whether mirrored or not."""
    return [int(image.min()) // 10 for image in images]


def _pass(batches):
    return [i for images, _ in batches for i in _ids(images)]


def test_batches_hold_float_images_and_labels_and_keep_the_last_part(numbered):
    batches = numbered.batches(4)
    assert isinstance(batches, PartBatches) and isinstance(batches, keras.utils.PyDataset)
    assert len(batches) == 3
    images, labels = batches[0]
    assert images.dtype == np.float32 and images.shape == (4, 4, 6, 3)
    assert images[3, 0, :, 0].tolist() == [30, 31, 32, 33, 34, 35]
    assert labels.dtype == np.int32 and labels.tolist() == [0, 1, 2, 0]
    images, labels = batches[2]
    assert _ids(images) == [8, 9] and labels.tolist() == [2, 0]
    with pytest.raises(IndexError):
        batches[3]
    assert _pass(batches) == list(range(10))


def test_label_formats(numbered):
    onehot = numbered.batches(3, labels="onehot")[0][1]
    assert onehot.dtype == np.float32
    assert onehot.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    sign = numbered.batches(3, labels="sign")[0][1]
    assert sign.tolist() == [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]


def test_shuffling_is_a_function_of_seed_and_epoch(numbered):
    first, second = (numbered.batches(4, shuffle=True, seed=3) for _ in range(2))
    epochs = []
    for _ in range(3):
        epochs.append(_pass(first))
        first.on_epoch_end()
    assert all(sorted(order) == list(range(10)) for order in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    second.epoch = 2
    assert _pass(second) == epochs[2]
    assert _pass(numbered.batches(4, shuffle=True, seed=3, epoch=1)) == epochs[1]
    assert _pass(numbered.batches(4, shuffle=True, seed=4)) != epochs[0]
    # Labels go with their pictures.
    for images, labels in second:
        assert labels.tolist() == [i % 3 for i in _ids(images)]


def test_shares_of_processes_make_up_the_batches(numbered):
    options = {"shuffle": True, "flip": True, "seed": 3}
    whole = numbered.batches(4, **options)
    first, second = (numbered.batches(4, **options, share=(k, 2)) for k in range(2))
    # 10 pictures: a last batch of two is left out.
    assert len(whole) == 3 and len(first) == len(second) == 2
    for k in range(2):
        for part in range(2):
            assert first[k][part].shape[0] == 2
            joined = np.concatenate([first[k][part], second[k][part]])
            np.testing.assert_array_equal(joined, whole[k][part])


def test_a_seed_is_drawn_where_none_is_given(numbered):
    drawn = numbered.batches(10, shuffle=True)
    assert _pass(drawn) == _pass(numbered.batches(10, shuffle=True, seed=drawn.seed))
    assert drawn.seed != numbered.batches(10, shuffle=True).seed


def test_flips_mirror_about_half_and_do_not_change_the_order(numbered):
    batches = numbered.batches(10, shuffle=True, seed=0, flip=True)
    mirrored = []
    for epoch in range(40):
        batches.epoch = epoch
        images, _ = batches[0]
        for image, i in zip(images, _ids(images), strict=True):
            row = image[0, :, 0].tolist()
            straight = [10 * i + c for c in range(6)]
            assert row in (straight, straight[::-1])
            mirrored.append(row != straight)
    assert 0.4 < np.mean(mirrored) < 0.6
    again = numbered.batches(10, shuffle=True, seed=0, flip=True, epoch=39)
    np.testing.assert_array_equal(again[0][0], images)
    assert _ids(images) == _ids(numbered.batches(10, shuffle=True, seed=0, epoch=39)[0][0])


def test_cache_argument_reads_each_picture_once(numbered):
    reads = []
    original = numbered._read_image
    counted = numbered._with(_read_image=lambda i: reads.append(i) or original(i))
    batches = counted.batches(4, cache=True)
    assert _pass(batches) == _pass(batches) == sorted(reads) == list(range(10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 0},
            "Argument `batch_size` of PartDataset.batches .* at least 1. Received: batch_size=0",
        ),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        (
            {"labels": "binary"},
            "`labels` of PartDataset.batches must be one of.*Received: labels='binary'",
        ),
        (
            {"seed": -1},
            "`seed` of PartDataset.batches must be a whole .* at least 0, or None. .*seed=-1",
        ),
        (
            {"epoch": -1},
            "`epoch` of PartBatches must be a whole number of at least 0. Received: epoch=-1",
        ),
        (
            {"share": (2, 2)},
            r"`share` of PartDataset.batches must be \(index, count\).*Received: share=\(2, 2\)",
        ),
        ({"share": (0,)}, r"Received: share=\(0,\)"),
        ({"share": (0, 2.0)}, r"Received: share=\(0, 2.0\)"),
        ({"shuffle": "yes"}, "`shuffle` of PartDataset.batches must be True or False"),
        (
            {"share": (0, 3)},
            "must be a multiple of the number of processes, 3. Received: batch_size=4",
        ),
        ({"share": (0, 2), "batch_size": 12}, "must be at most 10.* Received: batch_size=12"),
    ],
)
def test_wrong_arguments_are_named(numbered, options, message):
    with pytest.raises(ValueError, match=message):
        numbered.batches(**{"batch_size": 4} | options)


def _model(outputs=3):
    keras.utils.set_random_seed(0)
    pool = [keras.layers.Rescaling(1 / 255), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((4, 6, 3)), *pool, keras.layers.Dense(outputs)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


class _Recorder(PartBatches):
    """Notes the epoch whose plan each batch was made by."""

    def __getitem__(self, index):
        self.__dict__.setdefault("log", []).append(self.epoch)
        return super().__getitem__(index)


def test_fit_evaluate_and_predict_read_the_batches(numbered):
    model = _model()
    before = [w.copy() for w in model.get_weights()]
    history = model.fit(numbered.batches(4, shuffle=True, seed=0), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    loss, _ = model.evaluate(numbered.batches(4), verbose=0)
    images = np.stack([s.image for s in numbered]).astype("float32")
    expected, _ = model.evaluate(images, numbered.labels, verbose=0)
    assert loss == pytest.approx(expected, rel=1e-5)
    predicted = model.predict(numbered.batches(4), verbose=0)
    np.testing.assert_allclose(predicted, model.predict(images, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch_size", "n"), [(4, 3), (5, 2)])
def test_fit_advances_the_epoch_once_an_epoch_though_keras_peeks(numbered, batch_size, n):
    batches = _Recorder(numbered, batch_size, shuffle=True, seed=0)
    _model().fit(batches, epochs=3, verbose=0)
    assert batches.epoch == 3
    # The first entries are the batches that Keras looked at to learn shapes.
    assert batches.log[-3 * n :] == [0] * n + [1] * n + [2] * n


def test_epochs_are_followed_on_resume_and_with_threads(numbered):
    batches = _Recorder(numbered, 4, shuffle=True, seed=0, workers=2)
    model, callbacks = _model(), [batches.follow_epochs()]
    model.fit(batches, epochs=5, initial_epoch=3, verbose=0, callbacks=callbacks)
    assert batches.log[-6:] == [3, 3, 3, 4, 4, 4]


def test_a_resumed_fit_ends_with_the_weights_of_an_undisturbed_one(numbered):
    def fit(model, first, last):
        batches = numbered.batches(4, shuffle=True, seed=0, flip=True)
        model.fit(
            batches,
            initial_epoch=first,
            epochs=last,
            shuffle=False,
            verbose=0,
            callbacks=[batches.follow_epochs()],
        )

    whole, halves = _model(), _model()
    fit(whole, 0, 4)
    fit(halves, 0, 2)
    fit(halves, 2, 4)
    for a, b in zip(whole.get_weights(), halves.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_as_tf_dataset_gives_the_same_batches_epoch_by_epoch(numbered):
    pytest.importorskip("tensorflow")
    options = {"shuffle": True, "seed": 1, "labels": "onehot"}
    dataset = numbered.as_tf_dataset(4, **options)
    assert int(dataset.cardinality()) == 3
    for epoch in range(2):
        expected = list(numbered.batches(4, **options, epoch=epoch))
        received = list(dataset.as_numpy_iterator())
        for (x, y), (u, v) in zip(expected, received, strict=True):
            np.testing.assert_array_equal(x, u)
            np.testing.assert_array_equal(y, v)
    assert dataset.element_spec[0].shape.as_list() == [None, 4, 6, 3]

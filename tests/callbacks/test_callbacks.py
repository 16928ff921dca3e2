"""The measures in the logs of `fit`."""

import csv

import fake_data
import keras
import numpy as np
import pytest

import keras_icnn as icnn
from keras_icnn.callbacks import FilterEntropies, PartMetrics, PartPictures


def fit(*callbacks, epochs=3):
    data = fake_data.FakeDataset(16)
    model = fake_data.network()
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    # Weights must not move, so that the figures are known.
    model.optimizer.learning_rate = 0.0
    return model.fit(data.batches(8), epochs=epochs, callbacks=list(callbacks), verbose=0)


def test_other_callbacks_see_the_figures(tmp_path):
    measure = PartMetrics(fake_data.FakeDataset(30), radius=5.0)
    stop = keras.callbacks.EarlyStopping("val_r2", mode="max", patience=1)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(measure, stop, log, epochs=5).history
    assert len(history["loss"]) == 2
    assert history["val_alive"] == [0.25, 0.25]
    assert history["val_r2"][0] == pytest.approx(measure.report.values["r2"])
    assert 0 <= history["val_part_interpretability"][0] <= 1
    assert "val_accuracy" not in history
    with (tmp_path / "log.csv").open(newline="") as file:
        assert "val_instability" in next(csv.DictReader(file))


def test_every_and_prefix():
    measure = PartMetrics(fake_data.FakeDataset(30), layer="maps", every=2, prefix="held_out_")
    history = fit(measure).history
    assert len(history["held_out_instability"]) == 2
    # Without a radius nothing is occluded.
    assert "held_out_part_interpretability" not in history
    with pytest.raises(ValueError, match="`every`"):
        PartMetrics(None, every=0)


# --- entropies and pictures ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def creatures():
    return icnn.datasets.creatures(16, 0, 12, (32, 32), species=["cat"])


def train(data, *callbacks, epochs=3):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = icnn.InterpretableConv(
        4, 5, strides=4, padding="same", num_classes=2, background_class=0, normalization="batch"
    )(x)
    x = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, keras.layers.Dense(1)(x), name="net")
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(
        data.train.batches(8), epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks)
    )
    return model, history.history


@pytest.mark.medium
def test_entropies_are_logged(creatures):
    callback = FilterEntropies(creatures.test, images=10, every=2)
    model, history = train(creatures, callback)
    assert len(history["val_category_entropy"]) == 2
    # Eq. (5): MI(X; T) = H(T) - category entropy - spatial entropy, H(T) of 8 * 8 + 1 templates.
    total = sum(
        history[f"val_{name}"][-1]
        for name in ("mutual_information", "category_entropy", "spatial_entropy")
    )
    assert total == pytest.approx(np.log(65), abs=1e-4)
    chosen = creatures.test.subset(np.linspace(0, 11, 10).round().astype(int))
    below = keras.Model(model.inputs[0], model.layers[1].output)
    maps = below.predict_on_batch(chosen.batches(10)[0][0])
    direct = model.layers[2].filter_diagnostics(maps)["spatial_entropy"].mean()
    assert history["val_spatial_entropy"][-1] == pytest.approx(direct, abs=1e-5)


def test_entropies_need_an_interpretable_layer(creatures):
    with pytest.raises(ValueError, match="at least two"):
        FilterEntropies(creatures.test.take(1))
    with pytest.raises(ValueError, match="`every`"):
        FilterEntropies(creatures.test, every=0)
    callback = FilterEntropies(creatures.test)
    callback.set_model(fake_data.network())
    with pytest.raises(ValueError, match="interpretable layer"):
        callback.on_epoch_end(0)


@pytest.mark.medium
def test_pictures_in_a_folder_and_tensorboard(creatures, tmp_path):
    pictures = PartPictures(
        creatures.test, tmp_path / "new" / "out", tmp_path / "logs", 2, filters=[1], max_share=None
    )
    train(creatures, pictures)
    assert pictures.written == [0, 2, 3] and pictures.put_off == []
    wanted = {
        f"epoch_{epoch:04d}_{name}.png"
        for epoch in (0, 2, 3)
        for name in ("maps", "heatmap", "filter_1")
    }
    assert {p.name for p in (tmp_path / "new" / "out").iterdir()} == wanted
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    (log,) = (tmp_path / "logs" / "parts").iterdir()
    seen = {}
    for event in LegacyEventFileLoader(str(log)).Load():
        for value in event.summary.value:
            seen.setdefault(value.tag, []).append(event.step)
            assert value.image.encoded_image_string.startswith(b"\x89PNG")
            assert value.image.width > value.image.height / 4 > 20
    assert seen == {f"parts/{name}": [0, 2, 3] for name in ("maps", "heatmap", "filter_1")}


@pytest.mark.medium
def test_pictures_leave_the_training_as_it_is(creatures, tmp_path):
    pictures = PartPictures(creatures.test, tmp_path, filters=0, max_share=None)
    with_pictures, _ = train(creatures, pictures, epochs=2)
    without, _ = train(creatures, epochs=2)
    assert pictures.written == [0, 1, 2]
    for a, b in zip(with_pictures.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.medium
def test_pictures_of_a_run_that_goes_on(creatures, tmp_path):
    pictures = PartPictures(creatures.test.take(2), tmp_path, every=3, filters=[0], max_share=None)
    model, _ = train(creatures, epochs=1)
    model.fit(
        creatures.train.batches(8),
        initial_epoch=4,
        epochs=7,
        shuffle=False,
        verbose=0,
        callbacks=[pictures],
    )
    assert pictures.written == [4, 6, 7]
    assert not (tmp_path / "epoch_0000_maps.png").exists()


@pytest.mark.medium
def test_pictures_are_put_off_while_they_would_be_felt(creatures, tmp_path, monkeypatch):
    pictures = PartPictures(creatures.test, tmp_path, every=2, max_share=0.1)
    clock = [0.0]
    monkeypatch.setattr("keras_icnn.callbacks._part_pictures.time.perf_counter", lambda: clock[0])

    def write(epoch):
        pictures.written.append(epoch)
        clock[0] += 1.0
        pictures._last = 1.0

    monkeypatch.setattr(pictures, "_write", write)
    pictures.set_model(train(creatures, epochs=1)[0])
    pictures.on_train_begin()
    assert pictures.written == []
    # Epochs of 4 s: 1 s of pictures is a tenth after 10 s, 2 s after 20 s.
    for epoch in range(9):
        pictures.on_epoch_begin(epoch)
        clock[0] += 4.0
        pictures.on_epoch_end(epoch)
    pictures.on_train_end()
    assert pictures.put_off == [2, 4, 6, 7]
    assert pictures.written == [0, 3, 5, 8, 9]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "place to write"),
        ({"out": "x", "every": 0}, "`every`"),
        ({"out": "x", "images": 0}, "`images`"),
        ({"out": "x", "max_share": 0}, "`max_share`"),
    ],
)
def test_wrong_arguments_of_pictures(options, match, creatures):
    with pytest.raises(ValueError, match=match):
        PartPictures(creatures.test, **options)

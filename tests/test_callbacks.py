"""The measures in the logs of `fit`."""

import csv
import sys
from pathlib import Path

import keras
import pytest

sys.path.insert(0, str(Path(__file__).parent / "metrics"))
import fake_data

from keras_icnn.callbacks import PartMetrics

# Keras 3.15 itself converts torch tensors in the way NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


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

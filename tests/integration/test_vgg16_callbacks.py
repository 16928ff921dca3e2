"""VGG-16 by `model.fit` with the callbacks people attach."""

import keras
import numpy as np
import pytest

import keras_icnn as icnn


@pytest.mark.slow
def test_vgg16_trains_with_keras_callbacks(tmp_path):
    model = icnn.zoo.vgg16_interpretable(
        classes=6, input_shape=(64, 64, 3), weights=None, include_preprocessing=True
    )
    model.compile(
        keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    x = np.random.default_rng(0).uniform(0, 255, (12, 64, 64, 3)).astype("float32")
    y = np.arange(12) % 6
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
        keras.callbacks.TensorBoard(tmp_path / "logs", write_graph=False),
        keras.callbacks.ReduceLROnPlateau(patience=1),
        keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = model.fit(
        x, y, batch_size=6, epochs=2, validation_data=(x, y), callbacks=callbacks, verbose=0
    ).history
    assert len(history["filter_loss"]) == 2
    assert (model.get_layer("interpretable_conv").target_categories() >= 0).all()
    assert (model.get_layer("block5_conv3").target_categories() >= 0).all()
    again = keras.saving.load_model(tmp_path / "best.keras")
    assert type(again) is icnn.InterpretableModel
    assert "filter_loss" in (tmp_path / "log.csv").read_text()
    assert list((tmp_path / "logs" / "train").iterdir())
    assert list((tmp_path / "backup").iterdir())
    # Resumed by BackupAndRestore, it goes on from the last epoch.
    more = model.fit(x, y, batch_size=6, epochs=3, callbacks=[callbacks[4]], verbose=0).history
    assert len(more["loss"]) == 1

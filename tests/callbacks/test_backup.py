"""`Backup`: an interrupted run goes on where it was."""

import numpy as np
import pytest
import small_network as small

import keras_icnn as icnn
from keras_icnn.layers import _replicas
from keras_icnn.models import _training_state

# What a backup holds and how training goes on is tested on every backend.
WHICH_FILES = pytest.mark.tensorflow_only("which files are kept does not depend on the backend")


class StoppedError(Exception):
    pass


class StopIn(small.keras.callbacks.Callback):
    def __init__(self, epoch, batch):
        super().__init__()
        self.place = (epoch, batch)
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise StoppedError


def fit(model, path=None, stop=None, epochs=4, **backup):
    callbacks = []
    if path is not None:
        callbacks.append(icnn.callbacks.Backup(path, **backup))
    if stop is not None:
        callbacks.append(StopIn(*stop))
    return model.fit(
        small.Batches(), epochs=epochs, shuffle=False, callbacks=callbacks, verbose=0
    ).history


def state(model):
    return _training_state.read(_training_state.variables(model))


def fresh(**arguments):
    small.keras.utils.set_random_seed(3)
    return small.network(**arguments)


@pytest.mark.medium
@pytest.mark.parametrize("interpretable", [True, False])
def test_resumed_training_ends_as_an_undisturbed_one(tmp_path, interpretable):
    whole = fresh(interpretable=interpretable)
    expected = fit(whole)
    path = tmp_path / "run" / "backup.npz"
    # Each fit is compiled anew, which takes long on JAX.
    places = (
        ((0, 2), (2, 0), (3, 4)) if small.keras.backend.backend() == "tensorflow" else ((3, 4),)
    )
    for place in places:
        with pytest.raises(StoppedError):
            fit(fresh(interpretable=interpretable), path, place)
    model = fresh(interpretable=interpretable)
    history = fit(model, path)
    for a, b in zip(state(whole), state(model), strict=True):
        assert np.array_equal(a, b)
    assert history == {name: pytest.approx(values) for name, values in expected.items()}
    assert not path.exists()
    # The model itself is not left in the middle of a run.
    assert len(fit(model, epochs=1)["loss"]) == 1


@WHICH_FILES
@pytest.mark.medium
def test_a_finished_run_that_is_kept_is_not_repeated(tmp_path):
    path = tmp_path / "backup.npz"
    first = fresh()
    expected = fit(first, path, delete=False)
    again = fresh()
    assert fit(again, path, delete=False) == expected
    for a, b in zip(state(first), state(again), strict=True):
        assert np.array_equal(a, b)


@WHICH_FILES
@pytest.mark.medium
def test_every(tmp_path):
    path = tmp_path / "backup.npz"
    with pytest.raises(StoppedError):
        fit(fresh(), path, (1, 0), every=2)
    assert not path.exists()
    with pytest.raises(StoppedError):
        fit(fresh(), path, (3, 0), every=2)
    history = fit(fresh(), path, epochs=3, every=2)
    assert len(history["loss"]) == 3


@WHICH_FILES
@pytest.mark.medium
def test_the_last_epoch_is_kept_whatever_every_says(tmp_path):
    path = tmp_path / "backup.npz"
    first, again = fresh(), fresh()
    expected = fit(first, path, epochs=3, every=2, delete=False)
    assert fit(again, path, epochs=3, every=2, delete=False) == expected
    for a, b in zip(state(first), state(again), strict=True):
        assert np.array_equal(a, b)


@WHICH_FILES
@pytest.mark.medium
def test_without_its_file_training_begins_at_the_beginning(tmp_path):
    # Also in a process where a resumed run was interrupted.
    path = tmp_path / "backup.npz"
    model = fresh()
    with pytest.raises(StoppedError):
        fit(model, path, (1, 0))
    with pytest.raises(StoppedError):
        fit(model, path, (1, 1))
    path.unlink()
    assert len(fit(model, path, epochs=2)["loss"]) == 2


@pytest.mark.medium
def test_metrics_that_give_a_vector(tmp_path):
    path = tmp_path / "backup.npz"
    histories = []
    for _ in range(2):
        model = fresh(eager=False)
        model.compile("sgd", "categorical_crossentropy", metrics=[small.keras.metrics.F1Score()])
        x, y = small.Batches()[0]
        callback = icnn.callbacks.Backup(path, delete=False)
        one_hot = np.eye(3, dtype="float32")[y]
        history = model.fit(x, one_hot, epochs=2, verbose=0, callbacks=[callback]).history
        histories.append(np.asarray(history["f1_score"]))
    assert histories[0].shape == (2, 3)
    assert np.array_equal(*histories)


def damaged(tmp_path, change):
    path = tmp_path / "backup.npz"
    fit(fresh(), path, epochs=1, delete=False)
    content = bytearray(path.read_bytes())
    content = change(content)
    path.write_bytes(content)
    return path, bytes(content)


def flipped(content):
    content[len(content) // 2] ^= 4
    return content


@pytest.mark.medium
@pytest.mark.parametrize(
    "change", [flipped, lambda c: c[: len(c) // 2], lambda c: b"", lambda c: b"x"]
)
def test_a_damaged_file_is_named_and_left(tmp_path, change):
    path, content = damaged(tmp_path, change)
    model = fresh()
    before = state(model)
    with pytest.raises(ValueError, match=r"backup\.npz' is damaged.*Remove it"):
        fit(model, path)
    assert path.read_bytes() == content
    for a, b in zip(before, state(model), strict=True):
        assert np.array_equal(a, b)


def test_the_backup_of_another_model_is_refused(tmp_path):
    path = tmp_path / "backup.npz"
    fit(fresh(), path, epochs=1, delete=False)
    with pytest.raises(ValueError, match="of another model or optimizer"):
        fit(fresh(optimizer="sgd"), path)


@pytest.mark.parametrize("arguments", [{"path": "a.h5"}, {"path": "a.npz", "every": 0}])
def test_arguments(arguments):
    with pytest.raises(ValueError, match=r"`path`|`every`"):
        icnn.callbacks.Backup(**arguments)


@WHICH_FILES
@pytest.mark.medium
def test_only_the_first_of_several_processes_writes(tmp_path, monkeypatch):
    path = tmp_path / "backup.npz"
    with pytest.raises(StoppedError):
        fit(fresh(), path, (2, 0))
    kept = path.read_bytes()
    monkeypatch.setattr(_replicas, "is_first_process", lambda model: False)
    history = fit(fresh(), path)
    assert len(history["loss"]) == 4
    assert path.read_bytes() == kept  # neither written nor removed


def test_processes_that_found_different_backups(tmp_path, monkeypatch):
    monkeypatch.setattr(
        _replicas, "numbers_of_processes", lambda number, model: np.array([number, 3])
    )
    with pytest.raises(ValueError, match=r"holds \[0, 3\] epochs, process by process"):
        fit(fresh(), tmp_path / "backup.npz")


def test_a_loop_of_ones_own_begins_where_it_was(tmp_path):
    path = tmp_path / "backup.npz"
    model = fresh()
    for expected in (0, 2):
        backup = icnn.callbacks.Backup(path)
        callbacks = small.keras.callbacks.CallbackList([backup], add_history=True, model=model)
        callbacks.on_train_begin()
        assert backup.initial_epoch == expected
        for epoch in range(backup.initial_epoch, expected + 2):
            callbacks.on_epoch_begin(epoch)
            callbacks.on_epoch_end(epoch, {"loss": float(epoch)})
    callbacks.on_train_end()
    assert model.history.history == {"loss": [0.0, 1.0, 2.0, 3.0]}

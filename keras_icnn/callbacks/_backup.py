"""`Backup`: training that can be killed at any moment and goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_icnn._files.whole_file import remove_leftovers_of, replacing
from keras_icnn.layers import _replicas
from keras_icnn.models import _training_state

_FORMAT = 1


class Backup(keras.callbacks.Callback):
    """Saves the state of training after each epoch; the next `fit` goes on from there.

    Used like `keras.callbacks.BackupAndRestore`, with two differences. The file is replaced in one
    step, so a process killed at any moment, or a full disk, leaves the last complete one (Keras
    writes over its only file, and keeps the epoch in another). And it holds all that training
    depends on: weights, running statistics, the optimizer, random generators (which Keras's weights
    files leave out) and the logs of earlier epochs, which the history of the resumed `fit` begins
    with. Where the order of the data depends on the epoch alone (`PartDataset.batches(...,
    seed=0)` with its `follow_epochs()` and one worker, `fit(..., shuffle=False)`), a run killed and
    resumed ends with the weights of one that was left alone. `fit(x, y, shuffle=True)` draws the
    order anew.

    Other callbacks' own counts (`EarlyStopping`, `ReduceLROnPlateau`) are not saved.

    Where several processes train in step, the first one writes the file and all go on from it: its
    folder has to be one that all of them see.

    Args:
        path: The file, such as `"run/backup.npz"`. Its folder is made.
        every: Save after so many epochs.
        delete: Whether to remove the file when `fit` has ended by itself. Otherwise its last epoch
            is saved in any case, and the next `fit` with the same `epochs` has nothing left to do.

    Attributes:
        initial_epoch: The epoch that training goes on with, from 0, known after `on_train_begin`.
            `fit` begins there by itself; a loop of your own has to.

    Raises:
        ValueError: In `fit`, for a file that is damaged or of another model, or that not all
            processes found. It is left as it is.
        OSError: In `fit`, when the file cannot be written; the one before is left as it was.

    Example:

    ```python
    batches = data.train.batches(32, shuffle=True, seed=0)
    model.fit(batches, epochs=50, shuffle=False,
              callbacks=[batches.follow_epochs(), icnn.callbacks.Backup("run/backup.npz")])
    ```
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1, delete: bool = True) -> None:
        super().__init__()
        if not os.fspath(path).endswith(".npz"):
            raise ValueError(f"`path` must end with .npz. Received: path={os.fspath(path)!r}")
        if isinstance(every, bool) or every != int(every) or every < 1:
            raise ValueError(f"`every` must be at least 1 epoch. Received: every={every!r}")
        self.path = Path(path)
        self.every = int(every)
        self.delete = bool(delete)
        self._writes = True
        self._begin()

    def _begin(self):
        self._logs = []
        self._earlier = []
        self._epochs = self._saved = self.initial_epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._begin()
        # A `fit` that was interrupted in this process may have left it.
        self.model._initial_epoch = None
        self._writes = _replicas.is_first_process(self.model)
        if self._writes:
            remove_leftovers_of(self.path)
        if self.path.exists():
            self._restore()
        epochs = _replicas.numbers_of_processes(self.initial_epoch, self.model)
        if (epochs != epochs[0]).any():
            raise ValueError(
                "Every process has to find the same backup, in a folder that all of them see. "
                f"Received: path='{self.path}', which holds {epochs.tolist()} epochs, process by "
                "process"
            )

    def _restore(self):
        model = self.model
        found = _training_state.variables(model)
        try:
            with open(self.path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                about = json.loads(str(archive["about"]))
                if about["format"] != _FORMAT:
                    raise ValueError(f"format {about['format']} instead of {_FORMAT}")
                epochs, earlier = int(about["epochs"]), list(about["logs"])
                arrays = [archive[f"v{k}"] for k in range(int(about["variables"]))]
        except Exception as error:  # A broken file fails in as many ways as it can be broken.
            raise ValueError(
                f"The backup '{self.path}' is damaged, or none of this package. Remove it to train "
                f"from the beginning. Received: {type(error).__name__}: {error}"
            ) from error
        expected = [tuple(v.shape) for v in found]
        received = [array.shape for array in arrays]
        if expected != received:
            raise ValueError(
                f"The backup '{self.path}' is of another model or optimizer. Pass another `path`, "
                "or remove it to train from the beginning. Expected: shapes "
                f"{expected[:4]}... ({len(expected)} variables). Received: {received[:4]}... "
                f"({len(received)})"
            )
        _training_state.write(found, arrays)
        # What `fit` begins with instead of its own argument: Keras's own callback sets it, too.
        model._initial_epoch = self.initial_epoch = epochs
        self._logs = earlier
        self._earlier = list(earlier)
        self._saved = epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._give_back_history()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epochs = epoch + 1
        self._logs.append({name: _plain(value) for name, value in (logs or {}).items()})
        if self._epochs % self.every == 0:
            self._save(self._epochs)

    def _save(self, epochs):
        self._saved = epochs
        if not self._writes:
            return
        arrays = _training_state.read(_training_state.variables(self.model))
        about = {
            "format": _FORMAT,
            "epochs": epochs,
            "variables": len(arrays),
            "logs": self._logs,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as temporary:
            np.savez(
                temporary,
                about=np.array(json.dumps(about)),
                **{f"v{k}": array for k, array in enumerate(arrays)},
            )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._give_back_history()
        # Or the next `fit` of this model would begin there as well.
        self.model._initial_epoch = None
        if self.delete:
            if self._writes:
                self.path.unlink(missing_ok=True)
        elif self._epochs > self._saved:
            self._save(self._epochs)

    def _give_back_history(self):
        """Puts the epochs before the interruption at the head of what `fit` returns."""
        earlier, self._earlier = self._earlier, []
        history = self.model.history
        for k, logs in enumerate(earlier):
            history.epoch.insert(k, k)
            for name, value in logs.items():
                history.history.setdefault(name, []).insert(k, value)


def _plain(value):
    # Some metrics give a vector, such as a score a class.
    return keras.ops.convert_to_numpy(value).tolist() if hasattr(value, "shape") else float(value)

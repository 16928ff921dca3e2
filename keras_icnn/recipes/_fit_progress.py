"""What `fit` prints in `train_folder`: a line an epoch, a bar within it, the time that is left."""

import sys
import time

import keras


class Progress(keras.callbacks.Callback):
    """Prints each epoch's figures and how long the whole may still take.

    Args:
        name: What the network is called.
        epochs: Of this network.
        later: Epochs of networks that are trained after it.
        steps: Batches of an epoch.
    """

    def __init__(self, name, epochs, later, steps):
        super().__init__()
        self._name, self._epochs, self._later, self._steps = name, epochs, later, steps
        self._seconds = []
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()
        if sys.stderr.isatty():
            from tqdm import tqdm

            what = f"{self._name}, epoch {epoch + 1}/{self._epochs}"
            self._bar = tqdm(total=self._steps, desc=what, unit="batch", leave=False)

    def on_train_batch_end(self, batch, logs=None):
        if self._bar is not None:
            self._bar.update()

    def on_epoch_end(self, epoch, logs=None):
        if self._bar is not None:
            self._bar.close()
        self._seconds.append(time.monotonic() - self._started)
        # The first one compiles besides.
        typical = self._seconds[1:] or self._seconds
        left = sum(typical) / len(typical) * (self._epochs - epoch - 1 + self._later)
        figures = ", ".join(f"{k} {float(v):.3f}" for k, v in _shown(logs or {}))
        print(
            f"{self._name}, epoch {epoch + 1}/{self._epochs}: {figures}; {_told(left)}", flush=True
        )


def _shown(logs):
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return [(name, logs[name]) for name in names if name in logs]


def _told(seconds):
    if seconds < 1:
        return "trained"
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    return f"about {seconds / 60:.0f} min left"

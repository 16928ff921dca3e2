"""`PartBatches`: a `PartDataset` in batches, for Keras on every backend."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import keras
import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._part_dataset import require_one_size

if TYPE_CHECKING:
    from keras_icnn.datasets._part_dataset import PartDataset

_FORMATS = ("int", "onehot", "sign")
_WHICH_FORMAT = "Use 'int' for sparse losses, 'onehot' for the others, 'sign' for -1 and +1."


class PartBatches(keras.utils.PyDataset):
    """Batches of a `PartDataset`: pairs of images and labels.

    Made by `PartDataset.batches`, which explains the arguments. Images are decoded when their
    batch is asked for.

    Order and flips are a function of `(seed, epoch)` and nothing else. The epoch advances in
    `on_epoch_end` after a complete pass, made by Keras or by `for images, labels in batches`.
    Two things in Keras disturb the order of an epoch:

    - `fit(shuffle=True)`, its default, permutes the batches once more with Python's global
      generator. Pass `fit(..., shuffle=False)` for the order that `(seed, epoch)` gives.
    - `fit` cannot tell the data which epoch it resumes (`initial_epoch`, `BackupAndRestore`), and
      threads (`workers > 1`) may read a pass for nothing. Pass
      `callbacks=[batches.follow_epochs()]` and the epoch is the one Keras counts.

    Attributes:
        dataset: The `PartDataset`.
        batch_size: Images a batch, of all processes together.
        share: `(index, count)`, this process's part of each batch, or `None`.
        seed: The seed in use.
        epoch: The current epoch, from 0. Set it to resume.
        label_format: `"int"`, `"onehot"` or `"sign"`.

    Raises:
        ValueError: For a wrong argument, or images of different sizes.
    """

    def __init__(
        self,
        dataset: PartDataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int | None = None,
        flip: bool = False,
        labels: Literal["int", "onehot", "sign"] = "int",
        epoch: int = 0,
        share: tuple[int, int] | None = None,
        workers: int = 1,
        max_queue_size: int = 10,
    ) -> None:
        # No processes: decoding files releases the interpreter's lock, and forking TensorFlow
        # is not safe.
        super().__init__(workers=workers, max_queue_size=max_queue_size)
        require_one_size(dataset, "batches")
        where = "PartDataset.batches"
        seed = check.whole_number(seed, "seed", where, at_least=0, optional=True)
        self.dataset = dataset
        self.batch_size = check.whole_number(batch_size, "batch_size", where, at_least=1)
        self.label_format = check.choice(labels, "labels", where, _FORMATS, fix=_WHICH_FORMAT)
        self.share = None if share is None else _checked_share(share, self.batch_size)
        if self.share and not len(self):
            expectation = f"at most {len(dataset)}, the number of images, with `share`"
            fix = "Use a smaller one: a last batch that is not complete is left out."
            check.refuse(batch_size, "batch_size", where, expectation, fix)
        self.shuffle = check.flag(shuffle, "shuffle", where)
        self.flip = check.flag(flip, "flip", where)
        self.seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self.epoch = epoch
        self._plan_of = (None, None, None)
        self._lock = threading.Lock()
        self._in_epoch = False
        self._requested = 0
        self._whole_pass = False

    @property
    def epoch(self) -> int:
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        fix = "Count epochs from 0."
        self._epoch = check.whole_number(value, "epoch", "PartBatches", at_least=0, fix=fix)

    def __len__(self) -> int:
        if self.share:
            return len(self.dataset) // self.batch_size
        return -(-len(self.dataset) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be in 0 .. {len(self) - 1}. Received: index={index}.")
        with self._lock:
            self._requested += 1
        order, flips = self._plan(self._epoch)
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        if self.share:
            part, parts = self.share
            rows = np.split(rows, parts)[part]
        return self._inputs(rows, flips[rows]), self._labels(self.dataset.labels[rows])

    def _inputs(self, rows, flips):
        """What the model is given for these rows of the data set, mirrored where `flips` is set."""
        images = np.empty((len(rows), *self.dataset.image_size, 3), "float32")
        for target, row, flip in zip(images, rows, flips, strict=True):
            image = self.dataset.image(row)
            target[...] = image[:, ::-1] if flip else image
        return images

    def image_digests(self) -> np.ndarray:
        """What tells the images of the data set apart: see `PartDataset.image_digests`."""
        return self.dataset.image_digests()

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index in range(len(self)):
            yield self[index]
        self._whole_pass = True

    def _plan(self, epoch):
        known, order, flips = self._plan_of
        if known != epoch:
            n = len(self.dataset)
            # Two streams, so that asking for flips does not change the order.
            order = np.arange(n)
            if self.shuffle:
                order = np.random.default_rng([self.seed, epoch, 0]).permutation(n)
            flips = np.zeros(n, bool)
            if self.flip:
                flips = np.random.default_rng([self.seed, epoch, 1]).random(n) < 0.5
            self._plan_of = (epoch, order, flips)
        return order, flips

    def _labels(self, labels):
        if self.label_format == "int":
            return labels.astype("int32")
        onehot = np.eye(len(self.dataset.class_names), dtype="float32")[labels]
        return onehot if self.label_format == "onehot" else 2 * onehot - 1

    def on_epoch_begin(self) -> None:
        self._in_epoch = True
        self._requested = 0

    def on_epoch_end(self) -> None:
        # Keras calls this also after it has looked at a batch or two to learn shapes; only a
        # complete pass is an epoch, or the order would depend on whether the model was built.
        read_by_keras = self._in_epoch and self._requested >= len(self)
        if self._whole_pass or read_by_keras:
            self._epoch += 1
        self._in_epoch = self._whole_pass = False
        self._requested = 0

    def follow_epochs(self) -> keras.callbacks.Callback:
        """A callback for `fit` that sets `epoch` to the epoch Keras counts, resumed or not."""
        return _FollowEpochs(self)


class _FollowEpochs(keras.callbacks.Callback):
    def __init__(self, batches):
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self._batches.epoch = epoch


def _checked_share(share, batch_size):
    where = "PartDataset.batches"
    try:
        index, count = share
        count = check.whole_number(count, "share", where, at_least=1)
        index = check.whole_number(index, "share", where, at_least=0, at_most=count - 1)
    except (TypeError, ValueError):
        expectation = "(index, count), the number of this process, from 0, and of all"
        check.refuse(share, "share", where, expectation, "With two, use (0, 2) and (1, 2).")
    if batch_size % count:
        expectation = f"a multiple of the number of processes, {count}"
        fix = "It is that of all processes together."
        check.refuse(batch_size, "batch_size", where, expectation, fix)
    return index, count

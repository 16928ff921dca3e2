"""Pictures of what the filters do, during `fit`."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_icnn._figure import new_figure
from keras_icnn._files.whole_file import replacing
from keras_icnn.metrics import MapReader
from keras_icnn.visualize import filter_gallery, filter_maps, part_heatmap
from keras_icnn.visualize._peaks import measured_peaks

if TYPE_CHECKING:
    from keras_icnn.datasets import PartDataset


class PartPictures(keras.callbacks.Callback):
    """Writes pictures of a layer's filters into a folder or TensorBoard while the network trains.

    Before training, after every so many epochs and when training has ended: a few filters' maps on
    one image (`filter_maps`), where all filters fire (`part_heatmap`), and the strongest images of
    each of these filters (`filter_gallery`). The filters are the same throughout: the most active
    ones at the start, or those given.

    Writing takes a second or so. So that it is not felt, it is put off to a later epoch while it
    would have taken more than `max_share` of the time spent in epochs, judged by the last; what
    came out dearer is made up for by waiting longer the next time. Pictures before and after
    training come on top.

    Args:
        dataset: A `PartDataset` of held-out images, best of the categories, not the background.
        out: Folder for PNG files, made if it does not exist: `epoch_0003_heatmap.png`.
        log_dir: Folder of TensorBoard's logs, as in `keras.callbacks.TensorBoard`.
        every: Epochs between pictures, at least.
        layer: Layer or name; None: the topmost interpretable layer, else the topmost map.
        filters: Their numbers, or one; None: the two with the highest mean peak before training.
        images: How many images of the data set to use, spread over it.
        max_share: Share of the training time that pictures may take; None: no limit.
        radius: Of a filter's region in pixels; None: a quarter of the theoretical receptive field.
        batch_size: Images per forward pass.

    `written` is the list of epochs pictured (0: before training), `put_off` of those that were due
    and left out.

    Raises:
        ImportError: Without matplotlib, or with `log_dir` without tensorboard.
        ValueError: For numbers out of range, or neither `out` nor `log_dir`.

    Example:

    ```python
    model.fit(train, callbacks=[icnn.callbacks.PartPictures(data.validation, "images")])
    ```
    """

    def __init__(
        self,
        dataset: PartDataset,
        out: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
        *,
        layer: keras.layers.Layer | str | None = None,
        filters: Sequence[int] | int | None = None,
        images: int = 64,
        max_share: float | None = 0.05,
        radius: float | None = None,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        if out is None and log_dir is None:
            raise ValueError(
                "`PartPictures` needs a place to write to: a folder `out`, TensorBoard's "
                "`log_dir`, or both. Received: neither"
            )
        if every < 1 or images < 1:
            raise ValueError(
                f"`every` and `images` must be at least 1. Received: every={every}, images={images}"
            )
        if max_share is not None and not 0 < max_share <= 1:
            raise ValueError(
                "`max_share` must be a share of the training time, above 0 and at most 1, or None. "
                f"Received: max_share={max_share}"
            )
        if not len(dataset):
            raise ValueError("`dataset` must hold at least one image. Received: none")
        # An epoch of training shall not end in a missing package.
        new_figure(1, 1, 1, 1)
        if log_dir is not None:
            _tensorboard()
        chosen = np.linspace(0, len(dataset) - 1, min(images, len(dataset))).round().astype(int)
        self.dataset = dataset.subset(np.unique(chosen)).cache()
        self.out = None if out is None else Path(out)
        self.log_dir = log_dir
        self.every = int(every)
        self.layer = layer
        self.filters = [filters] if np.ndim(filters) == 0 and filters is not None else filters
        self.max_share = max_share
        self.radius = radius
        self.batch_size = batch_size
        self.written, self.put_off = [], []
        self._reader = self._writer = None
        self._trained = self._spent = self._last = 0.0
        self._began = 0.0
        self._done = 0

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._reader = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
        self._trained = self._spent = 0.0
        self.written, self.put_off = [], []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.written:
            # Not in `on_train_begin`, which does not say where a resumed run goes on.
            self._done = epoch
            # Compiled first, so that the time which the next pictures will take is known.
            self._read().maps(self.dataset.image(0)[None], before=True)
            self._write(epoch)
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._trained += time.perf_counter() - self._began
        self._done = done = epoch + 1
        if done % self.every and not (self.put_off and self.put_off[-1] > self.written[-1]):
            return
        limit = float("inf") if self.max_share is None else self.max_share
        if self._spent + self._last > limit * self._trained:
            self.put_off.append(done)
            return
        self._write(done)
        self._spent += self._last

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.written and self.written[-1] != self._done:
            self._write(self._done)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # --- drawing ------------------------------------------------------------------------------

    def _write(self, epoch):
        started = time.perf_counter()
        for name, figure in self._figures(epoch):
            picture = io.BytesIO()
            # Hardly larger, and written in half the time.
            figure.savefig(picture, format="png", dpi=80, pil_kwargs={"compress_level": 1})
            if self.out is not None:
                with replacing(self.out / f"epoch_{epoch:04d}_{name}.png") as temporary:
                    temporary.write_bytes(picture.getvalue())
            if self.log_dir is not None:
                self._to_tensorboard(name, epoch, picture.getvalue(), figure)
        self.written.append(epoch)
        self._last = time.perf_counter() - started

    def _read(self):
        if self._reader is None:
            # Kept over the epochs, so that the forward passes are compiled once.
            self._reader = MapReader(self.model, self.layer, self.batch_size)
        return self._reader

    def _figures(self, epoch):
        peaks = measured_peaks(self._read(), self.dataset, self.batch_size)
        if self.filters is None:
            self.filters = [int(f) for f in peaks.most_active()[:2]]
        when = "before training" if epoch == 0 else f"after epoch {epoch}"
        shared = {"reader": self._reader, "radius": self.radius}
        yield (
            "maps",
            filter_maps(self.model, self.dataset.image(0), self.filters, title=when, **shared),
        )
        yield "heatmap", part_heatmap(self.model, self.dataset, n=6, title=when, **shared)
        for f in self.filters:
            yield (
                f"filter_{f}",
                filter_gallery(
                    self.model,
                    self.dataset,
                    f,
                    n=6,
                    peaks=peaks,
                    title=f"Filter {f} {when}",
                    **shared,
                ),
            )

    def _to_tensorboard(self, name, epoch, picture, figure):
        event, summary, writer = _tensorboard()
        if self._writer is None:
            self._writer = writer(os.path.join(self.log_dir, "parts"))
        width, height = (int(n) for n in figure.get_size_inches() * 80)
        image = summary.Summary.Image(
            encoded_image_string=picture, height=height, width=width, colorspace=4
        )
        value = summary.Summary.Value(tag=f"parts/{name}", image=image)
        self._writer.add_event(
            event.Event(wall_time=time.time(), step=epoch, summary=summary.Summary(value=[value]))
        )
        # A run that is killed keeps the pictures it had.
        self._writer.flush()


def _tensorboard():
    """TensorBoard's messages and writer, which need no TensorFlow."""
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError(
            "`log_dir` needs tensorboard, which is not installed: pip install "
            '"keras-icnn[tensorboard]"'
        ) from error
    return event_pb2, summary_pb2, EventFileWriter

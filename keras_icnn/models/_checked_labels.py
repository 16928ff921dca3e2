"""Labels that are checked before they reach a training step."""

import keras

from keras_icnn.layers import _membership


def check_labels(y, counts, where="Labels"):
    for count in counts:
        _membership.check(keras.ops.convert_to_numpy(y), count, where)


class CheckedBatches(keras.utils.PyDataset):
    """A `PyDataset` whose labels are checked on their way to the training step."""

    def __init__(self, batches, choose, counts):
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self._batches = batches
        self._choose = choose
        self._counts = counts

    def __getitem__(self, index):
        batch = self._batches[index]
        _, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        if y is not None:
            check_labels(self._choose(y), self._counts, f"In batch {index}, labels")
        return batch

    def __len__(self):
        return len(self._batches)

    @property
    def num_batches(self):
        return self._batches.num_batches

    def on_epoch_begin(self):
        self._batches.on_epoch_begin()

    def on_epoch_end(self):
        self._batches.on_epoch_end()

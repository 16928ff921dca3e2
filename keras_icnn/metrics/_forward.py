"""The forward pass over a data set, batch by batch."""

import numpy as np

from keras_icnn.metrics._frames import resize_image


class Forward:
    """Iterates over (maps, predictions) of a data set's batches, in its order.

    Args:
        reader: a `MapReader`; its `batch_size` is used.
        dataset: a `PartDataset`. Pictures that differ in size (`image_size=None`) are resized to
            `input_size`.
        input_size: (height, width) of the network's input.
        features: array [images, ...] fed in place of the pictures, or None.
        preprocess: function applied to each batch of pictures, or None.
        what: text of a progress bar, or None.

    Attributes:
        sizes: int [images, 2], the pictures' own (height, width); filled as far as the iteration
            has come. None where all pictures have the size of the input.
    """

    def __init__(self, reader, dataset, input_size, features=None, preprocess=None, what=None):
        self._reader = reader
        self._dataset = dataset
        self._input_size = tuple(int(n) for n in input_size)
        self._features = features
        self._preprocess = preprocess
        self._what = what
        self.sizes = None
        if dataset.image_size is None:
            self.sizes = np.zeros((len(dataset), 2), int)

    def __iter__(self):
        step = self._reader.batch_size
        starts = range(0, len(self._dataset), step)
        if self._what:
            from tqdm import tqdm

            starts = tqdm(starts, desc=self._what, unit="batch")
        for start in starts:
            yield self._reader(self._batch(start, start + step))

    def _batch(self, start, stop):
        if self._features is not None:
            if self.sizes is not None:
                self._own_pictures(start, stop)
            return np.asarray(self._features[start:stop])
        if self.sizes is None:
            step = self._reader.batch_size
            if start == 0:
                self._loader = self._dataset.batches(step)
            batch = self._loader[start // step][0]
        else:
            pictures = self._own_pictures(start, stop)
            batch = np.stack([resize_image(p, self._input_size) for p in pictures])
            batch = batch.astype("float32")
        return batch if self._preprocess is None else self._preprocess(batch)

    def _own_pictures(self, start, stop):
        """The pictures as they are, their sizes noted."""
        stop = min(stop, len(self._dataset))
        pictures = [self._dataset.image(i) for i in range(start, stop)]
        self.sizes[start:stop] = [picture.shape[:2] for picture in pictures]
        return pictures

"""The forward pass over a data set, batch by batch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_icnn.metrics._resizing import resize_image


class Forward:
    """Iterates over (maps, predictions) of a data set's batches, in its order.

    Args:
        reader: a `MapReader`; its `batch_size` is used.
        dataset: a `PartDataset`. Images that differ in size (`image_size=None`) are resized to
            `input_size`.
        input_size: (height, width) of the network's input.
        features: array [images, ...] fed in place of the images, or None.
        preprocess: function applied to each batch of images, or None.
        what: text of a progress bar, or None.

    Attributes:
        sizes: int [images, 2], the images' own (height, width); filled as far as the iteration
            has come. None where all images have the size of the input.
    """

    def __init__(self, reader, dataset, input_size, features=None, preprocess=None, what=None):
        self._reader = reader
        self._dataset = dataset
        self._input_size = tuple(int(n) for n in input_size)
        self._features = features
        self._preprocess = preprocess
        self._what = what
        self._loader = None
        self.sizes = None
        if dataset.image_size is None:
            self.sizes = np.zeros((len(dataset), 2), int)

    def __iter__(self):
        step = self._reader.batch_size
        if self.sizes is None and self._features is None:
            self._loader = self._dataset.batches(step)
        starts = range(0, len(self._dataset), step)
        if self._what:
            from tqdm import tqdm

            starts = tqdm(starts, desc=self._what, unit="batch")
        # Files are decoded while the network works on the batch before, as `predict` has it. The
        # network itself stays in the caller's thread.
        with ThreadPoolExecutor(1) as pool:
            coming = None
            for start in starts:
                batch = self._fed(start, step) if coming is None else coming.result()
                coming = None
                if start + step < len(self._dataset):
                    coming = pool.submit(self._fed, start + step, step)
                if self._features is None and self._preprocess is not None:
                    batch = self._preprocess(batch)
                yield self._reader(batch)

    def with_rows(self):
        """Iterates over (maps, the images' numbers as a slice, `sizes` of these or None)."""
        start = 0
        for maps, _ in self:
            rows = slice(start, start + len(maps))
            start = rows.stop
            yield maps, rows, None if self.sizes is None else self.sizes[rows]

    def _fed(self, start, step):
        """What the network is fed, before preprocessing."""
        stop = start + step
        if self._features is not None:
            if self.sizes is not None:
                self._own_images(start, stop)
            return np.asarray(self._features[start:stop])
        if self.sizes is None:
            return self._loader[start // step][0]
        images = self._own_images(start, stop)
        batch = np.stack([resize_image(image, self._input_size) for image in images])
        return batch.astype("float32")

    def _own_images(self, start, stop):
        """The images as they are, their sizes noted."""
        stop = min(stop, len(self._dataset))
        images = [self._dataset.image(i) for i in range(start, stop)]
        self.sizes[start:stop] = [image.shape[:2] for image in images]
        return images


def input_size_of(model, dataset, receptive_field=None):
    """(height, width) of the network's input on a data set.

    It is the data set's `image_size`, which must fit the model; images that differ are resized to
    the model's own input size, or to that of `receptive_field` where the model sees features.

    Raises:
        ValueError: where the two do not fit, or nothing tells the size.
    """
    expected = model.inputs[0].shape[1:3]
    size = dataset.image_size
    if size is None:
        size = expected if receptive_field is None else receptive_field.image_size
        if any(n is None for n in size):
            raise ValueError(
                "`dataset` has images that differ in size, and the model's input leaves its size "
                f"open: {tuple(model.inputs[0].shape)}. Read the data set with an `image_size`, "
                "or build the model with an input of fixed size."
            )
        return tuple(size)
    if receptive_field is not None:
        return tuple(size)
    if any(n is not None and n != m for n, m in zip(expected, size, strict=True)):
        raise ValueError(
            f"`dataset` must have images of the model's input size, {tuple(expected)}. "
            f"Received: dataset.image_size={tuple(size)}; read it with that `image_size`, or pass "
            "`features` and `receptive_field` if the model is the upper part of a network."
        )
    return tuple(size)

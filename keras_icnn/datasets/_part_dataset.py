"""`PartDataset`: a sequence of images with labels, landmarks and part masks."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn import _image_digests
from keras_icnn.datasets._positions import class_positions, position, unmasked
from keras_icnn.datasets._sample import Sample, mirrored_names, mirrored_points

if TYPE_CHECKING:
    import tensorflow as tf
    from numpy.typing import ArrayLike

    from keras_icnn.datasets._batches import PartBatches


class PartDataset(Sequence[Sample]):
    """A sequence of `Sample`s that decodes an image when it is asked for.

    Labels, landmarks and file names are arrays in memory; images and masks are made one at a
    time and not kept (see `cache`). An integer index gives a `Sample`; a slice, a list or array of
    integers, or a boolean mask gives a `PartDataset`.
    Data sets are immutable: every method returns a new one, which shares what it can.

    Args:
        image: Function of a position `0 .. len(labels) - 1` that returns the image, uint8
            `[height, width, 3]` (or of another type, where it was made from arrays). It is called
            from several threads.
        labels: Integers `[samples]`, positions in `class_names`.
        files: Strings `[samples]`.
        class_names: Strings. A class of images that show none of the others comes first.
        image_size: `(height, width)`, or `None` where the images differ in size.
        parts: Like `image`; returns bool `[parts, height, width]`. `None`: no part is annotated.
        landmarks: float `[samples, landmarks, 2]`, as in `Sample`. `None`: no landmark.
        landmark_names: Strings `[landmarks]`.
        part_names: Strings `[parts]`.
        paths: The images' files, `[samples]`, for readers of files. `None`: images are told apart
            by their pixels.

    Raises:
        ValueError: When the arguments do not fit together.
    """

    class_names: list[str]
    landmark_names: list[str]
    part_names: list[str]
    image_size: tuple[int, int] | None
    labels: np.ndarray
    landmarks: np.ndarray
    files: list[str]

    def __init__(
        self,
        *,
        image: Callable[[int], np.ndarray],
        labels: ArrayLike,
        files: Iterable[object],
        class_names: Iterable[str],
        image_size: Sequence[int] | None,
        parts: Callable[[int], np.ndarray] | None = None,
        landmarks: ArrayLike | None = None,
        landmark_names: Iterable[str] = (),
        part_names: Iterable[str] = (),
        paths: Iterable[str] | None = None,
    ) -> None:
        self._read_image = image
        self._read_parts = parts
        self.class_names = list(class_names)
        self.landmark_names = list(landmark_names)
        self.part_names = list(part_names)
        self.image_size = None if image_size is None else tuple(int(n) for n in image_size)
        self.labels = np.asarray(labels, "int32").reshape(-1)
        if landmarks is None:
            landmarks = np.full((len(self.labels), len(self.landmark_names), 2), np.nan)
        self.landmarks = np.asarray(landmarks, "float32")
        self.files = [str(name) for name in files]
        self._path = None if paths is None else [os.fspath(path) for path in paths].__getitem__
        # Where each sample is in the reader's own numbering: what a selection changes.
        self._rows = np.arange(len(self.labels))
        self._digests = None
        _check_columns(self)

    def __repr__(self) -> str:
        return (
            f"<PartDataset: {len(self)} images, {len(self.class_names)} classes, "
            f"landmarks {self.landmark_names}, parts {self.part_names}>"
        )

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice | list[int] | np.ndarray) -> PartDataset: ...
    def __getitem__(self, index: int | slice | list[int] | np.ndarray) -> Sample | PartDataset:
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        if isinstance(index, list) or np.ndim(index):
            return self.subset(index)
        i = self._position(index)
        return Sample(
            image=self.image(i),
            label=int(self.labels[i]),
            landmarks=self.landmarks[i].copy(),
            parts=self.part_masks(i),
            file=self.files[i],
        )

    def _position(self, index):
        return position(index, len(self))

    def image(self, index: int) -> np.ndarray:
        """The image alone: uint8 `[height, width, 3]`."""
        i = self._position(index)
        image = self._read_image(int(self._rows[i]))
        if self.image_size is not None and image.shape != (*self.image_size, 3):
            raise ValueError(
                f"'{self.files[i]}' must be {self.image_size[0]} x {self.image_size[1]} pixels "
                f"(height x width) in three channels. Received: shape={image.shape}. Resize the "
                "file, or remove it from the data set."
            )
        return image

    def part_masks(self, index: int) -> np.ndarray:
        """The masks alone, the image not decoded: bool `[parts, height, width]`."""
        i = self._position(index)
        if self._read_parts is not None:
            return self._read_parts(int(self._rows[i]))
        size = self.image_size or self.image(i).shape[:2]
        return np.zeros((len(self.part_names), *size), bool)

    def image_digests(self) -> np.ndarray:
        """What tells the images apart, wherever they lie and in whatever order they come.

        Returns:
            uint64 `[samples]`: of the files' bytes for readers of class folders, else of the
            pixels.

        Raises:
            OSError: When a file cannot be read.
        """
        if self._digests is None:
            found = np.empty(len(self), "uint64")
            for i, row in enumerate(self._rows.tolist()):
                if self._path is None:
                    found[i] = _image_digests.of_pixels(self.image(i))
                else:
                    found[i] = _image_digests.of_file(self._path(row))
            self._digests = found
        return self._digests.copy()

    def subset(self, indices: Iterable[int]) -> PartDataset:
        """The samples at these positions, in this order.

        Args:
            indices: Integers, negative ones counted from the end; one may come repeatedly. Or a
                boolean mask `[samples]`: those where it is true.

        Raises:
            ValueError: For a mask of another length.
        """
        indices = unmasked(indices, len(self))
        rows = np.array([self._position(i) for i in indices], "int64")
        return self._with(
            labels=self.labels[rows],
            landmarks=self.landmarks[rows],
            files=[self.files[i] for i in rows],
            _rows=self._rows[rows],
        )

    def take(self, n: int) -> PartDataset:
        """The first `n` samples, or all of them where there are fewer."""
        return self[: max(operator.index(n), 0)]

    def select(self, classes: Sequence[str | int]) -> PartDataset:
        """The samples of these classes, relabelled 0, 1, ... in the order of `classes`.

        `select(classes=["negative", "horse"])` makes the single-category task of a data set whose
        class 0 is `"negative"`. The samples keep their order.

        Args:
            classes: List of class names (or positions in `class_names`).

        Raises:
            ValueError: For an unknown or repeated class.
        """
        old = class_positions(self.class_names, classes)
        new = np.full(len(self.class_names), -1, "int32")
        new[old] = np.arange(len(old))
        kept = self.subset(np.flatnonzero(new[self.labels] >= 0))
        return kept._with(labels=new[kept.labels], class_names=[self.class_names[c] for c in old])

    def with_classes(self, class_names: Sequence[str]) -> PartDataset:
        """The same samples, labeled by their classes' places in another list of names.

        The way back from `select`: a network that was trained with all classes is evaluated on a
        selection of them as `data.select(["horse"]).with_classes(data.class_names)`.

        Args:
            class_names: Names of the classes, among them that of every sample.

        Raises:
            ValueError: For repeated names, or where a sample's class is missing.
        """
        names = check.names(class_names, "class_names", "PartDataset.with_classes")
        present = sorted({self.class_names[label] for label in self.labels.tolist()})
        missing = [name for name in present if name not in names]
        if missing:
            fix = f"Add {missing}, of which there are samples."
            check.refuse(names, "class_names", "PartDataset.with_classes", "all classes", fix)
        place = [names.index(name) if name in names else -1 for name in self.class_names]
        labels = np.asarray(place, "int32")[self.labels]
        return self._with(labels=labels, class_names=names)

    def concatenate(self, other: PartDataset) -> PartDataset:
        """This data set followed by `other`.

        Raises:
            ValueError: When the two differ in class, landmark or part names or in image size.
        """
        return _concatenated(self, other)

    def flipped(self) -> PartDataset:
        """Every sample mirrored left to right (needs one `image_size`).

        Landmarks and parts whose names differ by "left" and "right" only change places: in the
        mirror, what was the left eye looks like a right one.
        """
        require_one_size(self, "flipped")
        mirrored = self.subset(range(len(self)))
        read_image, read_parts = self._read_image, self._read_parts
        points, parts = mirrored_names(self.landmark_names), mirrored_names(self.part_names)
        return mirrored._with(
            landmarks=mirrored_points(self.landmarks, self.image_size[1])[:, points],
            _read_image=lambda i: read_image(i)[:, ::-1],
            _read_parts=None if read_parts is None else lambda i: read_parts(i)[parts, :, ::-1],
        )

    def cache(self) -> PartDataset:
        """The same data set, keeping each image in memory (as uint8) once it was decoded.

        `height * width * 3` bytes an image; selections made of the result share them.
        """
        kept, read = {}, self._read_image

        def image(i):
            if i not in kept:
                kept[i] = read(i)
                kept[i].setflags(write=False)
            return kept[i]

        return self._with(_read_image=image)

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int | None = None,
        flip: bool = False,
        labels: Literal["int", "onehot", "sign"] = "int",
        cache: bool = False,
        epoch: int = 0,
        share: tuple[int, int] | None = None,
        workers: int = 1,
        max_queue_size: int = 10,
    ) -> PartBatches:
        """Batches for `fit`, `evaluate` and `predict` on every backend.

        Args:
            batch_size: Images a batch; the last one of a pass is smaller where they do not
                divide.
            shuffle: Whether to draw a new order in every epoch, from `(seed, epoch)` alone.
            seed: Non-negative integer; `None` draws one (`.seed` tells which).
            flip: Whether to mirror each image left to right with probability 1/2, drawn
                from `(seed, epoch)` too.
            labels: `"int"`: int32 `[batch]`; `"onehot"`: float32 `[batch, classes]`, 0 or 1;
                `"sign"`: the same with -1 and +1.
            cache: Whether to keep decoded images in memory; see `cache`.
            epoch: The epoch to begin with, when a run is resumed.
            share: `(index, count)`: only the part of each batch that process `index` of `count`
                trains on; `batch_size` is that of all together. A last batch that is not
                complete is left out, so that all shares are equal. `None`: whole batches.
            workers: Threads that prepare batches; more than 1 pays for files. On JAX and PyTorch
                Keras then begins `fit` with the second batch, and the order goes on from there.
            max_queue_size: Batches prepared ahead when `workers > 1`.

        Returns:
            `PartBatches`: pairs of float32 images `[batch, height, width, 3]`, 0 to 255, and
            labels.
        """
        from keras_icnn.datasets._batches import PartBatches

        return PartBatches(
            self.cache() if cache else self,
            batch_size,
            shuffle=shuffle,
            seed=seed,
            flip=flip,
            labels=labels,
            epoch=epoch,
            share=share,
            workers=workers,
            max_queue_size=max_queue_size,
        )

    def as_tf_dataset(self, batch_size: int, **options: Any) -> tf.data.Dataset:
        """The batches of `batches(batch_size, **options)` as a `tf.data.Dataset`.

        Each complete pass advances the epoch. Needs TensorFlow, which is imported here.
        """
        from keras_icnn.datasets._tf_dataset import tf_dataset

        return tf_dataset(self.batches(batch_size, **options))

    def _with(self, **changes):
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__ | {"_digests": None} | changes)
        return new


def require_one_size(dataset, method):
    """Refuses a data set whose images differ in size, for a method that needs one size."""
    if dataset.image_size is None:
        raise ValueError(
            f"`{method}` needs images of one size, but this data set's differ "
            "(image_size=None). Read it with an `image_size`."
        )


def _check_columns(dataset):
    n = len(dataset.labels)
    expected = (n, len(dataset.landmark_names), 2)
    if dataset.landmarks.shape != expected:
        raise ValueError(
            "Argument `landmarks` of PartDataset must have the shape [samples, landmarks, 2], here "
            f"{expected}. Received: landmarks.shape={dataset.landmarks.shape}. Give one row a "
            "label and one column a landmark name."
        )
    if len(dataset.files) != n:
        raise ValueError(
            f"Argument `files` of PartDataset must have one entry a label, here {n}. Received: "
            f"len(files)={len(dataset.files)}. Give a name for every sample."
        )
    if n and not 0 <= dataset.labels.min() <= dataset.labels.max() < len(dataset.class_names):
        raise ValueError(
            "Argument `labels` of PartDataset must be positions in `class_names`, 0 to "
            f"{len(dataset.class_names) - 1}. Received: labels from {dataset.labels.min()} to "
            f"{dataset.labels.max()}. Add the missing class names or correct the labels."
        )


def _concatenated(first, second):
    for name in ("class_names", "landmark_names", "part_names", "image_size"):
        if getattr(first, name) != getattr(second, name):
            raise ValueError(
                f"Argument `other` of PartDataset.concatenate must have the same `{name}` as this "
                f"data set, {getattr(first, name)}. Received: {getattr(second, name)}. Use "
                "`select` on both, or read both with the same arguments."
            )
    n = len(first)

    def either(method):
        return lambda i: method(first, i) if i < n else method(second, i - n)

    both = PartDataset(
        image=either(PartDataset.image),
        parts=either(PartDataset.part_masks),
        labels=np.concatenate([first.labels, second.labels]),
        landmarks=np.concatenate([first.landmarks, second.landmarks]),
        files=first.files + second.files,
        class_names=first.class_names,
        landmark_names=first.landmark_names,
        part_names=first.part_names,
        image_size=first.image_size,
    )
    if first._path is not None and second._path is not None:
        both = both._with(_path=either(_path_of))
    return both


def _path_of(dataset, index):
    return dataset._path(int(dataset._rows[index]))

"""What every data set of this package is: `Sample`, `PartDataset`, `PartSplits`."""

import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """One picture and everything known about it.

    Attributes:
        image: uint8 `[height, width, 3]`, RGB.
        label: Position in the data set's `class_names`.
        landmarks: float32 `[landmarks, 2]`, each `(x, y)` in pixels, `(0, 0)` the centre of
            the upper left pixel; NaN where the picture has no such landmark.
        parts: bool `[parts, height, width]`, a mask a part; all `False` where it has none.
        file: The picture's file, or a name that identifies a generated picture.
    """

    image: np.ndarray
    label: int
    landmarks: np.ndarray
    parts: np.ndarray
    file: str

    def flipped(self):
        """The same picture mirrored left to right, landmarks and masks with it."""
        return self._replace(
            image=self.image[:, ::-1],
            landmarks=_mirror(self.landmarks, self.image.shape[1]),
            parts=self.parts[:, :, ::-1],
        )


class PartDataset(Sequence):
    """A sequence of `Sample`s that decodes a picture when it is asked for.

    Labels, landmarks and file names are arrays in memory; pictures and masks are made one at a
    time and not kept (see `cache`). An integer index gives a `Sample`, a slice a `PartDataset`.
    Data sets are immutable: every method returns a new one, which shares what it can.

    Args:
        image: Function of a position `0 .. len(labels) - 1` that returns the picture, uint8
            `[height, width, 3]`. It is called from several threads.
        labels: Integers `[samples]`, positions in `class_names`.
        files: Strings `[samples]`.
        class_names: Strings. A class of pictures that show none of the others comes first.
        image_size: `(height, width)`, or `None` where the pictures differ in size.
        parts: Like `image`; returns bool `[parts, height, width]`. `None`: no part is annotated.
        landmarks: float `[samples, landmarks, 2]`, as in `Sample`. `None`: no landmark.
        landmark_names: Strings `[landmarks]`.
        part_names: Strings `[parts]`.

    Raises:
        ValueError: When the arguments do not fit together.
    """

    def __init__(
        self,
        *,
        image,
        labels,
        files,
        class_names,
        image_size,
        parts=None,
        landmarks=None,
        landmark_names=(),
        part_names=(),
    ):
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
        # Where each sample is in the reader's own numbering: what a selection changes.
        self._rows = np.arange(len(self.labels))
        self._check()

    def _check(self):
        n = len(self.labels)
        expected = (n, len(self.landmark_names), 2)
        if self.landmarks.shape != expected:
            raise ValueError(
                "`landmarks` must have the shape [samples, landmarks, 2], here "
                f"{expected}. Received: landmarks.shape={self.landmarks.shape}. Give one row a "
                "label and one column a landmark name."
            )
        if len(self.files) != n:
            raise ValueError(
                f"`files` must have one entry a label, here {n}. Received: len(files)="
                f"{len(self.files)}. Give a name for every sample."
            )
        if n and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise ValueError(
                f"`labels` must be positions in `class_names`, 0 to {len(self.class_names) - 1}. "
                f"Received: labels from {self.labels.min()} to {self.labels.max()}. Add the "
                "missing class names or correct the labels."
            )

    def __repr__(self):
        return (
            f"<PartDataset: {len(self)} images, {len(self.class_names)} classes, "
            f"landmarks {self.landmark_names}, parts {self.part_names}>"
        )

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        i = self._position(index)
        return Sample(
            image=self.image(i),
            label=int(self.labels[i]),
            landmarks=self.landmarks[i].copy(),
            parts=self.part_masks(i),
            file=self.files[i],
        )

    def _position(self, index):
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(
                f"`index` must be a position in a data set of {len(self)} images. "
                f"Received: index={i}."
            )
        return i % len(self)

    def image(self, index):
        """The picture alone: uint8 `[height, width, 3]`."""
        i = self._position(index)
        image = self._read_image(int(self._rows[i]))
        if self.image_size is not None and image.shape != (*self.image_size, 3):
            raise ValueError(
                f"'{self.files[i]}' must be {self.image_size[0]} x {self.image_size[1]} pixels "
                f"(height x width) in three channels. Received: shape={image.shape}. Resize the "
                "file, or remove it from the data set."
            )
        return image

    def part_masks(self, index):
        """The masks alone, the picture not decoded: bool `[parts, height, width]`."""
        i = self._position(index)
        if self._read_parts is not None:
            return self._read_parts(int(self._rows[i]))
        size = self.image_size or self.image(i).shape[:2]
        return np.zeros((len(self.part_names), *size), bool)

    def subset(self, indices):
        """The samples at these positions, in this order.

        Args:
            indices: Integers, negative ones counted from the end; one may come repeatedly.
        """
        rows = np.array([self._position(i) for i in indices], "int64")
        return self._with(
            labels=self.labels[rows],
            landmarks=self.landmarks[rows],
            files=[self.files[i] for i in rows],
            _rows=self._rows[rows],
        )

    def take(self, n):
        """The first `n` samples, or all of them where there are fewer."""
        return self[: max(operator.index(n), 0)]

    def select(self, classes):
        """The samples of these classes, relabelled 0, 1, ... in the order of `classes`.

        `select(classes=["negative", "horse"])` makes the single-category task of a data set whose
        class 0 is `"negative"`. The samples keep their order.

        Args:
            classes: List of class names (or positions in `class_names`).

        Raises:
            ValueError: For an unknown or repeated class.
        """
        old = self._class_positions(classes)
        new = np.full(len(self.class_names), -1, "int32")
        new[old] = np.arange(len(old))
        kept = self.subset(np.flatnonzero(new[self.labels] >= 0))
        return kept._with(labels=new[kept.labels], class_names=[self.class_names[c] for c in old])

    def _class_positions(self, classes):
        if isinstance(classes, str) or not isinstance(classes, Sequence) or not len(classes):
            raise ValueError(
                "`classes` must be a list of class names that is not empty. Received: "
                f"classes={classes!r}. Write one class as a list too, such as classes=['horse']."
            )
        positions = []
        for c in classes:
            if isinstance(c, str) and c in self.class_names:
                positions.append(self.class_names.index(c))
            elif not isinstance(c, str) and 0 <= operator.index(c) < len(self.class_names):
                positions.append(operator.index(c))
            else:
                raise ValueError(
                    f"`classes` must name classes of this data set. Received: {c!r}. Choose "
                    f"from {self.class_names}."
                )
        if len(set(positions)) < len(positions):
            raise ValueError(
                f"`classes` must not name a class twice. Received: classes={list(classes)!r}. "
                "Remove the repetition."
            )
        return positions

    def concatenate(self, other):
        """This data set followed by `other`.

        Raises:
            ValueError: When the two differ in class, landmark or part names or in image size.
        """
        for name in ("class_names", "landmark_names", "part_names", "image_size"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(
                    f"`other` must have the same `{name}` as this data set, "
                    f"{getattr(self, name)}. Received: {getattr(other, name)}. Use `select` on "
                    "both, or read both with the same arguments."
                )
        n = len(self)

        def either(method):
            return lambda i: method(self, i) if i < n else method(other, i - n)

        return PartDataset(
            image=either(PartDataset.image),
            parts=either(PartDataset.part_masks),
            labels=np.concatenate([self.labels, other.labels]),
            landmarks=np.concatenate([self.landmarks, other.landmarks]),
            files=self.files + other.files,
            class_names=self.class_names,
            landmark_names=self.landmark_names,
            part_names=self.part_names,
            image_size=self.image_size,
        )

    def flipped(self):
        """Every sample mirrored left to right (needs one `image_size`)."""
        self._one_size("flipped")
        mirrored = self.subset(range(len(self)))
        read_image, read_parts = self._read_image, self._read_parts
        return mirrored._with(
            landmarks=_mirror(self.landmarks, self.image_size[1]),
            _read_image=lambda i: read_image(i)[:, ::-1],
            _read_parts=None if read_parts is None else lambda i: read_parts(i)[:, :, ::-1],
        )

    def cache(self):
        """The same data set, keeping each picture in memory (as uint8) once it was decoded.

        `height * width * 3` bytes a picture; selections made of the result share them.
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
        batch_size,
        shuffle=False,
        seed=None,
        flip=False,
        labels="int",
        cache=False,
        epoch=0,
        share=None,
        workers=1,
        max_queue_size=10,
    ):
        """Batches for `fit`, `evaluate` and `predict` on every backend.

        Args:
            batch_size: Images a batch; the last one of a pass is smaller where they do not
                divide.
            shuffle: Whether to draw a new order in every epoch, from `(seed, epoch)` alone.
            seed: Non-negative integer; `None` draws one (`.seed` tells which).
            flip: Whether to mirror each picture left to right with probability 1/2, drawn
                from `(seed, epoch)` too.
            labels: `"int"`: int32 `[batch]`; `"onehot"`: float32 `[batch, classes]`, 0 or 1;
                `"sign"`: the same with -1 and +1.
            cache: Whether to keep decoded pictures in memory; see `cache`.
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

    def as_tf_dataset(self, batch_size, **options):
        """The batches of `batches(batch_size, **options)` as a `tf.data.Dataset`.

        Each complete pass advances the epoch. Needs TensorFlow, which is imported here.
        """
        import tensorflow as tf

        batches = self.batches(batch_size, **options)
        height, width = self.image_size
        y_shape = () if batches.label_format == "int" else (len(self.class_names),)
        y_dtype = "int32" if batches.label_format == "int" else "float32"
        signature = (
            tf.TensorSpec((None, height, width, 3), "float32"),
            tf.TensorSpec((None, *y_shape), y_dtype),
        )

        def one_pass():
            yield from batches
            batches.on_epoch_end()

        dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
        # The length lets Keras show how far an epoch is.
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def _one_size(self, method):
        if self.image_size is None:
            raise ValueError(
                f"`{method}` needs pictures of one size, but this data set's differ "
                "(image_size=None). Read it with an `image_size`."
            )

    def _with(self, **changes):
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__.update(changes)
        return new


class PartSplits:
    """A data set in up to three parts: `.train`, `.validation` and `.test`.

    Reading a split that the data set does not have raises an `AttributeError` that says so.
    `class_names`, `landmark_names`, `part_names` and `image_size` are the splits' own.

    Args:
        train, validation, test: `PartDataset` or `None` (absent). At least one is given.
        note: What to do about an absent split; ends the error message.
        skipped: List of `(file, reason)`: what the reader left out.
    """

    def __init__(self, train=None, validation=None, test=None, note="", skipped=()):
        self.skipped = list(skipped)
        splits = {"train": train, "validation": validation, "test": test}
        self._splits = {name: data for name, data in splits.items() if data is not None}
        self._note = note
        if not self._splits:
            raise ValueError("`PartSplits` needs at least one split. Received: none.")

    def _get(self, name):
        if name not in self._splits:
            # An AttributeError, so that hasattr() and getattr(..., None) work as expected.
            raise AttributeError(
                f"This data set has no `{name}` split. It has: {', '.join(self._splits)}. "
                f"{self._note}".rstrip()
            )
        return self._splits[name]

    train = property(lambda self: self._get("train"), doc="Pictures to train on.")
    validation = property(lambda self: self._get("validation"), doc="Pictures to choose by.")
    test = property(lambda self: self._get("test"), doc="Pictures to report figures on.")

    def _shared(self, name):
        return getattr(next(iter(self._splits.values())), name)

    class_names = property(lambda self: self._shared("class_names"))
    landmark_names = property(lambda self: self._shared("landmark_names"))
    part_names = property(lambda self: self._shared("part_names"))
    image_size = property(lambda self: self._shared("image_size"))

    def items(self):
        """Pairs of name and `PartDataset`, the splits that there are."""
        return self._splits.items()

    def select(self, classes):
        """`PartDataset.select` on every split."""
        return self._map(lambda data: data.select(classes))

    def cache(self):
        """`PartDataset.cache` on every split."""
        return self._map(PartDataset.cache)

    def _map(self, function):
        return PartSplits(
            **{name: function(data) for name, data in self._splits.items()},
            note=self._note,
            skipped=self.skipped,
        )

    def __repr__(self):
        counts = ", ".join(f"{name} {len(data)}" for name, data in self._splits.items())
        return f"<PartSplits: {counts}; {len(self.class_names)} classes>"


def _mirror(landmarks, width):
    mirrored = landmarks.copy()
    mirrored[..., 0] = width - 1 - landmarks[..., 0]
    return mirrored

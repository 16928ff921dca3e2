"""The images of a recipe: read, and picked by split and category."""

from dataclasses import dataclass

from keras_icnn.recipes._digests import data_digest
from keras_icnn.recipes._format import Data, RecipeError, mistakes_of
from keras_icnn.recipes._read_recipe import resolve

# Of a supervised variant: a detector of each landmark.
ALL_LANDMARKS = "all"


@dataclass(frozen=True)
class Images:
    """The images that a recipe trains and measures on.

    Attributes:
        data: `[data]` of the recipe.
        splits: `PartSplits`.
        sha256: Digest of files, labels and landmarks.
    """

    data: Data
    splits: object
    sha256: str

    @property
    def is_single(self):
        """Whether each category has a network of its own."""
        return self.data.task == "single-category"

    @property
    def categories(self):
        """The recipe's categories, or the data set's without its background."""
        background = self._background
        known = [name for name in self.splits.class_names if name != background]
        categories = list(dict.fromkeys(self.data.categories)) or known
        unknown = [c for c in categories if c not in known]
        if unknown:
            raise RecipeError(f"`categories` in [data] must be among {known}. Received: {unknown}")
        return categories

    @property
    def tasks(self):
        """What a network can be trained for: each category, or all of them, their names joined."""
        return self.categories if self.is_single else ["+".join(self.categories)]

    def classes(self, task):
        """Names of the classes of a task, in the order of labels.

        Raises:
            RecipeError: For a category against a background that the data set does not have.
        """
        if not self.is_single:
            return self.categories
        background = self._background
        if background is None:
            raise RecipeError(
                "The single-category task needs a background class, the first one, named "
                "'negative' or 'background'. Use task = \"multi-category\" in [data]. Received: "
                f"classes {self.splits.class_names}"
            )
        return [background, task]

    @property
    def outputs(self):
        """Number of outputs of a network."""
        return 1 if self.is_single else len(self.categories)

    def of(self, splits, task):
        """The images of the classes of a task, from several splits: a `PartDataset`."""
        selected = None
        for name in splits:
            part = getattr(self.splits, name).select(classes=self.classes(task))
            selected = part if selected is None else selected.concatenate(part)
        return selected

    def measured_splits(self, all_images):
        """Names of the splits that are measured on."""
        if not all_images:
            return (self.data.measure_on,)
        return tuple(name for name, _ in self.splits.items())

    def landmarks(self, variant):
        """Places of a supervised variant's landmarks among those of the data set: list of int."""
        names = list(self.splits.landmark_names)
        if variant.landmark in names:
            return [names.index(variant.landmark)]
        if variant.landmark == ALL_LANDMARKS and names:
            return list(range(len(names)))
        raise RecipeError(
            f"`landmark` of [[variant]] '{variant.name}' must be '{ALL_LANDMARKS}' or among "
            f"{names}. Received: {variant.landmark!r}"
        )

    @property
    def _background(self):
        """Name of the background class, or None."""
        from keras_icnn.metrics import find_background

        label = find_background(self.splits.class_names)
        return None if label < 0 else self.splits.class_names[label]


def read_images(data, folder, already_read):
    """The images of a recipe.

    Args:
        data: `[data]` of the recipe.
        folder: The data folder.
        already_read: Dict, in which recipes on the same data share them.

    Raises:
        RecipeError: For data that are not there, and what a reader refuses.
    """
    key = repr((data.reader, data.path, data.negatives, data.arguments))
    if key not in already_read:
        splits = _read(data, folder)
        already_read[key] = splits, data_digest(splits, folder)
    splits, digest = already_read[key]
    with mistakes_of("[data]"):
        for name in (*data.train_on, data.measure_on):
            getattr(splits, name)
    return Images(data, splits, digest)


def _read(data, folder):
    from keras_icnn import datasets

    with mistakes_of("[data]"):
        reader = datasets.reader(data.reader)
        if not reader.needs_path:
            return datasets.read(reader.name, **data.arguments)
        path = resolve(folder, data.path, "`path` in [data]")
        arguments = dict(data.arguments)
        for name in reader.folders:
            if isinstance(arguments.get(name), str):
                what = f"`arguments.{name}` in [data]"
                arguments[name] = resolve(folder, arguments[name], what)
        # The compact layout of Animal-Part holds its own.
        if data.negatives and not (path / "annotations.csv").is_file():
            arguments["negatives"] = resolve(folder, data.negatives, "`negatives` in [data]")
        return datasets.read(reader.name, path, **arguments)

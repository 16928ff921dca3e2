"""The folder of results: what has been measured, and the files of each run."""

import contextlib
import csv
import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from keras_icnn import __version__
from keras_icnn._files.csv_file import write_csv
from keras_icnn._files.whole_file import file_name, remove_leftovers, replacing
from keras_icnn.recipes._digests import rule_digest, run_digest
from keras_icnn.recipes._format import Recipe, RecipeError, Variant

# Kinds of rows.
NETWORK, TRIVIAL, SUPERVISED = "network", "trivial detector", "supervised detector"
# A kind of its own for figures on images that were trained on, so that nothing mixes the two.
_ALL_IMAGES = ", all images"
_LOCK = ".lock"
_KEY = ("recipe_sha256", "kind", "variant", "category", "seed")


def on_all_images(kind, value=None):
    """Whether a `kind` is of figures on all images; with `value`, the kind that is, or is not."""
    if value is None:
        return kind.endswith(_ALL_IMAGES)
    return kind.removesuffix(_ALL_IMAGES) + (_ALL_IMAGES if value else "")


def sources_of(recipe, variant, data_sha256, weights_sha256=None):
    """Columns that tell a run from one of another recipe, data, filter loss or weights.

    Args:
        recipe: `Recipe`.
        variant: One of its `Variant`s.
        data_sha256, weights_sha256: Digests; None: not known, the column is then left out.
    """
    sources = {
        "recipe_sha256": run_digest(recipe, variant),
        "data_sha256": data_sha256,
        "rule_sha256": rule_digest(variant.rule) if variant.is_interpretable else "",
        "weights_sha256": weights_sha256,
    }
    return {column: value for column, value in sources.items() if value is not None}


@dataclass(frozen=True)
class Run:
    """One network to train and measure, on one task and with one seed.

    `sources` are those of `sources_of`.
    """

    recipe: Recipe
    variant: Variant
    category: str
    seed: int
    sources: dict

    @property
    def kind(self):
        """The kind of its row."""
        return SUPERVISED if self.variant.kind == "supervised" else NETWORK

    @property
    def key(self):
        """What no other run has."""
        return (*sorted(self.sources.items()), self.variant.name, self.category, self.seed)

    @property
    def file_stem(self):
        """How the names of its files begin."""
        category = self.category
        if len(category) > 60:  # many categories' names joined
            digest = hashlib.sha256(category.encode()).hexdigest()[:8]
            category = f"{category.count('+') + 1}_categories_{digest}"
        # A class's name comes from a data set, and names a file here.
        category = file_name(category)
        # All that a trained network depends on: one of other weights must not be taken for it.
        digest = hashlib.sha256(" ".join(self.sources.values()).encode()).hexdigest()[:8]
        return f"{self.recipe.name}-{digest}-{self.variant.name}-{category}-{self.seed}"


class Store:
    """What has been measured in a folder, and the files of its runs.

    Args:
        folder: Of the results.
        all_images: Whether rows are of figures on all images, the trained ones included.
    """

    def __init__(self, folder, all_images=False):
        self.folder = Path(folder)
        self.all_images = all_images
        self.results = Results(self.folder / "results.csv", _KEY)

    def find(self, run, all_images=None):
        """The row of a run, or None; `all_images` other than the store's where it is given."""
        all_images = self.all_images if all_images is None else all_images
        for row in self.results.find_all(
            recipe_sha256=run.sources["recipe_sha256"],
            kind=on_all_images(run.kind, all_images),
            variant=run.variant.name,
            category=run.category,
            seed=run.seed,
        ):
            if _same_sources(row, run.sources):
                return row
        return None

    def rows_of(self, sources, categories):
        """The rows of variants: measured with their data, rules and weights, on these categories.

        Args:
            sources: Dict of variants' names to their `sources_of`.
            categories: List of names.
        """
        return [
            row
            for row in self.results.rows
            if on_all_images(row["kind"]) == self.all_images
            and row["category"] in categories
            and _same_sources(row, sources.get(_network_of(row)))
        ]

    def model_file(self, run):
        """Where the trained network of a run is kept."""
        return self.folder / "models" / f"{run.file_stem}.keras"

    def backup_file(self, run):
        """Where the state of a training that is going on is kept."""
        return self.folder / "backups" / f"{run.file_stem}.npz"

    def keep(self, run, report, model):
        """Writes a report's table of filters, and the network where one was trained."""
        (self.folder / "filters").mkdir(exist_ok=True)
        (self.folder / "models").mkdir(exist_ok=True)
        ending = "-all_images.csv" if self.all_images else ".csv"
        report.to_csv(self.folder / "filters" / f"{run.file_stem}{ending}")
        if model is not None:
            with replacing(self.model_file(run)) as temporary:
                model.save(temporary)

    def add(self, run, figures, trivial, measured_on):
        """Adds the row of a run and those of the trivial detectors beside it.

        Args:
            run: `Run`.
            figures: Dict of its columns of figures.
            trivial: Dict of detectors' names to figures.
            measured_on: Names of splits.

        Returns:
            The run's row.
        """
        row = {
            **self._heading(run, run.kind, run.variant.name),
            **figures,
            "measured_on": "+".join(measured_on),
            **run.sources,
            **_versions(),
        }
        beside = [
            {
                **self._heading(run, TRIVIAL, name),
                "beside": run.variant.name,
                **run.sources,
                **values,
            }
            for name, values in trivial.items()
        ]
        self.results.add(row, *beside)
        self.backup_file(run).unlink(missing_ok=True)
        return row

    def _heading(self, run, kind, name):
        return {
            "recipe": run.recipe.name,
            "kind": on_all_images(kind, self.all_images),
            "variant": name,
            "category": run.category,
            "seed": run.seed,
        }


def _network_of(row):
    """The variant that a row is of; that of a trivial detector is the one it stands beside."""
    trivial = on_all_images(row["kind"], False) == TRIVIAL
    return row["beside"] if trivial else row["variant"]


def _same_sources(row, sources):
    """Whether a row was measured with these sources, as far as it and they tell."""
    if sources is None or row["recipe_sha256"] != sources["recipe_sha256"]:
        return False
    return all(row.get(column) in (None, "", value) for column, value in sources.items())


def _versions():
    import keras

    return {
        "keras_icnn": __version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


@contextlib.contextmanager
def opened(folder, all_images=False):
    """Makes the folder, keeps other runs out of it, and clears what killed ones left: a `Store`.

    Raises:
        RecipeError: While another run writes to it.
        ValueError: For a table of results that is damaged or not one.
    """
    with folder_of_run(folder) as folder:
        yield Store(folder, all_images)


@contextlib.contextmanager
def folder_of_run(folder):
    """Makes a folder for a run and keeps other runs out of it; one that failed leaves no trace.

    Yields:
        Its `Path`, cleared of what killed runs left.

    Raises:
        RecipeError: While another run writes to it.
    """
    folder = Path(folder)
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        try:
            remove_leftovers(folder)
            yield folder
        except BaseException:
            if os.listdir(folder) == [_LOCK]:
                (folder / _LOCK).unlink()
                with contextlib.suppress(OSError):  # another run has come into one of them
                    for one in made:
                        one.rmdir()
            raise


@contextlib.contextmanager
def locked(folder):
    """Keeps two runs out of one folder."""
    with open(folder / _LOCK, "a", encoding="utf-8") as file:
        try:
            import fcntl

            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # not a POSIX system: nothing keeps two runs apart
            pass
        except BlockingIOError as error:
            raise RecipeError(
                f"Another run is writing to '{folder}'. Wait for it, or choose another --out."
            ) from error
        yield


class Results:
    """Rows of a CSV file, found again by some of their columns.

    Args:
        path: The file; read if it exists.
        keys: Columns that identify a row.
    """

    def __init__(self, path, keys):
        self.path = Path(path)
        self._keys = tuple(keys)
        self.rows = []
        if self.path.exists():
            try:
                with self.path.open(newline="", encoding="utf-8") as file:
                    self.rows = list(csv.DictReader(file))
                # Cells without a heading, headings without a cell.
                damaged = any(None in row or None in row.values() for row in self.rows)
            except (UnicodeDecodeError, csv.Error):
                damaged = True
            if damaged:
                raise ValueError(
                    f"'{self.path}' is damaged: not a table in UTF-8 with as many cells in each "
                    "line. Restore it, or move it away to begin anew."
                )
            missing = [k for k in self._keys if self.rows and k not in self.rows[0]]
            if missing:
                raise ValueError(
                    f"'{self.path}' is not a table of results: it lacks the columns {missing}. "
                    "Choose another --out folder."
                )

    def find_all(self, **key):
        """The rows with these values."""
        wanted = {name: str(value) for name, value in key.items()}
        return [
            row
            for row in self.rows
            if all(str(row.get(name)) == value for name, value in wanted.items())
        ]

    def add(self, *rows):
        """Adds rows and writes the file, all or none of them."""
        self.rows.extend(rows)
        write_csv(self.path, self.rows)

"""Trains an interpretable network on a user's own images, without a recipe."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from keras_icnn import _arguments as check
from keras_icnn._files.csv_file import write_csv
from keras_icnn._files.whole_file import replacing
from keras_icnn.recipes._folder_data import read_splits
from keras_icnn.recipes._folder_networks import INTERPRETABLE, ORDINARY, begin_with, built
from keras_icnn.recipes._measures import rounded
from keras_icnn.recipes._store import folder_of_run

if TYPE_CHECKING:
    import keras

    from keras_icnn.datasets import PartSplits
    from keras_icnn.metrics import EvaluationReport

_WHERE = "train_folder"
_MODEL_FILES = {INTERPRETABLE: "model.keras", ORDINARY: "ordinary.keras"}
_SETTINGS = "settings.json"
# Of the frozen layers, while the networks are trained.
_FEATURES = "features"


class FolderRun(NamedTuple):
    """What `train_folder` made.

    Attributes:
        model: The trained network.
        ordinary: Its ordinary twin, or None.
        splits: The images that it was trained on and measured on.
        reports: Dict of "interpretable" and "ordinary" to their `EvaluationReport`s.
        paths: The files that were written.
    """

    model: keras.Model
    ordinary: keras.Model | None
    splits: PartSplits
    reports: dict[str, EvaluationReport]
    paths: list[Path]


@dataclass(frozen=True)
class _Settings:
    """What the trained networks depend on, besides the images."""

    network: str
    weights: str | None
    epochs: int
    batch_size: int
    image_size: tuple[int, int]
    seed: int
    fine_tune: str | None
    flip: bool
    learning_rate: float


def train_folder(
    data: Any,
    out: str | os.PathLike[str],
    *,
    validation_data: Any = None,
    network: str = "mobilenet_v2",
    weights: str | os.PathLike[str] | None = "imagenet",
    epochs: int = 10,
    batch_size: int = 32,
    image_size: Sequence[int] | int | None = None,
    validation_split: float = 0.2,
    seed: int = 0,
    fine_tune: Literal["top", "last_block", "all"] | None = "top",
    flip: bool = True,
    learning_rate: float | None = None,
    compare: bool = False,
    verbose: bool = True,
) -> FolderRun:
    """Trains an interpretable network on your own images and measures it on held-out ones.

    Into `out` go `model.keras` (which knows the names of its classes, the preprocessing of its
    images, and which images it was trained on), `history.csv` (one row per epoch), `measures.csv`,
    `filters.csv` and, with Jinja2 (the extra `report`), `report.html`. With `compare` also
    `ordinary.keras` and `ordinary_history.csv`. Run again with the same arguments, it goes on where
    it was stopped, after the last complete epoch.

    Args:
        data: A folder with one folder per class (unusable files are left out), `PartSplits`, arrays
            (x, y), a `tf.data.Dataset` or `keras.utils.PyDataset` of (images, labels), pixels from
            0 to 255.
        out: Folder for the results; made if it is not there.
        validation_data: held-out images, in any of these forms; None: a share of `data`.
        network: Name of the network in the zoo, without `_interpretable`.
        weights: `"imagenet"`, a weights file, or None for random ones. With random ones the
            ordinary network is trained first, and the interpretable one begins with its layers,
            frozen below the new one.
        epochs, batch_size: Epochs of the training, and images per batch.
        image_size: (height, width) that files are resized to, or one number; None: the network's.
        validation_split: Share of each class that is held out, from 0.
        seed: Seed of the split, the new layers and the order of the images.
        fine_tune: Which layers are trained, as in the zoo's builders.
        flip: Whether images are mirrored at random.
        learning_rate: Learning rate at the start; it falls to 0 as a cosine. None: 0.001 for new
            layers (`fine_tune="top"`) and for random weights, 0.0001 where pretrained layers are
            trained.
        compare: Whether to train the ordinary twin, too: the same network with a plain 3x3 layer.
        verbose: Whether to print what was read, progress and results.

    Returns:
        A `FolderRun`.

    Raises:
        ValueError: For arguments, data and weights that do not fit, or an `out` that holds another
            run.
        OSError: When files cannot be read or written.

    Example:

    ```python
    run = icnn.recipes.train_folder("photos", "runs/photos", compare=True)
    icnn.explain(run.model, "photos/cat/1.jpg").plot(path="why.png")
    ```
    """
    network = str(network).removesuffix("_interpretable")
    splits = read_splits(
        data,
        validation_data,
        image_size=_size(data, network, image_size),
        validation_split=validation_split,
        seed=seed,
    )
    settings = _Settings(
        network=network,
        weights=None if weights is None else os.fspath(weights),
        epochs=check.whole_number(epochs, "epochs", _WHERE, at_least=1),
        batch_size=check.whole_number(batch_size, "batch_size", _WHERE, at_least=1),
        image_size=splits.image_size,
        seed=check.whole_number(seed, "seed", _WHERE, at_least=0),
        fine_tune=None if weights is None else fine_tune,
        flip=check.flag(flip, "flip", _WHERE),
        learning_rate=_rate(learning_rate, weights, fine_tune),
    )
    if verbose:
        print(splits.summary(), flush=True)
    names = [INTERPRETABLE, *([ORDINARY] if compare else [])]
    # Filters cannot find parts in a network that knows nothing: an ordinary one learns first.
    order = names if settings.weights is not None else [ORDINARY, INTERPRETABLE]
    # Before the folder is made: what the zoo refuses leaves nothing behind.
    models = {name: built(name, settings, splits.class_names) for name in order}
    with folder_of_run(out) as folder, _settings_kept(folder, settings, splits):
        try:
            for place, (name, model) in enumerate(models.items()):
                if name == INTERPRETABLE and settings.weights is None:
                    begin_with(models[ORDINARY], model)
                later = settings.epochs * (len(models) - place - 1)
                models[name] = _trained(name, model, settings, splits, folder, later, verbose)
        finally:
            shutil.rmtree(folder / _FEATURES, ignore_errors=True)
        models = {name: models[name] for name in names}
        reports = _measured(models, splits)
        paths = _written(folder, models, reports, splits, verbose)
    if verbose:
        others = [reports[name] for name in names[1:]]
        print("\n" + reports[INTERPRETABLE].summary(*others))
    return FolderRun(models[INTERPRETABLE], models.get(ORDINARY), splits, reports, paths)


# --- arguments ------------------------------------------------------------------------------------


def _size(data, network, given):
    """(height, width) that files are resized to; None: that of data in memory."""
    from keras_icnn.datasets._image_files import checked_size
    from keras_icnn.zoo import _builders, list_models

    check.choice(network, "network", _WHERE, _networks(list_models()))
    size = checked_size(given, _WHERE, optional=True)
    if size is not None or not isinstance(data, str | os.PathLike):
        return size
    try:
        side = _builders._home(network)[0].default_size
    except KeyError:  # a network that was registered by the user
        side = 224
    return side, side


def _networks(names):
    return [name for name in names if f"{name}_interpretable" in names]


def _rate(given, weights, fine_tune):
    if given is None:
        return 1e-3 if weights is None or fine_tune == "top" else 1e-4
    return check.positive(given, "learning_rate", _WHERE)


# --- networks -------------------------------------------------------------------------------------


def _trained(name, model, settings, splits, folder, later, verbose):
    """The network, trained and saved; loaded where it was trained before."""
    import keras

    from keras_icnn.callbacks import Backup
    from keras_icnn.models import adapt_parts
    from keras_icnn.recipes._fit_progress import Progress
    from keras_icnn.recipes._frozen_part import trained_part

    path = folder / _MODEL_FILES[name]
    if path.is_file():
        if verbose:
            print(f"{name}: trained already", flush=True)
        return keras.saving.load_model(path, compile=False)
    backup = folder / f"{path.stem}_backup.npz"
    shown = verbose and sys.stderr.isatty()
    trained, batches = trained_part(
        model,
        splits,
        folder / _FEATURES,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        flip=settings.flip,
        verbose=shown,
    )
    steps = math.ceil(len(splits.train) / settings.batch_size)
    _compile(trained, settings, steps)
    callbacks = [Backup(backup, delete=False)]
    if verbose:
        callbacks.append(Progress(name, settings.epochs, later, steps))
    if name == INTERPRETABLE and not backup.exists():
        adapt_parts(trained, batches(splits.train), seed=settings.seed, verbose=shown)
    history = _fit(trained, settings, splits, batches, callbacks)
    if trained is not model:
        model.remember(splits.train)
        _compile(model, settings, steps)
    prefix = "" if name == INTERPRETABLE else f"{name}_"
    write_csv(folder / f"{prefix}history.csv", _epochs(history))
    with replacing(path) as temporary:
        model.save(temporary)
    backup.unlink(missing_ok=True)
    return model


def _compile(model, settings, steps):
    import keras

    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * steps)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )


def _fit(model, settings, splits, batches, callbacks):
    """Trains a compiled model; its history."""
    from keras_icnn.callbacks import StopOnNaN

    train = batches(splits.train, shuffle=True, seed=settings.seed, flip=settings.flip)
    held_out = dict(splits.items()).get("validation")
    history = model.fit(
        train,
        epochs=settings.epochs,
        shuffle=False,
        validation_data=None if held_out is None else batches(held_out),
        verbose=0,
        callbacks=[train.follow_epochs(), StopOnNaN(train), *callbacks],
    )
    return history.history


def _epochs(history):
    """The rows of a history: an epoch each."""
    count = max(map(len, history.values()))
    return [
        {
            "epoch": epoch + 1,
            **{k: rounded(v[epoch]) if epoch < len(v) else "" for k, v in history.items()},
        }
        for epoch in range(count)
    ]


# --- results --------------------------------------------------------------------------------------


def _measured(models, splits):
    """The report of each network on the held-out images; where there are none, on all."""
    from keras_icnn.metrics import evaluate

    images = dict(splits.items()).get("validation", splits.train)
    return {name: evaluate(model, images, name=name) for name, model in models.items()}


def _written(folder, models, reports, splits, verbose):
    """Writes tables and the page; returns the paths of all files."""
    from keras_icnn.visualize import report

    first, *others = reports.values()
    rows = [{k: rounded(v) for k, v in row.items()} for row in first.table(*others)]
    write_csv(folder / "measures.csv", rows)
    first.to_csv(folder / "filters.csv")
    names = [*(_MODEL_FILES[name] for name in models), "history.csv", "measures.csv", "filters.csv"]
    if len(models) > 1:
        names.append("ordinary_history.csv")
    paths = [folder / name for name in names]
    images = dict(splits.items()).get("validation", splits.train)
    try:
        twin = models.get(ORDINARY)
        paths.append(report(models[INTERPRETABLE], images, folder / "report.html", twin))
    except ImportError as error:
        if verbose:
            print(f"No report.html: {error}", flush=True)
    return paths


@contextlib.contextmanager
def _settings_kept(folder, settings, splits):
    """Keeps a run apart from runs with other settings or images in the same folder.

    A run that ends before anything was kept takes its settings along.
    """
    path = folder / _SETTINGS
    wanted = json.loads(json.dumps(dataclasses.asdict(settings)))
    wanted |= {"classes": splits.class_names, "images": _digest(splits)}
    if path.is_file() and _has_results(folder):
        found = json.loads(path.read_text(encoding="utf-8"))
        other = [k for k, value in wanted.items() if found.get(k) != value]
        if other:
            told = "; ".join(f"{k}={found.get(k)}" for k in other if k != "images")
            raise ValueError(
                f"'{folder}' holds a run that differs in {', '.join(other)}"
                f"{f' (there {told})' if told else ''}. Choose another `out` (--out), or remove it."
            )
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    try:
        yield
    finally:
        if not _has_results(folder):
            path.unlink(missing_ok=True)


def _has_results(folder):
    return any(folder.glob("*.keras")) or any(folder.glob("*_backup.npz"))


def _digest(splits):
    """What tells the images of a run from others: those to train on and those held out."""
    digest = hashlib.sha256()
    for name, dataset in splits.items():
        digest.update(name.encode())
        digest.update(dataset.image_digests().tobytes() + dataset.labels.tobytes())
    return digest.hexdigest()

"""Runs recipes: plans what is not done yet, checks it, then trains, measures and stores one by one.

The work itself is in `_data`, `_networks`, `_training`, `_measures` and `_store`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_icnn.recipes import _measures, _networks
from keras_icnn.recipes._data import Images, read_images
from keras_icnn.recipes._feature_cache import Features
from keras_icnn.recipes._format import Recipe, RecipeError, mistakes_of
from keras_icnn.recipes._progress import tell_done, tell_plan
from keras_icnn.recipes._store import Run, Store, opened, sources_of

if TYPE_CHECKING:
    import os


def run_recipe(
    recipe: Recipe,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    seeds: Sequence[int] | None = None,
    variants: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    verbose: bool = True,
) -> list[dict[str, Any]]:
    """Trains and measures every variant of a recipe; what is measured already is not repeated.

    Args:
        recipe: A `Recipe`, from `read_recipe`.
        data: Folder that holds the data sets and weights the recipe names.
        out: Folder for results (`results.csv`, a row a run), per-filter tables, trained models
            and cached features. Run again with the same folder to resume.
        seeds, variants, categories: Run only these (lists), by default all of the recipe's.
        verbose: Whether to print progress.

    Returns:
        The rows of `results.csv` that belong to this recipe, a list of dicts.

    Raises:
        RecipeError: For data, weights, layers or categories that are not there.

    Example:

    ```python
    recipe = icnn.recipes.read_recipe("zoo/recipes/birds.toml")
    rows = icnn.recipes.run_recipe(recipe, "DATA", "runs/birds", seeds=[0])
    ```
    """
    job = Job(recipe, seeds, variants, categories)
    return run_recipes([job], data, out, verbose=verbose)[0].rows


@dataclass(frozen=True)
class Job:
    """A recipe, and which of its runs: lists, or None for all."""

    recipe: Recipe
    seeds: Sequence[int] | None = None
    variants: Sequence[str] | None = None
    categories: Sequence[str] | None = None


class Done(NamedTuple):
    """What `run_recipes` returns for a job."""

    rows: list[dict[str, Any]]
    categories: list[str]


def run_recipes(
    jobs: Sequence[Job],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    all_images: bool = False,
    train: bool = True,
    verbose: bool = True,
) -> list[Done]:
    """Trains and measures what several recipes ask for, in one folder.

    Everything is checked before the first network is trained.

    Args:
        jobs: List of `Job`.
        data, out, verbose: As in `run_recipe`.
        all_images: Whether to measure on all splits together, as the paper's authors do, the images
            trained on included. Networks that were trained before are only measured again. Such
            rows have a `kind` of their own and are never mixed with held-out ones.
        train: False only reads what has been measured.

    Returns:
        List with a pair for each job: `rows` of its recipe, on this data and with these weights,
        and all of its `categories` (for a multi-category task one, of joined names).

    Raises:
        RecipeError: As `run_recipe`.
    """
    with opened(out, all_images) as store:
        read = {}
        setups = [
            _Setup(job.recipe, read_images(job.recipe.data, data, read), data, store, verbose)
            for job in jobs
        ]
        plans = []
        for setup, job in zip(setups, jobs, strict=True):
            runs = _chosen(setup, job)
            planned = {run.key for plan in plans for run in plan}
            plans.append([r for r in runs if store.find(r) is None and r.key not in planned])
            if verbose:
                tell_plan(job.recipe, runs, plans[-1])
        if train:
            for setup, plan in zip(setups, plans, strict=True):
                _check(setup, plan)
            todo = [(setup, run) for setup, plan in zip(setups, plans, strict=True) for run in plan]
            _work(todo, store, verbose)
        return [Done(_rows(setup), setup.images.tasks) for setup in setups]


@dataclass(frozen=True)
class _Setup:
    """A recipe with all that its runs need: images, data folder, and where results go."""

    recipe: Recipe
    images: Images
    data: object
    store: Store
    verbose: bool

    def sources(self, variant):
        """What tells the runs of a variant apart from others; without weights that are missing."""
        weights = None
        # Without them nothing can be trained, but rows can be read.
        with contextlib.suppress(RecipeError):
            weights = _networks.weights_of(self.recipe, variant, self.data)[1]
        return sources_of(self.recipe, variant, self.images.sha256, weights)

    def run(self, variant, category, seed):
        """The run of a variant on a category with a seed."""
        return Run(self.recipe, variant, category, seed, self.sources(variant))

    def radius_source(self, run):
        """The run that a run takes its receptive field's radius from, or None."""
        if not run.variant.radius_from:
            return None
        source = self.recipe.variant(run.variant.radius_from)
        return self.run(source, run.category, run.seed)

    def build(self, variant):
        """The network of a variant."""
        return _networks.build(self.recipe, variant, self.images, self.data)


# --- plan -----------------------------------------------------------------------------------------


def _chosen(setup, job):
    """The runs that a job asks for."""
    recipe = setup.recipe
    names = _only(job.variants, [variant.name for variant in recipe.variants], "variant")
    seeds = _only(job.seeds, recipe.seeds, "seed")
    categories = _only(job.categories, setup.images.tasks, "category")
    variants = [variant for variant in recipe.variants if variant.name in names]
    return [
        setup.run(variant, category, seed)
        for category in categories
        for seed in seeds
        for variant in variants
    ]


def _only(chosen, known, what):
    if chosen is None:
        return list(known)
    unknown = [c for c in chosen if c not in known]
    if unknown:
        raise RecipeError(f"The recipe has no {what} {unknown}. It has: {list(known)}")
    return list(dict.fromkeys(chosen))


def _rows(setup):
    """What has been measured of a recipe, with this data and these weights."""
    sources = {variant.name: setup.sources(variant) for variant in setup.recipe.variants}
    return setup.store.rows_of(sources, setup.images.tasks)


# --- check ----------------------------------------------------------------------------------------


def _check(setup, runs):
    """Finds what would stop a run before any network is trained."""
    import keras

    for variant in {run.variant.name: run.variant for run in runs}.values():
        if variant.kind == "supervised":
            setup.images.landmarks(variant)
            continue
        keras.backend.clear_session()
        built = setup.build(variant)
        if variant.layer:
            _networks.find_layer(built.trained, variant.layer)
    planned = set()
    for run in runs:
        planned.add(run.key)
        source = setup.radius_source(run)
        if source and source.key not in planned and setup.store.find(source) is None:
            raise RecipeError(
                f"Variant '{run.variant.name}' takes its receptive field from "
                f"'{source.variant.name}', which has not been run for {run.category}, seed "
                f"{run.seed}. Run it too."
            )


# --- run one, and store it ------------------------------------------------------------------------


def _work(todo, store, verbose):
    """Does the runs, one after the other, and tells how far it is."""
    session = []
    for done, (setup, run) in enumerate(todo, start=1):
        row = _run_one(setup, run)
        session.append(row)
        if verbose:
            left = [run for _, run in todo[done:]]
            tell_done(run, row, done, len(todo), left, store.results.rows, session)


def _run_one(setup, run):
    """Trains and measures one network, keeps both, and returns its row."""
    import keras

    started = time.monotonic()
    keras.backend.clear_session()
    keras.utils.set_random_seed(run.seed)
    images, store = setup.images, setup.store
    measured_on = images.measured_splits(store.all_images)
    train = images.of(setup.recipe.data.train_on, run.category)
    test = images.of(measured_on, run.category)
    of_kind = _supervised if run.variant.kind == "supervised" else _network
    outcome = of_kind(setup, run, train, test)
    figures = {
        **_measures.network_figures(outcome.report, outcome.history),
        **outcome.earlier,
        "train_images": len(train),
        "seconds": round(time.monotonic() - started),
    }
    store.keep(run, outcome.report, outcome.trained)
    return store.add(run, figures, _measures.trivial_figures(outcome.report), measured_on)


class _Outcome(NamedTuple):
    """What came out of a run.

    `trained` is the model to keep, None where it is kept already; `earlier` are figures of the
    training where that was done before.
    """

    report: object
    trained: object
    history: dict
    earlier: dict


def _network(setup, run, train, test):
    from keras_icnn.recipes._training import train_network

    variant, store = run.variant, setup.store
    features = Features(store.folder / "features", setup.recipe.data, verbose=setup.verbose)
    built = setup.build(variant)
    earlier = _trained_before(store, run, built.model)
    history = {}
    if variant.kind == "trained" and earlier is None:
        history = train_network(
            built,
            setup.recipe,
            variant,
            train,
            features=features,
            seed=run.seed,
            backup=store.backup_file(run),
            verbose=setup.verbose,
        )
    report = _measures.measure_network(
        built,
        setup.recipe,
        variant,
        test,
        features=features,
        radius=_radius(setup, run),
        seed=run.seed,
    )
    if earlier is None:
        return _Outcome(report, built.model, history, {})
    return _Outcome(
        report, None, history, {name: earlier[name] for name in ("train_loss", "filter_loss")}
    )


def _trained_before(store, run, model):
    """Gives `model` the weights of a run that was measured on the other images; its row."""
    path = store.model_file(run)
    row = store.find(run, all_images=not store.all_images)
    if row is None or not path.is_file():
        return None
    model.load_weights(path)
    return row


def _supervised(setup, run, train, test):
    """Detectors trained with the landmarks' annotations on the frozen features."""
    import keras

    from keras_icnn import metrics
    from keras_icnn.recipes._training import train_supervised

    variant, store = run.variant, setup.store
    features = Features(store.folder / "features", setup.recipe.data, verbose=setup.verbose)
    built = setup.build(variant)
    field = metrics.receptive_field(built.model, setup.recipe.network.frozen_until)
    radius = _radius(setup, run)
    keras.utils.set_random_seed(run.seed)
    with mistakes_of(f"{run.category}, variant '{variant.name}'"):
        detector = train_supervised(
            built, field, setup.images.landmarks(variant), variant, train, features=features
        )
    report = _measures.measure_detector(
        detector, built, field, variant, test, features=features, radius=radius, seed=run.seed
    )
    return _Outcome(report, detector, {}, {})


def _radius(setup, run):
    """The round receptive field's radius that a recipe gives or that another run measured."""
    source = setup.radius_source(run)
    if source is None:
        return run.variant.radius or None
    radius = setup.store.find(source).get("radius")
    # None where the data set has no parts.
    return None if radius in (None, "") else float(radius)

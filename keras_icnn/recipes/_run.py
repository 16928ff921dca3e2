"""Runs recipes: trains their networks, measures them, and resumes where it was stopped."""

import contextlib
import hashlib
import json
import math
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_icnn import __version__
from keras_icnn._files.whole_file import file_name, remove_leftovers, replacing
from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.recipes._feature_cache import FeatureCache
from keras_icnn.recipes._format import Recipe, RecipeError, read_recipe, resolve
from keras_icnn.recipes._provenance import data_digest, file_digest
from keras_icnn.recipes._store import Results
from keras_icnn.recipes._summary_tables import (
    NETWORK,
    SUPERVISED,
    TRIVIAL,
    compare,
    number,
    on_all_images,
    summarize,
)

__all__ = [
    "Job",
    "Recipe",
    "RecipeError",
    "compare",
    "read_recipe",
    "run_recipe",
    "run_recipes",
    "summarize",
]

_KEY = ("recipe_sha256", "kind", "variant", "category", "seed")


def run_recipe(recipe, data, out, *, seeds=None, variants=None, categories=None, verbose=True):
    """Trains and measures every variant of a recipe; what is measured already is not repeated.

    Args:
        recipe: a `Recipe`, from `read_recipe`.
        data: folder that holds the data sets and weights the recipe names.
        out: folder for results (`results.csv`, a row a run), per-filter tables, trained models
            and cached features. Run again with the same folder to resume.
        seeds, variants, categories: run only these (lists), by default all of the recipe's.
        verbose: whether to print progress.

    Returns:
        The rows of `results.csv` that belong to this recipe, a list of dicts.

    Raises:
        RecipeError: for data, weights, layers or categories that are not there.
    """
    job = Job(recipe, seeds, variants, categories)
    return run_recipes([job], data, out, verbose=verbose)[0].rows


@dataclass(frozen=True)
class Job:
    """A recipe, and which of its runs: lists, or None for all."""

    recipe: Recipe
    seeds: list | None = None
    variants: list | None = None
    categories: list | None = None


class Done(NamedTuple):
    """What `run_recipes` returns for a job."""

    rows: list
    categories: list


def run_recipes(jobs, data, out, *, all_images=False, train=True, verbose=True):
    """Trains and measures what several recipes ask for, in one folder.

    Everything is checked before the first network is trained.

    Args:
        jobs: list of `Job`.
        data, out, verbose: as in `run_recipe`.
        all_images: whether to measure on all splits together, as the paper's authors do, the images
            trained on included. Networks that were trained before are only measured again. Such
            rows have a `kind` of their own and are never mixed with held-out ones.
        train: False only reads what has been measured.

    Returns:
        list with a pair for each job: `rows` of its recipe, on this data and with these weights,
        and all of its `categories` (for a multi-category task one, of joined names).

    Raises:
        RecipeError: as `run_recipe`.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        remove_leftovers(out)
        results = Results(out / "results.csv", _KEY)
        read = {}
        runs = [_Run(job.recipe, data, out, verbose, results, read, all_images) for job in jobs]
        todo = []
        for run, job in zip(runs, jobs, strict=True):
            todo += [(run, *one) for one in run.plan(job)]
        if train:
            for run in runs:
                run.check([one for mine, *one in todo if mine is run])
            _work(todo, results, verbose)
        return [Done(run.rows(), run.categories()) for run in runs]


def _work(todo, results, verbose):
    """Does the runs, one after the other, and tells how far it is."""
    session = []
    for done, (run, category, seed, variant) in enumerate(todo, start=1):
        row = run.one(category, seed, variant)
        session.append(row)
        if verbose:
            left = _seconds_left(todo[done:], results.rows, session)
            print(
                f"[{done}/{len(todo)}] {category}, {variant.name}, seed {seed}: accuracy "
                f"{number(row['accuracy'], 3)}, instability {number(row['instability'], 3)}, R2 "
                f"{number(row['r2'], 2)} ({row['seconds']} s; about {left / 60:.0f} min left)",
                flush=True,
            )


def _seconds_left(todo, rows, session):
    """What the runs may take: each as long as those of its recipe and variant, else of all."""
    known = {}
    for row in rows:
        if row["kind"] != TRIVIAL and row.get("seconds"):
            key = (row["recipe_sha256"], row["variant"])
            known.setdefault(key, []).append(float(row["seconds"]))
    overall = np.mean([float(row["seconds"]) for row in session])
    return sum(
        np.mean(known.get((run.recipe.sha256, variant.name), overall))
        for run, _, _, variant in todo
    )


@contextlib.contextmanager
def _locked(folder):
    """Keeps two runs out of one folder."""
    path = folder / ".lock"
    with open(path, "a", encoding="utf-8") as file:
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


def _only(chosen, known, what):
    if chosen is None:
        return list(known)
    unknown = [c for c in chosen if c not in known]
    if unknown:
        raise RecipeError(f"The recipe has no {what} {unknown}. It has: {list(known)}")
    return list(dict.fromkeys(chosen))


@contextlib.contextmanager
def _mistakes_of(where):
    """What a reader or builder refuses is a mistake in the recipe."""
    try:
        yield
    except RecipeError:
        raise
    except (TypeError, ValueError, AttributeError, OSError) as error:
        raise RecipeError(f"{where}: {error}") from error


class _Run:
    """The runs of one recipe in a folder."""

    def __init__(self, recipe, data, out, verbose, results, already_read, all_images):
        self.recipe = recipe
        self.data_folder = data
        self.out = out
        self.verbose = verbose
        self.all_images = all_images
        self.results = results
        self.splits, self.data_sha256 = self._data(already_read)

    def plan(self, job):
        """The runs that are still to be done: (category, seed, variant)."""
        recipe = self.recipe
        names = [variant.name for variant in recipe.variants]
        chosen = _only(job.variants, names, "variant")
        seeds = _only(job.seeds, recipe.seeds, "seed")
        categories = _only(job.categories, self.categories(), "category")
        runs = [
            (category, seed, variant)
            for category in categories
            for seed in seeds
            for variant in recipe.variants
            if variant.name in chosen
        ]
        todo = [r for r in runs if self._done(*r) is None]
        self._say(f"{recipe.title}: {len(runs)} runs, {len(runs) - len(todo)} of them done already")
        return todo

    def rows(self):
        """What has been measured of this recipe, with this data and these weights."""
        return [
            row
            for row in self.results.rows
            if row["recipe_sha256"] == self.recipe.sha256
            and on_all_images(row["kind"]) == self.all_images
            and self._same_sources(row)
        ]

    def _done(self, category, seed, variant):
        return self._row(variant.name, category, seed, _kind(variant))

    def _row(self, variant, category, seed, kind=NETWORK, all_images=None):
        all_images = self.all_images if all_images is None else all_images
        for row in self.results.find_all(
            recipe_sha256=self.recipe.sha256,
            kind=on_all_images(kind, all_images),
            variant=variant,
            category=category,
            seed=seed,
        ):
            if self._same_sources(row):
                return row
        return None

    def _same_sources(self, row):
        """Whether a row was measured with this data, rule and weights, as far as it tells."""
        name = row["variant"] if on_all_images(row["kind"], False) != TRIVIAL else row["beside"]
        variant = next((v for v in self.recipe.variants if v.name == name), None)
        if variant is None:
            return False
        now = {"data_sha256": self.data_sha256, "rule_sha256": _rule_digest(variant)}
        # Without the weights no more than the rest can be compared.
        with contextlib.suppress(RecipeError):
            now["weights_sha256"] = self._weights(variant)[1]
        return all(row.get(column) in (None, "", value) for column, value in now.items())

    def check(self, todo):
        """Finds what would stop a run before any network is trained."""
        import keras

        for variant in {variant.name: variant for _, _, variant in todo}.values():
            if variant.kind == "supervised":
                self._landmark(variant)
                continue
            keras.backend.clear_session()
            _, upper, _ = self._build(variant)
            if variant.layer:
                self._layer(upper, variant.layer)
        planned = set()
        for category, seed, variant in todo:
            planned.add((category, seed, variant.name))
            source = variant.radius_from
            if (
                source
                and (category, seed, source) not in planned
                and self._row(source, category, seed) is None
            ):
                raise RecipeError(
                    f"Variant '{variant.name}' takes its receptive field from '{source}', which "
                    f"has not been run for {category}, seed {seed}. Run it too."
                )

    def _say(self, text):
        if self.verbose:
            print(text, flush=True)

    # --- data ---------------------------------------------------------------------------------

    def _data(self, already_read):
        """The splits and their digest; recipes on the same data share them."""
        data = self.recipe.data
        key = repr((data.reader, data.path, data.negatives, data.arguments))
        if key not in already_read:
            splits = self._read_data()
            already_read[key] = splits, data_digest(splits, self.data_folder)
        splits, digest = already_read[key]
        with _mistakes_of("[data]"):
            for name in (*data.train_on, data.measure_on):
                getattr(splits, name)
        return splits, digest

    def _read_data(self):
        from keras_icnn import datasets

        data = self.recipe.data
        reader = datasets.reader(data.reader)
        with _mistakes_of("[data]"):
            if not reader.needs_path:
                return datasets.read(reader.name, **data.arguments)
            path = resolve(self.data_folder, data.path, "`path` in [data]")
            arguments = dict(data.arguments)
            for name in reader.folders:
                if isinstance(arguments.get(name), str):
                    arguments[name] = resolve(
                        self.data_folder, arguments[name], f"`arguments.{name}` in [data]"
                    )
            # The compact layout of Animal-Part holds its own.
            if data.negatives and not (path / "annotations.csv").is_file():
                arguments["negatives"] = resolve(
                    self.data_folder, data.negatives, "`negatives` in [data]"
                )
            return datasets.read(reader.name, path, **arguments)

    def _weights(self, variant):
        """What weights a variant begins with: a path, "imagenet" or None; and the file's sha256."""
        if variant.kind == "untrained":
            return None, ""
        shared = self.recipe.network.weights
        given = variant.weights or ((shared,) if shared else ())
        for name in given:
            if name == "imagenet":
                return name, name
            if name == given[-1] or (Path(self.data_folder) / name).is_file():
                where = f"`weights` of variant '{variant.name}'"
                path = str(resolve(self.data_folder, name, where))
                return path, file_digest(path)
        return None, ""

    def categories(self):
        """What the recipe can be run for, one by one."""
        data = self.recipe.data
        if data.task == "multi-category":
            return ["+".join(self._categories())]
        return self._categories()

    def _background(self):
        """Name of the background class, or None."""
        from keras_icnn.metrics import find_background

        label = find_background(self.splits.class_names)
        return None if label < 0 else self.splits.class_names[label]

    def _categories(self):
        background = self._background()
        known = [name for name in self.splits.class_names if name != background]
        categories = list(dict.fromkeys(self.recipe.data.categories)) or known
        unknown = [c for c in categories if c not in known]
        if unknown:
            raise RecipeError(f"`categories` in [data] must be among {known}. Received: {unknown}")
        return categories

    def _classes(self, category):
        if self.recipe.data.task == "multi-category":
            return self._categories()
        background = self._background()
        if background is None:
            raise RecipeError(
                "The single-category task needs a background class, the first one, named "
                "'negative' or 'background'. Use task = \"multi-category\" in [data]. Received: "
                f"classes {self.splits.class_names}"
            )
        return [background, category]

    def _split(self, names, category):
        selected = None
        for name in names:
            part = getattr(self.splits, name).select(classes=self._classes(category))
            selected = part if selected is None else selected.concatenate(part)
        return selected

    # --- one run ------------------------------------------------------------------------------

    def one(self, category, seed, variant):
        """Trains and measures one network, keeps both, and returns its row."""
        import keras

        started = time.monotonic()
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        train = self._split(self.recipe.data.train_on, category)
        test = self._split(self._measured_on(), category)
        name = self._file_name(variant, category, seed)
        backup = self.out / "backups" / f"{name}.npz"
        history, trained = {}, None
        if variant.kind == "supervised":
            model, report = self._supervised(variant, train, test, category, seed)
        else:
            model, upper, lower = self._build(variant)
            trained = self._trained_before(model, name, variant, category, seed)
            if variant.kind == "trained" and trained is None:
                history = self._train(upper, lower, variant, train, seed, backup)
            report = self._measure(model, upper, lower, variant, test, category, seed)
        row = {
            "recipe": self.recipe.name,
            "kind": on_all_images(_kind(variant), self.all_images),
            "variant": variant.name,
            "category": category,
            "seed": seed,
            **{name: _rounded(value) for name, value in report.values.items()},
            "train_loss": _rounded(history.get("loss", [math.nan])[-1]),
            "filter_loss": _rounded(history.get("filter_loss", [math.nan])[-1]),
            "train_images": len(train),
            "seconds": round(time.monotonic() - started),
            **self._provenance(variant),
        }
        if trained is not None:
            row |= {key: trained[key] for key in ("train_loss", "filter_loss")}
        self._keep(None if trained else model, report, name)
        self.results.add(row, *self._trivial_rows(report, variant, category, seed))
        backup.unlink(missing_ok=True)
        return row

    def _measured_on(self):
        if not self.all_images:
            return (self.recipe.data.measure_on,)
        return tuple(name for name, _ in self.splits.items())

    def _trained_before(self, model, name, variant, category, seed):
        """Gives `model` the weights of a run that was measured on the other images; its row."""
        path = self._model_file(name)
        row = self._row(variant.name, category, seed, all_images=not self.all_images)
        if row is None or not path.is_file():
            return None
        model.load_weights(path)
        return row

    def _model_file(self, name):
        return self.out / "models" / f"{name}.keras"

    def _file_name(self, variant, category, seed):
        if len(category) > 60:  # many categories' names joined
            digest = hashlib.sha256(category.encode()).hexdigest()[:8]
            category = f"{category.count('+') + 1}_categories_{digest}"
        # A class's name comes from a data set, and names a file here.
        category = file_name(category)
        # All that a trained network depends on: one of other weights must not be taken for it.
        sources = " ".join(self._sources(variant).values())
        digest = hashlib.sha256(sources.encode()).hexdigest()[:8]
        return f"{self.recipe.name}-{digest}-{variant.name}-{category}-{seed}"

    def _sources(self, variant):
        """Columns that tell a run from one with another recipe, data, filter loss or weights."""
        return {
            "recipe_sha256": self.recipe.sha256,
            "data_sha256": self.data_sha256,
            "rule_sha256": _rule_digest(variant),
            "weights_sha256": self._weights(variant)[1],
        }

    def _provenance(self, variant):
        import keras

        return {
            "measured_on": "+".join(self._measured_on()),
            **self._sources(variant),
            "keras_icnn": __version__,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }

    def _keep(self, model, report, name):
        (self.out / "filters").mkdir(exist_ok=True)
        (self.out / "models").mkdir(exist_ok=True)
        ending = "-all_images.csv" if self.all_images else ".csv"
        report.to_csv(self.out / "filters" / f"{name}{ending}")
        if model is not None:
            with replacing(self._model_file(name)) as temporary:
                model.save(temporary)

    def _trivial_rows(self, report, variant, category, seed):
        """The trivial detectors on this network's grid, with its receptive field's radius."""
        for name, values in report.trivial.items():
            yield {
                "recipe": self.recipe.name,
                **self._sources(variant),
                "kind": on_all_images(TRIVIAL, self.all_images),
                "variant": name,
                "beside": variant.name,
                "category": category,
                "seed": seed,
                **{k: _rounded(v) for k, v in values.items()},
            }

    # --- networks -----------------------------------------------------------------------------

    def _build(self, variant):
        """The whole model, the part that is trained, and the frozen part below it (or None)."""
        import keras

        from keras_icnn import InterpretableModel, zoo

        recipe = self.recipe
        single = recipe.data.task == "single-category"
        classes = 1 if single else len(self._categories())
        arguments = {
            "input_shape": (*self.splits.image_size, 3),
            "classes": classes,
            "weights": self._weights(variant)[0],
            "include_preprocessing": True,
            "classifier_activation": None,
            **recipe.network.arguments,
            **variant.arguments,
        }
        if variant.filter_loss is not None:
            arguments["filter_loss"] = (
                None if variant.filter_loss == "none" else variant.filter_loss
            )
        if recipe.network.head == "pooled":
            arguments.update(include_top=False, pooling="avg")
        with _mistakes_of(f"[[variant]] '{variant.name}'"):
            if recipe.network.top:
                model = self._cut(variant, arguments)
            else:
                model = zoo.create_model(variant.network, **arguments)
        make = InterpretableModel if isinstance(model, InterpretableModel) else keras.Model
        if recipe.network.head == "pooled":
            pooled = keras.layers.Rescaling(recipe.network.head_scale, name="head_scale")
            outputs = keras.layers.Dense(classes, name="predictions")(pooled(model.output))
            model = make(model.inputs, outputs, name=variant.name)
        if variant.kind == "untrained":
            return model, model, None
        if recipe.network.fixed_normalization:
            top = self._layer(model, recipe.network.top)
            for layer in keras.Model(model.inputs, top.output).layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
        if not recipe.network.frozen_until:
            return model, model, None
        if self._weights(variant)[0] is None:
            raise RecipeError("`frozen_until` in [network] needs pretrained `weights`.")
        cut = self._layer(model, recipe.network.frozen_until)
        lower = keras.Model(model.inputs, cut.output)
        for layer in lower.layers:
            layer.trainable = False
        upper = make(cut.output, model.output, name=variant.name)
        return model, upper, lower

    def _cut(self, variant, arguments):
        """The network up to `top`, made what the variant's name and arguments say, and pooled."""
        import keras

        from keras_icnn import zoo
        from keras_icnn.models._conversion import layer_arguments, transform

        base = {k: arguments.pop(k) for k in ("input_shape", "weights", "include_preprocessing")}
        for idle in ("include_top", "pooling", "classifier_activation"):
            arguments.pop(idle, None)
        classes = arguments.pop("classes")
        ordinary = variant.base_network
        whole = zoo.create_model(ordinary, include_top=False, **base)
        model = keras.Model(whole.inputs, self._layer(whole, self.recipe.network.top).output)
        interpretable = None
        if variant.network != ordinary:
            names = ("background_class", "filter_loss", "mask")
            given = {k: arguments.pop(k) for k in names if k in arguments}
            interpretable = layer_arguments(classes, **given)
        extra = arguments.pop("extra_layer", interpretable is not None)
        layers = None if arguments.pop("interpret_top", True) else ()
        model = transform(
            model,
            name=variant.name,
            layers=layers,
            extra_layer=extra,
            interpretable=interpretable,
            **arguments,
        )
        make = type(model)
        pooled = keras.layers.GlobalAveragePooling2D(name="pool")(model.output)
        return make(model.inputs, pooled, name=variant.name)

    @staticmethod
    def _layer(model, name):
        if name not in [layer.name for layer in model.layers]:
            raise RecipeError(
                f"Network '{model.name}' has no layer '{name}'. It has: "
                f"{', '.join(layer.name for layer in model.layers)}"
            )
        return model.get_layer(name)

    def _cache(self, lower):
        """Keyed by all that features depend on: layers and weights below the cut, and the data."""
        data = self.recipe.data
        digest = hashlib.sha256(json.dumps(lower.get_config(), default=str).encode())
        for value in lower.get_weights():
            digest.update(np.ascontiguousarray(value).tobytes())
        key = f"{digest.hexdigest()} {__version__} {data.reader} {data.path} {data.arguments}"
        return FeatureCache(self.out / "features", lower, key, verbose=self.verbose)

    def _features(self, lower, data):
        """Cached features of a data set: computed class by class and shared by all tasks."""
        cache = self._cache(lower)
        features = None
        for label, name in enumerate(data.class_names):
            rows = np.flatnonzero(data.labels == label)
            if not len(rows):
                continue
            part = cache.get(data.subset(rows), name)
            if features is None:
                features = np.empty((len(data), *part.shape[1:]), "float32")
            features[rows] = part
        return features

    def _train(self, upper, lower, variant, train, seed, backup):
        from keras_icnn.callbacks import Backup, StopOnNaN
        from keras_icnn.recipes._training import compile_network, training_set

        training = self.recipe.training_of(variant)
        with _mistakes_of("[training]"):
            train = training_set(train, self.recipe, variant)
        batch_size = compile_network(upper, self.recipe, variant, len(train))
        single = self.recipe.data.task == "single-category"
        if lower is not None:
            y = train.labels.astype("float32")
            if not single:
                y = np.eye(len(train.class_names), dtype="float32")[train.labels]
            history = upper.fit(
                self._features(lower, train),
                y,
                batch_size=batch_size,
                epochs=training.epochs,
                verbose=0,
                callbacks=[StopOnNaN()],
            )
            return history.history
        batches = train.batches(
            batch_size,
            shuffle=True,
            seed=seed,
            flip=training.flip,
            labels="int" if single else "onehot",
        )
        history = upper.fit(
            batches,
            epochs=training.epochs,
            shuffle=False,
            verbose=1 if self.verbose else 0,
            callbacks=[
                batches.follow_epochs(),
                StopOnNaN(batches),
                # Kept until the network is measured, too.
                Backup(backup, delete=False),
            ],
        )
        return history.history

    def _landmark(self, variant):
        names = list(self.splits.landmark_names)
        if variant.landmark not in names:
            raise RecipeError(
                f"`landmark` of [[variant]] '{variant.name}' must be among {names}. "
                f"Received: {variant.landmark!r}"
            )
        return names.index(variant.landmark)

    def _supervised(self, variant, train, test, category, seed):
        """A detector trained with the landmark's annotations on the frozen features."""
        import keras

        from keras_icnn import metrics
        from keras_icnn.recipes._supervised_detector import train_detector

        which = self._landmark(variant)
        model, _, lower = self._build(variant)
        cut = self.recipe.network.frozen_until
        field = metrics.receptive_field(model, cut)
        source = variant.radius_from
        radius = variant.radius or None
        if source:
            radius = float(self._row(source, category, seed)["radius"])
        keras.utils.set_random_seed(seed)
        landmarks = train.landmarks[:, which]
        known = np.flatnonzero(np.isfinite(landmarks).all(axis=-1))
        with _mistakes_of(f"{category}, variant '{variant.name}'"):
            detector = train_detector(
                self._features(lower, train)[known],
                landmarks[known],
                field.centers,
                scale=variant.feature_scale,
            )
        report = metrics.evaluate_maps(
            detector.predict(self._features(lower, test), verbose=0),
            test.labels,
            test.landmarks,
            field.centers,
            image_size=test.image_size,
            class_names=test.class_names,
            landmark_names=test.landmark_names,
            part_names=test.part_names,
            part_masks=test.part_masks if radius is not None else None,
            radius=radius,
            name=variant.name,
            seed=seed,
        )
        return detector, report

    # --- measures -----------------------------------------------------------------------------

    def _measure(self, model, upper, lower, variant, test, category, seed):
        from keras_icnn import metrics

        layer = variant.layer or None
        if layer is not None:
            self._layer(model, layer)
        field = metrics.receptive_field(model, metrics.measured_layer(model, layer).name)
        radius = self._radius(model, variant, test, category, seed, layer, field)
        recipe = self.recipe
        arguments = {}
        if recipe.data.task == "multi-category" and recipe.training.loss == "logistic":
            arguments["independent_outputs"] = True
        if lower is not None:
            arguments["features"] = self._features(lower, test)
        return metrics.evaluate(
            upper,
            test,
            layer,
            receptive_field=field,
            radius=radius,
            name=variant.name,
            seed=seed,
            **arguments,
        )

    def _radius(self, model, variant, test, category, seed, layer, field):
        """The round receptive field's radius: of this variant, or of the one it takes it from."""
        if not test.part_names:
            return None
        if variant.radius:
            return variant.radius
        source = variant.radius_from
        if source:
            return float(self._row(source, category, seed)["radius"])
        from keras_icnn import metrics

        images = metrics.occlusion_images(test)
        return metrics.occlusion_radius(model, layer, images, receptive_field=field)


def _kind(variant):
    return SUPERVISED if variant.kind == "supervised" else NETWORK


def _rule_digest(variant):
    """sha256 of the filter loss in full: what "default" stands for may change with the version."""
    if variant.network == variant.base_network:
        return ""
    rule = variant.filter_loss
    if rule != "none":
        rule = FilterLoss.parse("default" if rule is None else rule).get_config()
    return hashlib.sha256(json.dumps(rule, sort_keys=True, default=str).encode()).hexdigest()


def _rounded(value):
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    return "" if math.isnan(value) else round(float(value), 5)

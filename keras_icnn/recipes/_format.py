"""What a recipe may say: TOML to checked dataclasses."""

import dataclasses
import difflib
import hashlib
import math
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from keras_icnn.datasets import reader_names
from keras_icnn.layers._filter_loss import NAMED, FilterLoss

READERS = reader_names()
TASKS = ("single-category", "multi-category")
LOSSES = ("logistic", "softmax")
SCHEDULES = ("cosine", "constant", "geometric")
OPTIMIZERS = ("adamw", "sgd")
KINDS = ("trained", "untrained", "supervised")
SPLITS = ("train", "validation", "test")


class RecipeError(ValueError):
    """A recipe that cannot be run as it is written; the message names the file and the fix."""


@dataclass(frozen=True)
class Data:
    """Which pictures: `[data]`.

    `negatives` is a folder of background pictures, for data sets that have none of their own.
    """

    reader: str = "animal_part"
    path: str = ""
    negatives: str = ""
    task: str = "single-category"
    categories: tuple = ()
    train_on: tuple = ("train",)
    measure_on: str = "test"
    arguments: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """What is common to all variants: `[network]`.

    `frozen_until` names the layer whose outputs are computed once and cached; the layers up to it
    are frozen. `head` is `"network"`, the network's own, or `"pooled"`: mean over the map, times
    `head_scale`, one linear layer. With `top`, the network is cut at that map, which counts as
    its top map from then on. With `fixed_normalization` the batch normalisation up to `top` stays
    as the weights have it, where the layers around it are trained: statistics that move slowly
    would still be the old ones after a few epochs.
    """

    weights: str = ""
    top: str = ""
    frozen_until: str = ""
    fixed_normalization: bool = False
    head: str = "network"
    head_scale: float = 1.0
    arguments: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """The schedule, of every variant that does not say otherwise: `[training]`.

    `learning_rates` multiplies the learning rate of layers whose names begin with a key. Of the
    schedules, `"geometric"` lowers the rate by one factor an epoch, to `final_rate` times the first
    over `decay_epochs` (all of them by default), and keeps it. `optimizer` is `"adamw"`, or `"sgd"`
    with `momentum`, whose `weight_decay` adds to the gradients of kernels. With `sum_outputs` the
    logistic loss of several outputs is their sum, else their mean. `flip` mirrors pictures at
    random; `mirrored` adds the mirror image of every picture that is not background to the training
    set. `positive_share` (single-category) repeats the scarcer side until such a share of the
    pictures is not background.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    optimizer: str = "adamw"
    momentum: float = 0.9
    schedule: str = "cosine"
    final_rate: float = 0.1
    decay_epochs: int = 0
    loss: str = "logistic"
    sum_outputs: bool = False
    flip: bool = False
    mirrored: bool = False
    positive_share: float = 0.0
    learning_rates: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """One network to train: `[[variant]]`.

    `layer` is measured (the topmost interpretable layer, else the topmost map, by default).
    `radius_from` names the variant whose receptive field's radius is used for part
    interpretability, listed earlier; `radius` gives it in pixels; its own is measured by default.
    `weights` are alternatives, files below the data folder or `"imagenet"`, of which the first that
    is there is taken; those of `[network]` by default. `learning_rate` and `batch_size` other than
    0 stand in for those of `[training]`, as does all that the table `training` holds.
    `kind` is `"trained"`; `"untrained"`, the network as initialised, without weights; or
    `"supervised"`, a detector of `landmark` trained with its annotations on the frozen features
    (times `feature_scale`) of the named network: what filters that saw no annotation compete with.
    """

    name: str
    network: str
    kind: str = "trained"
    landmark: str = "head"
    feature_scale: float = 1.0
    layer: str = ""
    radius_from: str = ""
    radius: float = 0.0
    filter_loss: object = None
    weights: tuple = ()
    learning_rate: float = 0.0
    batch_size: int = 0
    training: object = None
    arguments: dict = field(default_factory=dict)

    @property
    def base_network(self):
        """The ordinary network's name, as the zoo has it."""
        return self.network.removesuffix("_interpretable")


# What a network of `[networks]` may set, for all its variants.
_PER_NETWORK = ("weights", "learning_rate", "batch_size")
# What `training` of a variant may set: not the task's loss.
_PER_VARIANT = tuple(
    f.name for f in dataclasses.fields(Training) if f.name not in ("loss", "sum_outputs")
)


@dataclass(frozen=True)
class Recipe:
    """A recipe: data, network, schedule, variants and seeds."""

    name: str
    path: str
    sha256: str
    title: str
    seeds: tuple
    data: Data
    network: Network
    training: Training
    variants: tuple

    def training_of(self, variant):
        """The `Training` of one variant: `[training]` and what the variant says instead."""
        own = {name: getattr(variant, name) for name in ("learning_rate", "batch_size")}
        own = {name: value for name, value in own.items() if value}
        return dataclasses.replace(variant.training or self.training, **own)


def read_recipe(path):
    """Reads and checks a recipe.

    Args:
        path: TOML file.

    Returns:
        A `Recipe`.

    Raises:
        RecipeError: naming the file, the key, what was expected and what was found.
    """
    path = Path(path)
    try:
        if path.stat().st_size > 1 << 20:
            raise RecipeError(f"Recipe '{path}' is larger than 1 MiB; that is no recipe.")
        raw = path.read_bytes()
        text = raw.decode("utf-8")
        _check_depth(text)
        content = tomllib.loads(text)
    except OSError as error:
        raise RecipeError(
            f"Recipe '{path}' cannot be read ({error.strerror}). Give the path of a .toml file, "
            "such as one under zoo/recipes/."
        ) from error
    except RecipeError:
        raise
    # Numbers of thousands of digits, and tables nested as deeply, are no TOML errors of Python's.
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"Recipe '{path}' is not valid TOML: {error}") from error
    try:
        return _recipe(content, path, hashlib.sha256(raw).hexdigest())
    except (TypeError, ValueError, AttributeError) as error:
        raise RecipeError(f"Recipe '{path}': {error}") from error


def _check_depth(text):
    """Refuses keys of very many parts: Python's reader needs memory as the square of the number."""
    bare = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "", text)
    # Spaces and tabs may stand around the dots.
    if any(part.count(".") > 100 for part in re.split(r"[^\w \t.-]+", bare)):
        raise ValueError("a key has more than 100 parts")


def _recipe(content, path, sha256):
    known = ("title", "seeds", "data", "network", "networks", "training", "variant")
    _known(content, known, "the recipe")
    data = _section(Data, content.get("data", {}), "[data]")
    _one_of(data.reader, READERS, "reader", "[data]")
    _one_of(data.task, TASKS, "task", "[data]")
    _one_of(data.measure_on, SPLITS, "measure_on", "[data]")
    for split in data.train_on:
        _one_of(split, SPLITS, "train_on", "[data]")
    if data.measure_on in data.train_on:
        raise ValueError(
            f"`measure_on` in [data] must be a split that is not trained on. Received: "
            f"measure_on={data.measure_on!r}, train_on={list(data.train_on)}"
        )
    network = _section(Network, content.get("network", {}), "[network]")
    _one_of(network.head, ("network", "pooled"), "head", "[network]")
    if network.top and network.head != "pooled":
        raise ValueError(
            "`top` in [network] leaves the network's own head out; it needs head = 'pooled'. "
            f"Received: top={network.top!r}, head={network.head!r}"
        )
    if network.fixed_normalization and not network.top:
        raise ValueError(
            "`fixed_normalization` in [network] is for the network up to `top`, which is not given"
        )
    training = _training(content.get("training", {}), "[training]", data, network)
    seeds = content.get("seeds", [0])
    if (
        not isinstance(seeds, list)
        or not seeds
        or not all(type(s) is int and s >= 0 for s in seeds)
        or len(set(seeds)) < len(seeds)
    ):
        raise ValueError(
            f"`seeds` must be a list of different whole numbers from 0. Received: {seeds!r}"
        )
    variants = content.get("variant", [])
    if not isinstance(variants, list) or not variants:
        raise ValueError("at least one [[variant]] must say which network to train")
    parsed = []
    for table in _for_each_network(variants, content.get("networks", {})):
        parsed.append(_variant(table, [variant.name for variant in parsed]))
        own = parsed[-1].training
        if own is not None:
            where = f"`training` of [[variant]] {parsed[-1].name!r}"
            if not isinstance(own, dict):
                raise ValueError(f"{where} must be a table. Received: {own!r}")
            _known(own, _PER_VARIANT, where)
            own = _training({**content.get("training", {}), **own}, where, data, network)
            parsed[-1] = dataclasses.replace(parsed[-1], training=own)
    for variant in parsed:
        if variant.kind == "supervised" and not (
            network.frozen_until and data.task == "single-category"
        ):
            raise ValueError(
                f"[[variant]] {variant.name!r} is a supervised detector, which needs "
                "`frozen_until` in [network] and task = 'single-category' in [data]"
            )
    return Recipe(
        name=path.stem,
        path=str(path),
        sha256=sha256,
        title=str(content.get("title", path.stem)),
        seeds=tuple(seeds),
        data=data,
        network=network,
        training=training,
        variants=tuple(parsed),
    )


def _training(table, where, data, network):
    """A checked `Training` from a table."""
    training = _section(Training, table, where)
    _one_of(training.schedule, SCHEDULES, "schedule", where)
    _one_of(training.loss, LOSSES, "loss", where)
    _one_of(training.optimizer, OPTIMIZERS, "optimizer", where)
    for name in ("epochs", "batch_size", "learning_rate", "final_rate"):
        if not 0 < getattr(training, name) < math.inf:
            raise ValueError(
                f"`{name}` in {where} must be above 0 and finite. "
                f"Received: {getattr(training, name)}"
            )
    for name in ("flip", "mirrored"):
        if getattr(training, name) and network.frozen_until:
            raise ValueError(
                f"`{name}` in {where} needs pictures, but `frozen_until` in [network] trains on "
                "cached features. Remove one of them."
            )
    if not 0 <= training.momentum < 1:
        raise ValueError(f"`momentum` in {where} must be in [0, 1). Received: {training.momentum}")
    if training.positive_share and not (
        0 < training.positive_share < 1 and data.task == "single-category"
    ):
        raise ValueError(
            f"`positive_share` in {where} must be between 0 and 1, and belongs to the "
            "task = 'single-category'. "
            f"Received: positive_share={training.positive_share}, task={data.task!r}"
        )
    if not 0 <= training.decay_epochs <= training.epochs:
        raise ValueError(
            f"`decay_epochs` in {where} must be between 0 and `epochs`. Received: "
            f"decay_epochs={training.decay_epochs}, epochs={training.epochs}"
        )
    if data.task == "single-category" and training.loss != "logistic":
        raise ValueError("the single-category task has one logit: `loss` must be 'logistic'")
    for name, factor in training.learning_rates.items():
        if type(factor) not in (int, float) or not factor > 0:
            raise ValueError(
                f"`learning_rates.{name}` in {where} must be a number above 0. Received: {factor!r}"
            )
    if not training.weight_decay >= 0:
        raise ValueError(
            f"`weight_decay` in {where} must be at least 0. Received: {training.weight_decay}"
        )
    return training


def _for_each_network(variants, networks):
    """The tables of variants, those that name `{network}` once for each of `[networks]`."""
    if not isinstance(networks, dict) or not all(isinstance(n, dict) for n in networks.values()):
        raise ValueError("[networks] must hold a table for each network, [networks.NAME]")
    for name, table in networks.items():
        _known(table, _PER_NETWORK, f"[networks.{name}]")
    every = [table for table in variants if isinstance(table, dict) and _is_template(table)]
    if not networks:
        if every:
            raise ValueError("a [[variant]] with '{network}' needs networks, [networks.NAME]")
        return variants
    if len(every) < len(variants):
        raise ValueError(
            "with [networks], every [[variant]] must have '{network}' in its `name` and `network`"
        )
    return [
        {
            **{
                key: value.replace("{network}", name) if isinstance(value, str) else value
                for key, value in table.items()
            },
            **own,
        }
        for name, own in networks.items()
        for table in every
    ]


def _is_template(table):
    return all("{network}" in str(table.get(key, "")) for key in ("name", "network"))


def _variant(table, earlier):
    where = f"[[variant]] {table.get('name', '')!r}" if isinstance(table, dict) else "[[variant]]"
    table = dict(table)
    for name in ("name", "network"):
        if not isinstance(table.get(name), str):
            raise ValueError(f"every [[variant]] needs a `{name}`, a string. Received: {table}")
    if not table["name"].replace("_", "").replace("-", "").isalnum():
        raise ValueError(
            f"`name` of {where} must be of letters, digits, '_' and '-': it names files"
        )
    if table["name"] in earlier:
        raise ValueError(f"`name` of {where} is taken by an earlier variant")
    if table.get("radius_from") and table["radius_from"] not in earlier:
        raise ValueError(
            f"`radius_from` of {where} must name a variant listed before it, one of {earlier}. "
            f"Received: {table['radius_from']!r}"
        )
    _one_of(table.get("kind", "trained"), KINDS, "kind", where)
    if "filter_loss" in table:
        table["filter_loss"] = _filter_loss(table["filter_loss"], where)
    variant = _section(Variant, table, where, free=("filter_loss", "training"))
    if not 0 <= variant.radius < math.inf or (variant.radius and variant.radius_from):
        raise ValueError(
            f"`radius` of {where} must be a number of pixels above 0, and without `radius_from`. "
            f"Received: radius={variant.radius}, radius_from={variant.radius_from!r}"
        )
    for name in ("learning_rate", "batch_size"):
        if not 0 <= getattr(variant, name) < math.inf:
            raise ValueError(
                f"`{name}` of {where} must be above 0 and finite, or 0 for that of [training]. "
                f"Received: {getattr(variant, name)}"
            )
    return variant


def _filter_loss(value, where):
    """A name, `"none"`, or a table: `rule`, a name to start from, and what differs from it."""
    if value == "none":
        return "none"
    if isinstance(value, str):
        return FilterLoss.parse(value)
    if not isinstance(value, dict):
        raise ValueError(f"`filter_loss` of {where} must be a name or a table. Received: {value!r}")
    value = dict(value)
    rule = value.pop("rule", "default")
    _one_of(rule, tuple(NAMED), "filter_loss.rule", where)
    base = FilterLoss.parse(rule).get_config()
    _known(value, tuple(base), f"filter_loss of {where}")
    return FilterLoss(**{**base, **value})


def _section(cls, table, where, free=()):
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table. Received: {table!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    _known(table, tuple(fields), where)
    values = {}
    for name, value in table.items():
        default = fields[name].default
        if default is dataclasses.MISSING:
            factory = fields[name].default_factory
            default = "" if factory is dataclasses.MISSING else factory()
        values[name] = value if name in free else _typed(name, value, default, where)
    return cls(**values)


def _typed(name, value, default, where):
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        raise ValueError(f"`{name}` in {where} must be a list of strings. Received: {value!r}")
    expected = type(default)
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        raise ValueError(
            f"`{name}` in {where} must be of type {expected.__name__}. Received: {value!r}"
        )
    return value


def _known(table, names, where):
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise ValueError(f"`{key}` is not known in {where}{hint} Known: {', '.join(names)}")


def _one_of(value, choices, name, where):
    if value not in choices:
        raise ValueError(
            f"`{name}` in {where} must be one of {tuple(choices)}. Received: {value!r}"
        )


def resolve(root, relative, what):
    """A path of a recipe below the data folder; it must exist and may not leave the folder."""
    root = Path(root).resolve()
    path = Path(os.path.normpath(root / relative))
    if root != path and root not in path.parents:
        raise RecipeError(f"{what} must lie below the data folder '{root}'. Received: {relative!r}")
    if not path.exists():
        raise RecipeError(
            f"{what} '{relative}' is not in the data folder '{root}'. Pass the folder that holds "
            "it with --data."
        )
    return path

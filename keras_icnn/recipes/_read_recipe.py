"""Reads recipes: TOML to the checked dataclasses of `_format`."""

from __future__ import annotations

import math
import os
import re
import tomllib
from pathlib import Path

from keras_icnn.recipes._checks import check_names, check_table, read_section
from keras_icnn.recipes._format import (
    PER_NETWORK,
    PER_VARIANT,
    Data,
    Network,
    Recipe,
    RecipeError,
    Training,
    Variant,
)
from keras_icnn.recipes._shipped import recipe_file


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Reads and checks a recipe.

    Args:
        path: TOML file, or the name of a recipe that comes with the package.

    Returns:
        A `Recipe`.

    Raises:
        RecipeError: Naming the file, the key, what was expected and what was found.

    Example:

    ```python
    recipe = icnn.recipes.read_recipe("zoo/recipes/birds.toml")
    ```
    """
    path = recipe_file(path)
    try:
        if path.stat().st_size > 1 << 20:
            raise RecipeError(f"Recipe '{path}' is larger than 1 MiB; that is no recipe.")
        text = path.read_bytes().decode("utf-8")
        _check_depth(text)
        content = tomllib.loads(text)
    except OSError as error:
        raise RecipeError(
            f"Recipe '{path}' cannot be read ({error.strerror}). Give the path of a .toml file, or "
            "the name of a shipped recipe; `keras-icnn recipes` lists them."
        ) from error
    except RecipeError:
        raise
    # Numbers of thousands of digits, and tables nested as deeply, are no TOML errors of Python's.
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"Recipe '{path}' is not valid TOML: {error}") from error
    try:
        return _recipe(content, path)
    except (TypeError, ValueError, AttributeError) as error:
        raise RecipeError(f"Recipe '{path}': {error}") from error


def _check_depth(text):
    """Refuses keys of very many parts: Python's reader needs memory as the square of the number."""
    bare = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "", text)
    # Spaces and tabs may stand around the dots.
    if any(part.count(".") > 100 for part in re.split(r"[^\w \t.-]+", bare)):
        raise ValueError("a key has more than 100 parts")


def _recipe(content, path):
    known = ("title", "seeds", "data", "network", "networks", "training", "variant")
    check_names(content, known, "the recipe")
    data = _data(content.get("data", {}))
    network = _network(content.get("network", {}))
    shared = content.get("training", {})
    training = _training(shared, "[training]", data, network)
    seeds = _seeds(content.get("seeds", [0]))
    variants = []
    for table in _tables_of_variants(content):
        variants.append(_variant(table, shared, data, network, [v.name for v in variants]))
    return Recipe(
        name=path.stem,
        path=str(path),
        title=str(content.get("title", path.stem)),
        seeds=seeds,
        data=data,
        network=network,
        training=training,
        variants=tuple(variants),
    )


# --- the tables, and what has to hold between their keys ------------------------------------------


def _seeds(seeds):
    if (
        not isinstance(seeds, list)
        or not seeds
        or not all(type(s) is int and s >= 0 for s in seeds)
        or len(set(seeds)) < len(seeds)
    ):
        raise ValueError(
            f"`seeds` must be a list of different whole numbers from 0. Received: {seeds!r}"
        )
    return tuple(seeds)


def _data(table):
    data = read_section(Data, table, "[data]")
    if data.measure_on in data.train_on:
        raise ValueError(
            f"`measure_on` in [data] must be a split that is not trained on. Received: "
            f"measure_on={data.measure_on!r}, train_on={list(data.train_on)}"
        )
    return data


def _network(table):
    network = read_section(Network, table, "[network]")
    if network.top and network.head != "pooled":
        raise ValueError(
            "`top` in [network] leaves the network's own head out; it needs head = 'pooled'. "
            f"Received: top={network.top!r}, head={network.head!r}"
        )
    if network.fixed_normalization and not network.top:
        raise ValueError(
            "`fixed_normalization` in [network] is for the network up to `top`, which is not given"
        )
    return network


def _training(table, where, data, network):
    training = read_section(Training, table, where)
    single = data.task == "single-category"
    for name in ("flip", "mirrored"):
        if getattr(training, name) and network.frozen_until:
            raise ValueError(
                f"`{name}` in {where} needs images, but `frozen_until` in [network] trains on "
                "cached features. Remove one of them."
            )
    if training.positive_share and not (0 < training.positive_share < 1 and single):
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
    if single and training.loss != "logistic":
        raise ValueError("the single-category task has one logit: `loss` must be 'logistic'")
    return training


def _variant(table, shared, data, network, earlier):
    """A variant from its table.

    Args:
        table: Of the variant.
        shared: Table `[training]`.
        data, network: Checked.
        earlier: Names of the variants listed before it.
    """
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
    if "filter_loss" in table:
        _check_rule(table["filter_loss"], where)
    if "training" in table:
        own = f"`training` of {where}"
        check_table(table["training"], own)
        check_names(table["training"], PER_VARIANT, own)
        table["training"] = _training({**shared, **table["training"]}, own, data, network)
    variant = read_section(Variant, table, where)
    if not 0 <= variant.radius < math.inf or (variant.radius and variant.radius_from):
        raise ValueError(
            f"`radius` of {where} must be a number of pixels above 0, and without `radius_from`. "
            f"Received: radius={variant.radius}, radius_from={variant.radius_from!r}"
        )
    single = data.task == "single-category"
    if variant.kind == "supervised" and not (network.frozen_until and single):
        raise ValueError(
            f"{where} is a supervised detector, which needs "
            "`frozen_until` in [network] and task = 'single-category' in [data]"
        )
    return variant


def _check_rule(said, where):
    from keras_icnn.recipes._filter_rule import filter_rule

    if said == "":
        raise ValueError(f"`filter_loss` of {where} must be a name or a table. Received: ''")
    filter_rule(said, where)


# --- one set of variants for each network ---------------------------------------------------------


def _tables_of_variants(content):
    """The tables of variants, those that name `{network}` once for each of `[networks]`."""
    variants, networks = content.get("variant", []), content.get("networks", {})
    if not isinstance(variants, list) or not variants:
        raise ValueError("at least one [[variant]] must say which network to train")
    if not isinstance(networks, dict) or not all(isinstance(n, dict) for n in networks.values()):
        raise ValueError("[networks] must hold a table for each network, [networks.NAME]")
    for name, table in networks.items():
        check_names(table, PER_NETWORK, f"[networks.{name}]")
        check_table(table.get("training", {}), f"`training` in [networks.{name}]")
    every = [table for table in variants if isinstance(table, dict) and _is_template(table)]
    if not networks:
        if every:
            raise ValueError("a [[variant]] with '{network}' needs networks, [networks.NAME]")
        return variants
    if len(every) < len(variants):
        raise ValueError(
            "with [networks], every [[variant]] must have '{network}' in its `name` and `network`"
        )
    return [_named(table, name, own) for name, own in networks.items() for table in every]


def _is_template(table):
    return all("{network}" in str(table.get(key, "")) for key in ("name", "network"))


def _named(table, network, own):
    """A variant's table for one network, with what the network's own table says."""
    named = {
        key: value.replace("{network}", network) if isinstance(value, str) else value
        for key, value in table.items()
    }
    both = (named.get("training"), own.get("training"))
    if all(isinstance(training, dict) for training in both):
        own = {**own, "training": {**both[0], **both[1]}}
    return {**named, **own}


# --- paths ----------------------------------------------------------------------------------------


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

"""Digests that tell whether a run was made of the same recipe, data, filter loss and weights."""

import dataclasses
import functools
import hashlib
import json
import os

import numpy as np


def run_content(recipe, variant):
    """What a recipe says that matters for the runs of one of its variants.

    That is data, network, training and the variant itself, without titles, names, seeds and other
    variants (a run's row names its variant and its seed). The variant that `radius_from` names
    counts by its content. A key at its default counts as not given, so that a key that is added to
    the format later changes nothing for the recipes there are.

    Args:
        recipe: `Recipe`.
        variant: One of its `Variant`s.

    Returns:
        A dict of JSON's types.
    """
    data = _given(recipe.data)
    if recipe.data.task == "single-category":
        # Each category is a run of its own, which its row names.
        data.pop("categories", None)
    return {
        "data": data,
        "network": _given(recipe.network),
        **_variant_content(recipe, variant),
    }


def _variant_content(recipe, variant):
    own = _given(variant)
    for name in ("name", "training", "filter_loss"):
        own.pop(name, None)
    rule = _rule_given(variant.filter_loss)
    if rule:
        own["filter_loss"] = rule
    if variant.radius_from:
        own["radius_from"] = _variant_content(recipe, recipe.variant(variant.radius_from))
    return {"training": _given(recipe.training_of(variant)), "variant": own}


def _given(section):
    """The keys of a section of a recipe that are not at their defaults."""
    given = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        table = field.default_factory is not dataclasses.MISSING
        if value != (field.default_factory() if table else field.default):
            given[field.name] = value
    return given


def _rule_given(said):
    """A variant's `filter_loss` as a table, however it is written."""
    table = {"rule": said} if isinstance(said, str) else said
    return {name: v for name, v in table.items() if (name, v or "default") != ("rule", "default")}


def run_digest(recipe, variant):
    """sha256 of `run_content`: comments, other variants and more seeds do not change it."""
    return _json_digest(run_content(recipe, variant))


def rule_digest(rule):
    """sha256 of a filter loss in full: what "default" stands for may change with the version.

    An option at its default counts as not given, as a key of a recipe does.

    Args:
        rule: Anything that `FilterLoss.parse` takes, None (the mask alone) included.
    """
    from keras_icnn.layers._filter_loss import FilterLoss

    rule = FilterLoss.parse(rule)
    if rule is None:
        return _json_digest("none")
    idle = FilterLoss().get_config()
    return _json_digest({k: v for k, v in rule.get_config().items() if v != idle[k]})


def _json_digest(content):
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path):
    """sha256 of a file, read again only when its size or time of change is another."""
    status = os.stat(path)
    return _file_digest(os.path.abspath(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _file_digest(path, size, changed):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_digest(splits, root):
    """sha256 of what is annotated: names, and file, label and landmarks of every image.

    Images and part masks are not read: with 11,788 images it takes a tenth of a second.

    Args:
        splits: `PartSplits`.
        root: Folder; files below it count by their names relative to it, so that a data set may
            be moved.
    """
    digest = hashlib.sha256()
    root = os.path.realpath(root) + os.sep
    for name, data in splits.items():
        head = (name, data.class_names, data.landmark_names, data.part_names, data.image_size)
        digest.update(repr(head).encode())
        digest.update(np.ascontiguousarray(data.labels, "<i4").tobytes())
        # Rounded: what is computed from a file may differ in the last bit elsewhere.
        landmarks = np.round(np.nan_to_num(data.landmarks.astype("float64"), nan=-1e6), 2)
        digest.update(np.ascontiguousarray(landmarks, "<f8").tobytes())
        for file in data.files:
            digest.update(file.removeprefix(root).encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()

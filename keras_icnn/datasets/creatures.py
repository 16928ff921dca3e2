"""Generated pictures of creatures made of parts, with exact landmarks and masks."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

from keras_icnn.datasets._creature_body import PART_NAMES, SPECIES
from keras_icnn.datasets._creature_scene import Scene
from keras_icnn.datasets._files import checked_size
from keras_icnn.datasets._part_dataset import PartDataset, PartSplits

_BACKGROUND = "background"


def creatures(
    n_train: int = 3000,
    n_validation: int = 400,
    n_test: int = 400,
    image_size: Sequence[int] = (64, 64),
    seed: int = 0,
    species: Sequence[str] | None = None,
    scale: Sequence[float] = (0.3, 0.46),
) -> PartSplits:
    """Generates pictures of creatures: a data set with parts that needs no files.

    Class 0, `"background"`, shows clutter, often with a body that has legs but no head. The others
    are species that differ in their heads, coats, tails and proportions, seen from the side in
    varying pose, scale, place, direction, colour and light. Fur and ground have the same colours
    in every class, so colours alone tell nothing. Every creature has the landmarks and the part
    masks `"head"`, `"torso"`, `"legs"` and `"tail"`. A landmark is the centre of its part as it was
    composed (the skull's, without ears or horns), always in the picture; a mask is what of the
    part can be seen.

    A picture is drawn when it is asked for and depends on `seed`, its split and its position
    only: a larger data set begins with the smaller one. Classes are equally frequent.

    Args:
        n_train, n_validation, n_test: Pictures a split; 0: no such split.
        image_size: `(height, width)` in pixels, at least 32.
        seed: Non-negative integer.
        species: List of species, in the order of their classes 1, 2, ...; `None`: all, which
            are cat, deer, elephant, fox, hare and ram. One species makes the single-category
            task, `species=["fox"]`.
        scale: `(smallest, largest)` length of the torso, as shares of the picture's shorter side.
            From about 0.5 a creature fills its picture, as object crops by bounding box do.

    Returns:
        `PartSplits` with `.train`, `.validation` and `.test`.

    Raises:
        ValueError: For a wrong argument.
    """
    size = checked_size(image_size)
    if min(size) < 32:
        raise ValueError(
            "`image_size` must be at least 32 pixels each way, or parts vanish. Received: "
            f"image_size={image_size!r}. Use (64, 64)."
        )
    counts = {"n_train": n_train, "n_validation": n_validation, "n_test": n_test}
    for name, n in counts.items():
        _check_count(name, n)
    _check_count("seed", seed)
    if not any(counts.values()):
        raise ValueError(f"One of {list(counts)} must be above 0. Received: all 0. Ask for some.")
    species = _checked_species(species)
    scale = _checked_scale(scale)
    splits = {}
    for number, (name, n) in enumerate(counts.items()):
        if n:
            splits[name.removeprefix("n_")] = _dataset((seed, number), n, size, species, scale)
    return PartSplits(**splits, note="Ask `creatures` for more than 0 pictures of it.")


def _dataset(key, n, size, species, scale):
    labels = _labels(key, n, len(species) + 1)

    def scene(i):
        kind = species[labels[i] - 1] if labels[i] else None
        return Scene(np.random.default_rng([*key, 0, i]), kind, size, scale)

    split = ("train", "validation", "test")[key[1]]
    return PartDataset(
        image=lambda i: scene(i).draw(),
        parts=lambda i: scene(i).masks(),
        labels=labels,
        landmarks=np.array([scene(i).landmarks for i in range(n)]),
        files=[f"creature-{key[0]}-{split}-{i}" for i in range(n)],
        class_names=[_BACKGROUND, *species],
        landmark_names=PART_NAMES,
        part_names=PART_NAMES,
        image_size=size,
    )


def _labels(key, n, classes):
    # Every run of `classes` pictures holds each class once, in an order of its own: balanced
    # whatever `n` is, and without a period that a stride could fall in step with.
    rng = np.random.default_rng([*key, 1])
    runs = [rng.permutation(classes) for _ in range(-(-n // classes))]
    return np.concatenate(runs)[:n]


def _check_count(name, value):
    try:
        if operator.index(value) >= 0:
            return
    except TypeError:
        pass
    raise ValueError(
        f"`{name}` must be a non-negative integer. Received: {name}={value!r}. Choose one, such "
        "as 0."
    )


def _checked_species(species):
    if species is None:
        return list(SPECIES)
    known = isinstance(species, list | tuple) and all(s in SPECIES for s in species)
    if not known or not species or len(set(species)) < len(species):
        raise ValueError(
            f"`species` must be a list of different species. Received: species={species!r}. "
            f"Choose from {list(SPECIES)}."
        )
    return list(species)


def _checked_scale(scale):
    try:
        smallest, largest = (float(s) for s in scale)
    except (TypeError, ValueError):
        smallest = largest = 0.0
    if not 0.05 <= smallest <= largest <= 1:
        raise ValueError(
            "`scale` must be two lengths, the smaller first, from 0.05 to 1. Received: "
            f"scale={scale!r}. Use (0.3, 0.46)."
        )
    return smallest, largest

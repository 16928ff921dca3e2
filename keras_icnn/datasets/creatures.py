"""Generated images of creatures made of parts, with exact landmarks and masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._creature_body import PART_NAMES, SPECIES
from keras_icnn.datasets._creature_scene import Scene
from keras_icnn.datasets._image_files import checked_size
from keras_icnn.datasets._part_dataset import PartDataset
from keras_icnn.datasets._part_splits import PartSplits
from keras_icnn.datasets._readers import register

_BACKGROUND = "background"


@register()
def creatures(
    n_train: int = 3000,
    n_validation: int = 400,
    n_test: int = 400,
    image_size: Sequence[int] = (64, 64),
    seed: int = 0,
    species: Sequence[str] | None = None,
    scale: Sequence[float] = (0.3, 0.46),
) -> PartSplits:
    """Generates images of creatures: a data set with parts that needs no files.

    Class 0, `"background"`, shows clutter, often with a body that has legs but no head. The others
    are species that differ in their heads, coats, tails and proportions, seen from the side in
    varying pose, scale, place, direction, color and light. Fur and ground have the same colors
    in every class, so colors alone tell nothing. Every creature has the landmarks and the part
    masks `"head"`, `"torso"`, `"legs"` and `"tail"`. A landmark is the center of its part as it was
    composed (the skull's, without ears or horns), always in the image; a mask is what of the
    part can be seen.

    An image is drawn when it is asked for and depends on `seed`, its split and its position
    only: a larger data set begins with the smaller one. Classes are equally frequent.

    Args:
        n_train, n_validation, n_test: Images a split; 0: no such split.
        image_size: `(height, width)` in pixels, at least 32.
        seed: Non-negative integer.
        species: List of species, in the order of their classes 1, 2, ...; `None`: all, which
            are cat, deer, elephant, fox, hare and ram. One species makes the single-category
            task, `species=["fox"]`.
        scale: `(smallest, largest)` length of the torso, as shares of the image's shorter side.
            From about 0.5 a creature fills its image, as object crops by bounding box do.

    Returns:
        `PartSplits` with `.train`, `.validation` and `.test`.

    Raises:
        ValueError: For a wrong argument.
    """
    size = checked_size(image_size, "creatures", at_least=32)
    counts = {"n_train": n_train, "n_validation": n_validation, "n_test": n_test}
    counts = {
        name: check.whole_number(n, name, "creatures", at_least=0) for name, n in counts.items()
    }
    seed = check.whole_number(seed, "seed", "creatures", at_least=0)
    if not any(counts.values()):
        raise ValueError(f"One of {list(counts)} must be above 0. Received: all 0. Ask for some.")
    species = check.names(species, "species", "creatures", among=SPECIES, optional=True)
    species = list(SPECIES) if species is None else species
    scale = _checked_scale(scale)
    splits = {}
    for number, (name, n) in enumerate(counts.items()):
        if n:
            splits[name.removeprefix("n_")] = _dataset((seed, number), n, size, species, scale)
    return PartSplits(**splits, note="Ask `creatures` for more than 0 images of it.")


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
    # Every run of `classes` images holds each class once, in an order of its own: balanced
    # whatever `n` is, and without a period that a stride could fall in step with.
    rng = np.random.default_rng([*key, 1])
    runs = [rng.permutation(classes) for _ in range(-(-n // classes))]
    return np.concatenate(runs)[:n]


def _checked_scale(scale):
    try:
        smallest, largest = (float(s) for s in scale)
    except (TypeError, ValueError):
        smallest = largest = 0.0
    if not 0.05 <= smallest <= largest <= 1:
        expectation = "two lengths, the smaller first, from 0.05 to 1"
        check.refuse(scale, "scale", "creatures", expectation, "Use (0.3, 0.46).")
    return smallest, largest

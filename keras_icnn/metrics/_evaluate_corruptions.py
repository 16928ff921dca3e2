"""Accuracy and part tracking of a network on corrupted images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.metrics._accuracy import accuracy
from keras_icnn.metrics._diversity import alive
from keras_icnn.metrics._image_changes import CORRUPTIONS, corrupted
from keras_icnn.metrics._measured_classes import find_background
from keras_icnn.metrics._model_classes import in_model_classes
from keras_icnn.metrics._part_tracking import part_tracking
from keras_icnn.models._map_reading import MapReader, peaks_of
from keras_icnn.models._output_meaning import output_meaning, settled
from keras_icnn.models._receptive_field import receptive_field

if TYPE_CHECKING:
    import keras

# A filter with a higher R2 on clean images follows its part.
_FOLLOWS = 0.5


def evaluate_corruptions(
    model: keras.Model,
    dataset: Any,
    layer: keras.layers.Layer | str | None = None,
    *,
    kinds: Sequence[str] = CORRUPTIONS,
    strengths: Sequence[int] = (1, 2, 3),
    preprocess: Callable[[np.ndarray], Any] | None = None,
    batch_size: int = 32,
    from_logits: bool | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Measures a network on clean images, and on the same images with common corruptions.

    The filters that count are chosen on the clean images: those that follow a part (R2 above one
    half for their best landmark). On corrupted images they are asked for the same landmark. Images
    of the background count for accuracy only.

    Args:
        model: functional or sequential Keras model, channels last.
        dataset: images of one size, in any form that `evaluate` takes; use held-out ones. Without
            landmarks no filter counts as following a part.
        layer: as in `measured_layer`.
        kinds, strengths: as in `corrupt`.
        preprocess: function applied to each batch of images (float32, 0 to 255).
        batch_size: images per forward pass.
        from_logits: as in `evaluate`.
        seed: of the noise.

    Returns:
        List of dicts, clean images first: `kind` ("clean" or a corruption), `strength` (0: clean),
        `accuracy`, `balanced_accuracy`, `following` (number of filters that follow a part on clean
        images), `r2` (mean of these filters, at least -1 each; NaN where there are none), `moved`
        (mean distance of all filters' peaks from where they were on the clean image, as a share of
        the diagonal, where they fire on both).

    Raises:
        ValueError: for an unknown kind or strength; for a single output that may be a logit or a
            probability.
    """
    where = "evaluate_corruptions"
    kinds = check.names(kinds, "kinds", where, among=CORRUPTIONS, at_least=0)
    strengths = [
        check.whole_number(s, "strengths", where, at_least=1, at_most=3) for s in strengths
    ]
    dataset = as_part_dataset(dataset, model, where)
    reader = MapReader(model, layer, batch_size)
    dataset = in_model_classes(model, dataset, reader.layer)
    field = receptive_field(model, reader.layer, input_size=dataset.image_size)
    clean = _read(reader, dataset, field.centers, preprocess)
    if from_logits is None:
        from_logits = _gives_logits(model, clean[2])
    mine = dataset.labels != find_background(dataset.class_names)
    found = _tracking(clean, dataset, mine)
    with np.errstate(invalid="ignore"):
        follows = (found.best_r2 > _FOLLOWS) & alive(clean[1][mine])[0]
    rows = []
    changes = [("clean", 0), *((kind, s) for kind in kinds for s in strengths)]
    for kind, strength in changes:
        if kind == "clean":
            here = clean
        else:
            changed = corrupted(dataset, kind, strength, seed)
            here = _read(reader, changed, field.centers, preprocess)
        peaks, heights, predictions = here
        plain, balanced = accuracy(predictions, dataset.labels, from_logits=from_logits)
        r2 = _tracking(here, dataset, mine).r2[follows, found.r2_landmark[follows]]
        r2 = np.maximum(np.nan_to_num(r2, nan=-1.0), -1.0)
        both = (clean[1] > 0) & (heights > 0) & mine[:, None]
        away = np.hypot(*np.moveaxis(peaks - clean[0], -1, 0)) / np.hypot(*dataset.image_size)
        rows.append(
            {
                "kind": kind,
                "strength": strength,
                "accuracy": plain,
                "balanced_accuracy": balanced,
                "following": int(follows.sum()),
                "r2": float(r2.mean()) if len(r2) else float("nan"),
                "moved": float(away[both].mean()) if both.any() else float("nan"),
            }
        )
    return rows


def _gives_logits(model, predictions):
    """Whether the output is a logit, by the graph, else by predictions of images."""
    meaning = output_meaning(model)
    if meaning.kind == "unknown" and model.outputs[0].shape[-1] == 1:
        meaning = settled(model, meaning, values=predictions)
    return meaning.kind == "linear"


def _read(reader, dataset, centers, preprocess):
    """(peaks, heights, predictions) of all images."""
    parts = []
    batches = dataset.batches(reader.batch_size)
    for number in range(len(batches)):
        images = batches[number][0]
        maps, predictions = reader(images if preprocess is None else preprocess(images))
        parts.append((*peaks_of(np.maximum(maps, 0), centers), predictions))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _tracking(here, dataset, mine):
    return part_tracking(
        here[0][mine], dataset.landmarks[mine], here[1][mine], image_size=dataset.image_size
    )

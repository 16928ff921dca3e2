"""Faithfulness of explanations: by parts, beside saliency maps and trivial baselines."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.datasets._as_part_dataset import as_part_dataset
from keras_icnn.explanations._classes import probabilities
from keras_icnn.explanations._explain import Explainer
from keras_icnn.explanations._faithfulness_report import FaithfulnessReport
from keras_icnn.explanations._part_map import part_map, strongest_point
from keras_icnn.explanations._saliency import SaliencyMaps, baseline_image
from keras_icnn.metrics import (
    cell_order,
    curve_images,
    curves_of,
    find_background,
    finer_order,
    greedy_order,
    highest_point,
    jpeg,
    map_agreement,
    occlusion_drop,
    occlusion_images,
    occlusion_radius,
    pointing_game,
    shifted,
)
from keras_icnn.metrics._model_classes import in_model_classes

if TYPE_CHECKING:
    import keras

    from keras_icnn.datasets import PartDataset

METHODS = ("parts", "part maps", "grad-cam", "occlusion", "integrated gradients")
_BASES = ("blur", "mean")
_CELLS, _COARSE = 14, 7


def evaluate_faithfulness(
    model: keras.Model,
    dataset: PartDataset,
    layer: keras.layers.Layer | str | None = None,
    *,
    reference: PartDataset | None = None,
    methods: Sequence[str] = METHODS,
    extra: dict[str, Callable[[np.ndarray, int], np.ndarray]] | None = None,
    radius: float | None = None,
    images: int = 30,
    steps: int = 7,
    upper_bound: int = 5,
    sensitivity: int = 10,
    preprocess: Callable[[np.ndarray], Any] | None = None,
    batch_size: int = 32,
    from_logits: bool | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> FaithfulnessReport:
    """Measures whether explanations show what the network looks at.

    Every method gives a map of the image; trivial baselines (`random`, `center`, a `Gaussian` in
    the middle of the image, and `edges`, the size of the image's own gradient) and an upper bound
    stand beside them. Images of the background class are left out; the class explained is the
    image's label. One image is in memory at a time.

    Occlusion hides 7 x 7 squares, one at a time; integrated gradients take 16 steps from black.

    The figures of the report:

    - `deletion_*`, `insertion_*`: area below the curve of the class's probability while cells are
      replaced by a blur or the mean color, or restored (`icnn.metrics.deletion_insertion`).
    - `advantage_*`: the same of the logit, insertion minus deletion.
    - `points_any`, `points_NAME`: whether the most salient place lies in an annotated part's box.
    - `agreement_*`: rank correlation with the map of the image that is moved by a pixel, noisy, or
      saved as JPEG of quality 50. `moved_*`: how far the place moves, as a share of the diagonal.
    - `incomplete`: share of the score that the effects do not add up to.
    - `seconds`: processor time per explanation.

    Args:
        model: functional or sequential Keras model, channels last, that classifies.
        dataset: `PartDataset` of one image size; use held-out images.
        layer: as in `icnn.explain`.
        reference: `PartDataset` of other held-out images, as in `icnn.explain`.
        methods: which of "parts" (each effect at its part's one place, as it is drawn), "part maps"
            (unit by unit), "grad-cam", "occlusion" and "integrated gradients".
        extra: more methods by name: functions of (image `[height, width, 3]`, class) that give a
            map `[height, width]`.
        radius: pixels of the measured receptive field; None: `icnn.metrics.occlusion_radius`.
        images: how many, the first of the data set that are not background.
        steps: number of steps of the deletion and insertion curves, on 14 x 14 cells.
        upper_bound: number of images for which the best order is sought greedily, on 7 x 7 cells;
            about 250 forward passes per image and way to hide.
        sensitivity: number of images whose changed copies are explained, too.
        preprocess, batch_size, from_logits: as in `icnn.explain`.
        seed: of noise and of the random map.
        verbose: 1 shows a progress bar.

    Returns:
        `FaithfulnessReport`.

    Raises:
        ValueError: for an unknown method, or a data set without an image of a category.
    """
    where = "evaluate_faithfulness"
    methods = check.names(methods, "methods", where, among=METHODS, at_least=0)
    check.whole_number(images, "images", where, at_least=1)
    check.positive(radius, "radius", where, optional=True)
    dataset = in_model_classes(model, as_part_dataset(dataset, model, where))
    chosen = np.flatnonzero(dataset.labels != find_background(dataset.class_names))[:images]
    if not len(chosen):
        raise ValueError(
            f"Argument `dataset` of {where} must hold images of a category. Received: none besides "
            "the background"
        )
    options = {"preprocess": preprocess, "batch_size": batch_size, "from_logits": from_logits}
    measure = _Measure(model, layer, reference, options, steps, seed)
    measure.radius = measure.measured_radius(dataset, preprocess) if radius is None else radius
    functions = measure.functions(methods, extra or {})
    if verbose:
        from tqdm import tqdm

        chosen = tqdm(chosen, desc="faithfulness", unit="image")
    for number, i in enumerate(chosen):
        measure.image(
            dataset[int(i)],
            dataset.part_names,
            functions,
            number < upper_bound,
            number < sensitivity,
        )
    return measure.report(dataset.part_names)


class _Measure:
    """What is measured, image by image."""

    def __init__(self, model, layer, reference, options, steps, seed):
        self.explainer = Explainer(model, layer=layer, reference=reference, **options)
        self.maps = SaliencyMaps(model, layer, **options)
        self.steps, self.seed, self.radius = steps, seed, None
        self.rows, self.outside, self.warned = [], [], []
        self.hidden = {}

    def measured_radius(self, dataset, preprocess):
        images = occlusion_images(dataset, input_size=dataset.image_size)
        if preprocess is not None:
            images = np.asarray(preprocess(images))
        return occlusion_radius(self.maps.split.model, self.explainer.layer, images)

    def functions(self, methods, extra):
        """Functions of (image, class) that give (map, point or None, incompleteness)."""

        def plain(function):
            return lambda image, target: (function(image, target), None, math.nan)

        known = {
            "parts": lambda image, target: self._parts(image, target, "part"),
            "part maps": lambda image, target: self._parts(image, target, "unit"),
            "grad-cam": plain(self.maps.grad_cam),
            "occlusion": plain(self._occlusion),
            "integrated gradients": self._integrated,
        }
        trivial = {"random": self._random, "center": _center, "edges": _edges}
        return {
            **{name: known[name] for name in methods},
            **{name: plain(function) for name, function in extra.items()},
            **{name: plain(function) for name, function in trivial.items()},
        }

    def _parts(self, image, target, each):
        explanation = self.explainer(image, target)
        left = abs(explanation.remainder)
        whole = abs(explanation.logit - explanation.baseline)
        missing = left / whole if whole > 0 else math.nan
        point = strongest_point(explanation) if each == "part" else None
        return part_map(explanation, self.radius, each=each), point, missing

    def _occlusion(self, image, target):
        patch = max(min(image.shape[:2]) // 7, 1)
        return self.maps.occlusion(image, target, patch=patch, stride=patch)

    def _integrated(self, image, target):
        found = self.maps.integrated_gradients(image, target)
        weights = self.maps.weights(image, target)
        ends = np.stack([baseline_image(image, "black"), np.asarray(image, "float32")])
        nothing, whole = self.maps.scores(ends, weights)
        missing = abs(found.sum() - (whole - nothing))
        return found, None, missing / abs(whole - nothing) if whole != nothing else math.nan

    def _random(self, image, target):
        # One draw an image, whatever is done to it: from its size and the seed alone.
        draw = np.random.default_rng((self.seed, zlib.crc32(np.asarray(image).tobytes())))
        return draw.random(image.shape[:2])

    # --- one image ------------------------------------------------------------------------------

    def image(self, sample, part_names, functions, upper_bound, sensitivity):
        """Adds one image."""
        image, target = sample.image, int(sample.label)
        bases = {kind: baseline_image(image, kind) for kind in _BASES}
        any_part = sample.parts.any(axis=0)
        rows, orders = [], []
        for name, function in functions.items():
            started = time.process_time()
            saliency, point, missing = function(image, target)
            row = {"file": sample.file, "method": name, "seconds": time.process_time() - started}
            point = highest_point(saliency) if point is None else point
            orders.append(cell_order(saliency, _CELLS, self.seed))
            row["points_any"] = float(pointing_game(point[None], any_part[None])[0])
            for part, mask in zip(part_names, sample.parts, strict=True):
                row[f"points_{part}"] = float(pointing_game(point[None], mask[None])[0])
            row["incomplete"] = missing
            if sensitivity:
                row |= self._sensitivity(image, target, function, saliency, point)
            rows.append(row)
        for kind, base in bases.items():
            for row, figures in zip(rows, self._curves(image, base, orders, target), strict=True):
                row |= {f"{name}_{kind}": value for name, value in figures.items()}
        self.rows += rows
        if upper_bound:
            row = {"file": sample.file, "method": "upper bound"}
            for kind, base in bases.items():
                row |= self._bound(image, base, target, kind)
            self.rows.append(row)
        self._hide(sample, part_names, bases["blur"])
        explanation = self.explainer(image, target)
        self.outside.append(explanation.outside_share)
        self.warned.append(float(bool(explanation.warnings)))

    def _scores(self, images, target):
        """(probabilities, scores) of the class, each `[n]`."""
        logits = self.maps.logits(images)
        weights = self.maps.classes.asked(logits[0], target, None)[2]
        kind = "sigmoid" if logits.shape[1] == 1 else "softmax"
        chances = np.stack([probabilities(row, kind) for row in logits])
        if logits.shape[1] == 1:
            chance = chances[:, 0] if target == 1 else 1 - chances[:, 0]
        else:
            chance = chances[:, target]
        return chance, logits @ weights

    def _curves(self, image, base, orders, target):
        """The figures of several orders, from one run of forward passes."""
        shown = [curve_images(image, base, order, steps=self.steps) for order in orders]
        shares, steps = shown[0][0], self.steps
        # Both ends are the same for every order.
        inner = np.r_[1:steps, steps + 1 : 2 * steps]
        batch = np.concatenate([shown[0][1][[0, steps]], *(images[inner] for _, images in shown)])
        found = []
        chance, score = self._scores(batch, target)
        for rows in np.split(np.arange(2, len(batch)), len(orders)):
            rows = np.r_[0, rows[: steps - 1], 1, rows[steps - 1 :]]
            chances, scores = (curves_of(shares, s[rows]) for s in (chance, score))
            found.append(
                {
                    "deletion": chances.deletion_area,
                    "insertion": chances.insertion_area,
                    "advantage": scores.advantage,
                }
            )
        return found

    def _bound(self, image, base, target, kind):
        """The figures of greedy orders, one for each curve."""

        def score(images):
            return self._scores(images, target)[1]

        found = {}
        for name in ("deletion", "insertion"):
            insertion = name == "insertion"
            order = greedy_order(score, image, base, cells=_COARSE, steps=4, insertion=insertion)
            order = finer_order(order, _CELLS // _COARSE)
            shares, images = curve_images(image, base, order, steps=self.steps)
            found[name] = [curves_of(shares, s) for s in self._scores(images, target)]
        deletion, insertion = found["deletion"], found["insertion"]
        whole, nothing = deletion[1].deletion[0], deletion[1].deletion[-1]
        gap = insertion[1].insertion_area - deletion[1].deletion_area
        return {
            f"deletion_{kind}": deletion[0].deletion_area,
            f"insertion_{kind}": insertion[0].insertion_area,
            f"advantage_{kind}": gap / (whole - nothing) if whole > nothing else math.nan,
        }

    def _sensitivity(self, image, target, function, saliency, point):
        noise = np.random.default_rng(self.seed).normal(0, 2.55, image.shape)
        noisy = np.clip(np.rint(image + noise), 0, 255).astype("uint8")
        changes = {"shift": shifted(image, 1, 1), "jpeg": jpeg(image, 50), "noise": noisy}
        diagonal, row = float(np.hypot(*image.shape[:2])), {}
        for name, changed in changes.items():
            found, place, _ = function(changed, target)
            place = highest_point(found) if place is None else place
            if name == "shift":
                found, place = shifted(found, -1, -1), place - 1
            row[f"agreement_{name}"] = map_agreement(saliency, found)
            row[f"moved_{name}"] = float(np.hypot(*(place - point))) / diagonal
        return row

    # --- hiding annotated parts -----------------------------------------------------------------

    def _hide(self, sample, part_names, base):
        """Records what filters lose when each part's box is hidden."""
        parts = [k for k, mask in enumerate(sample.parts) if mask.any()]
        if not parts:
            return
        masks = sample.parts[parts]
        hidden = np.where(masks[..., None], base[None], sample.image[None])
        images = np.concatenate([sample.image[None].astype("float32"), hidden])
        peaks, strengths = self.explainer.peaks(images)
        for number, k in enumerate(parts):
            x, y = np.rint(peaks[0]).astype(int).T
            height, width = masks[number].shape
            inside = masks[number][np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
            rows = self.hidden.setdefault(part_names[k], [])
            rows.append((strengths[0], strengths[number + 1], inside))

    def _named(self, part):
        """bool `[filters]`: those of the groups that are named after a part."""
        named = np.zeros(self.explainer.split.filters, bool)
        groups = self.explainer.groups
        if groups is not None:
            for group, name in zip(groups.groups, groups.names, strict=True):
                named[list(group)] = name == part
        return named

    def report(self, part_names):
        """The `FaithfulnessReport` of all images so far."""
        drops, named = {}, {}
        for part in part_names:
            if part in self.hidden:
                before, after, inside = map(np.stack, zip(*self.hidden[part], strict=True))
                drops[part] = occlusion_drop(before, after, inside)
                named[part] = occlusion_drop(before, after, self._named(part))
        return FaithfulnessReport(
            self.rows,
            drops,
            named,
            float(np.nanmean(self.outside)),
            float(np.mean(self.warned)),
            float(self.radius),
        )


def _center(image, target):
    """A hill in the middle of the image."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    return -np.hypot((y - (height - 1) / 2) / height, (x - (width - 1) / 2) / width)


def _edges(image, target):
    """The size of the gradient of the image's mean channel: what has an outline."""
    gray = np.asarray(image, "float64").mean(axis=-1)
    return np.hypot(*np.gradient(gray))

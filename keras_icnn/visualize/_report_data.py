"""What the HTML report shows of a network, gathered in one forward pass and packed for the page.

Kept per image and filter: the peak's unit and how strong it is, which is enough to draw a ring
anywhere. Maps are kept for each filter's strongest images only, in 16 steps.
"""

import base64

import numpy as np

# More units than this are pooled before a map is kept: the page shows where, not how.
_CELLS = 256
_STEPS = 15
_PARTS = 8
# A filter fires where it reaches this share of its highest peak.
_FIRES = 0.1
# With fewer images a distance is not called steady.
_FEWEST = 5


class Recorder:
    """A `MapReader` that remembers what the page shows of the maps that pass through it.

    Args:
        reader: the `MapReader`; its maps must come in the data set's order.
        shown: int [images], the positions of the images on the page, ascending.
        top: how many of its strongest images each filter keeps maps of.
    """

    def __init__(self, reader, shown, top):
        self._reader = reader
        self._shown = np.asarray(shown)
        self._next = self._seen = 0
        self.top = top
        self.units = self.strengths = None

    @property
    def model(self):
        return self._reader.model

    @property
    def predicts(self):
        return self._reader.predicts

    @property
    def layer(self):
        return self._reader.layer

    @property
    def batch_size(self):
        return self._reader.batch_size

    def __call__(self, images):
        maps, predictions = self._reader(images)
        stop = self._seen + len(maps)
        end = int(np.searchsorted(self._shown, stop))
        rows = self._shown[self._next : end] - self._seen
        if len(rows):
            self._record(np.maximum(maps[rows], 0), np.arange(self._next, end))
        self._next, self._seen = end, stop
        return maps, predictions

    def _record(self, maps, numbers):
        n, height, width, filters = maps.shape
        if self.units is None:
            self.grid = (height, width)
            self.units = np.zeros((len(self._shown), filters), "uint16")
            self.strengths = np.zeros((len(self._shown), filters), "float32")
            self._top = np.full((filters, 0), -1)
            self._top_strength = np.zeros((filters, 0), "float32")
            self._top_maps = None
        flat = maps.reshape(n, -1, filters)
        unit = flat.argmax(axis=1)
        strength = np.take_along_axis(flat, unit[:, None], axis=1)[:, 0]
        self.units[numbers], self.strengths[numbers] = unit, strength
        cells = _steps(_pooled(maps), strength)
        if self._top_maps is None:
            self._top_maps = np.zeros((filters, 0, cells.shape[-1]), "uint8")
        index = np.concatenate([self._top, np.repeat(numbers[None], filters, axis=0)], axis=1)
        values = np.concatenate([self._top_strength, strength.T], axis=1)
        kept = np.concatenate([self._top_maps, cells], axis=1)
        # Stable, so that of equal images the first one stays.
        order = np.argsort(-values, axis=1, kind="stable")[:, : self.top]
        self._top = np.take_along_axis(index, order, axis=1)
        self._top_strength = np.take_along_axis(values, order, axis=1)
        self._top_maps = np.take_along_axis(kept, order[..., None], axis=1)

    def firing(self):
        """Which filters fire on which images: bool `[images, filters]`.

        As elsewhere, a tenth of the filter's highest peak counts as firing.
        """
        highest = self.strengths.max(axis=0)
        return (self.strengths > 0) & (self.strengths >= _FIRES * highest)

    def peaks(self, field):
        """Each filter's peak on each image, (x, y) pixels: float `[images, filters, 2]`."""
        return field.centers.reshape(-1, 2)[self.units]

    def packed(self, field):
        """What the page needs, as plain values; arrays are base64.

        Args:
            field: `ReceptiveField` of the layer.
        """
        height, width = self.grid
        size_y, size_x = field.image_size
        step = _pooling(height, width)
        x, y = field.centers[0, :, 0], field.centers[:, 0, 1]
        jump_y, jump_x = field.stride
        rows, columns = -(-height // step), -(-width // step)
        highest = self.strengths.max(axis=0)
        scaled = self.strengths / np.where(highest > 0, highest, 1)
        # 0 is silence and nothing else.
        share = np.where(self.strengths > 0, np.clip(np.ceil(scaled * 255), 1, 255), 0)
        top = np.where(self._top_strength > 0, self._top, -1)
        return {
            "filters": len(highest),
            # Places as shares of the image's width and height.
            "x": _shares(x, size_x),
            "y": _shares(y, size_y),
            "cells": {
                "rows": rows,
                "columns": columns,
                "left": float((x[0] + 0.5 - jump_x / 2) / size_x),
                "top": float((y[0] + 0.5 - jump_y / 2) / size_y),
                "width": float(columns * step * jump_x / size_x),
                "height": float(rows * step * jump_y / size_y),
            },
            "highest": [_short(v) for v in highest],
            "units": _base64(self.units.astype("<u2")),
            "strengths": _base64(share.astype("uint8")),
            "top": top.tolist(),
            "maps": _base64(_nibbles(self._top_maps)),
        }


def _shares(places, size):
    return [round(float((p + 0.5) / size), 5) for p in places]


def _pooling(height, width):
    return max(1, int(np.ceil(np.sqrt(height * width / _CELLS))))


def _pooled(maps):
    """Maps [n, h, w, filters], their highest units within blocks where there are many units."""
    step = _pooling(*maps.shape[1:3])
    if step == 1:
        return maps
    n, height, width, filters = maps.shape
    maps = np.pad(maps, ((0, 0), (0, -height % step), (0, -width % step), (0, 0)))
    rows, columns = maps.shape[1] // step, maps.shape[2] // step
    return maps.reshape(n, rows, step, columns, step, filters).max(axis=(2, 4))


def _steps(maps, highest):
    """uint8 [filters, n, cells], 0 to 15: each map as a share of its own peak."""
    share = maps / np.where(highest > 0, highest, 1)[:, None, None]
    steps = np.round(share * _STEPS).astype("uint8")
    return steps.reshape(len(maps), -1, maps.shape[-1]).transpose(2, 0, 1)


def _nibbles(steps):
    """Two cells a byte, each map beginning with a new one."""
    steps = np.pad(steps, ((0, 0), (0, 0), (0, steps.shape[-1] % 2)))
    return (steps[..., ::2] << 4) | steps[..., 1::2]


def _base64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _short(value):
    """A float of four digits that JSON can hold; None where there is none."""
    value = float(value)
    return float(f"{value:.4g}") if np.isfinite(value) else None


def filter_columns(report):
    """The per-filter table of an `EvaluationReport` as the page uses it, column by column."""
    columns = {"category": [str(name) for name in report.filters["category"]]}
    columns["alive"] = [bool(value) for value in report.filters["alive"]]
    shown = ("fired", "mean_peak", "instability", "r2", "r2_strongest", "r2_facing", "anatomy")
    for name in shown:
        columns[name] = [_short(value) for value in report.filters[name]]
    columns["landmark"] = [str(name) for name in report.filters["r2_landmark"]]
    if "part_interpretability" in report.filters:
        columns["parts"] = [_short(v) for v in report.filters["part_interpretability"]]
    return columns


def steady_distances(peaks, firing, landmarks, followed, counted, size):
    """How far beside its annotated part each filter fires, on average.

    R2 says how much of a part's movement a peak follows; a filter that always fires 20 pixels to
    the right of the head follows it as well as one that fires on it. This is where the part is,
    seen from the peak.

    Args:
        peaks: float `[images, filters, 2]`, (x, y) pixels.
        firing: bool `[images, filters]`.
        landmarks: float `[images, landmarks, 2]`, NaN where absent.
        followed: int `[filters]`, the landmark that each filter follows, -1: none.
        counted: bool `[images, filters]`, the images of each filter's category.
        size: (height, width) of the images.

    Returns:
        List `[filters]` of [x, y] as shares of width and height, from the peak to the part; None
        for a filter that follows none, or fires on too few images with it.
    """
    result = []
    for f, k in enumerate(followed):
        rows = firing[:, f] & counted[:, f]
        away = landmarks[rows, k] - peaks[rows, f] if k >= 0 else np.empty((0, 2))
        away = away[np.isfinite(away).all(axis=-1)]
        steady = away.mean(axis=0) / (size[1], size[0]) if len(away) >= _FEWEST else None
        result.append(None if steady is None else [_short(v) for v in steady])
    return result


def effects_of_categories(found, keys):
    """What the parts do for their categories, as the page uses it.

    Args:
        found: `CategoryEffects`.
        keys: list of str, the key of each group of filters.

    Returns:
        List of dicts, one a part; `group` is its place in `keys`.
    """
    numbers = ("mean", "spread", "supports", "accuracy", "accuracy_without", "others")
    return [
        {
            "group": keys.index(part.key),
            "category": part.category,
            "images": part.images,
            **{name: _short(getattr(part, name)) for name in (*numbers, "others_without")},
        }
        for part in found.parts
    ]


def explanations(explainer, dataset, size, batch_size, progress=iter):
    """Why the network decided as it did, for every image: one entry an image.

    Args:
        explainer: `Explainer`.
        dataset: the `PartDataset` of the images on the page.
        size: (height, width) of the images.
        batch_size: images per pass.
        progress: wraps the range of batches.
    """
    result = []
    for start in progress(range(0, len(dataset), batch_size)):
        batch = range(start, min(start + batch_size, len(dataset)))
        images = np.stack([dataset.image(i) for i in batch])
        of = {group: number for number, group in enumerate(explainer.groups.groups)}
        result += [_explanation(e, size, of) for e in explainer.batch(images)]
    return result


def _explanation(e, size, of):
    shown, rest = e.parts[:_PARTS], e.parts[_PARTS:]
    return {
        "predicted": int(e.prediction),
        "probability": _probability(e),
        "score": _short(e.logit),
        "baseline": _short(e.baseline),
        "remainder": _short(e.remainder),
        "parts": [_part(part, e, size, of) for part in shown],
        # In the words of the explanation, where it has doubts of its own.
        "warnings": [str(text) for text in getattr(e, "warnings", ())],
        "others": {"count": len(rest), "effect": _short(sum(part.effect for part in rest))},
    }


def _part(part, e, size, of):
    # The filter that stands for the part: its peak is marked, and a press leads to it.
    lead = int(max(part.filters, key=lambda f: abs(e.effects[f])))
    x, y = e.peaks[lead] if e.strengths[lead] > 0 else (np.nan, np.nan)
    return {
        "group": of[part.filters],
        "category": part.category or "",
        "count": int(part.count),
        "lead": lead,
        "effect": _short(part.effect),
        # None: nowhere above zero.
        "x": _short((x + 0.5) / size[1]),
        "y": _short((y + 0.5) / size[0]),
    }


def _probability(e):
    """Of the predicted class, or None where the outputs are no probabilities."""
    if e.probabilities is None:
        return None
    if len(e.probabilities) == 1:
        # The only output of a single-category network speaks for class 1.
        one = float(e.probabilities[0])
        return _short(one if e.prediction == 1 else 1 - one)
    return _short(e.probabilities[e.prediction])

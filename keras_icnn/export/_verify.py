"""Comparing an artifact with the network it was made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from keras_icnn.export._artifact import Artifact
from keras_icnn.export._endpoints import Serve
from keras_icnn.export._reference import Reference
from keras_icnn.models._inlined import inlined

if TYPE_CHECKING:
    import os

    import keras
    from numpy.typing import ArrayLike

_OPEN_SIDE = 96
# Shares of an output's scale: of float32, and the distance from 1 to the next number of the others.
_TOLERANCE = 1e-4
_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
# Every layer rounds its result, and a runtime that computes in another order rounds it otherwise.
_ROUNDINGS = 2
# On few images, right after writing, ten times as much, but not more than this.
_QUICK_TOLERANCE = 0.05


class ExportError(ValueError):
    """An artifact does not compute what its network computes."""


class NetworkError(ValueError):
    """The network gives nothing that an artifact could be compared with."""


@dataclass
class Verification:
    """What was compared, and how far apart it was.

    Attributes:
        path, format, endpoints: of the artifact.
        images: number of images.
        deviations: dict of `"endpoint.output"` to the largest absolute difference.
        scales: the same to the largest absolute value, by which `tolerance` is multiplied.
        tolerance: as given.
        maps: number of maps whose peaks were compared; `zero_maps` of them without any
            activation, `tied_maps` with several units that are equally the strongest.
        near_ties: maps whose two strongest units are as strong as each other within the tolerance,
            and for which the artifact took the other one.
    """

    path: str
    format: str
    endpoints: tuple[str, ...]
    images: int
    tolerance: float
    deviations: dict[str, float] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    maps: int = 0
    zero_maps: int = 0
    tied_maps: int = 0
    near_ties: int = 0

    @property
    def largest(self) -> float:
        """The largest deviation as a share of its output's scale."""
        return max(self.deviations[name] / self.scales[name] for name in self.deviations)

    def summary(self) -> str:
        """A few lines of text."""
        lines = [f"{self.images} images through Keras and {self.format}, largest differences:"]
        for name, deviation in self.deviations.items():
            lines.append(f"  {name:<28}{deviation:.1e} of {self.scales[name]:.3g}")
        if self.maps:
            lines.append(
                f"  peaks of {self.maps} maps ({self.zero_maps} without any activation, "
                f"{self.tied_maps} with equal peaks): the same"
                + (f" but for {self.near_ties} near ties" if self.near_ties else "")
            )
        return "\n".join(lines)


def verify(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    images: ArrayLike | None = None,
    tolerance: float | None = None,
    layer: keras.layers.Layer | str | None = None,
    preprocessing: str | keras.layers.Layer | Callable[..., Any] | None = None,
    from_logits: bool | None = None,
) -> Verification:
    """Runs an artifact beside its network and compares everything that it answers.

    The images are generated ones: noise, smooth pictures, and black, white and tiled ones, on which
    maps are empty or have several equal peaks; `images` are added to them. They go through the
    artifact together and one by one (where it takes batches of one size, in those). Float outputs
    may differ by `tolerance` of the largest value of that output over the images. Peaks must be
    the same unit, empty maps included; a map whose strongest units are equal within the tolerance
    may have its peak at any of them, and what follows from it is then compared with the network's
    answer for that peak.

    Args:
        model: the network.
        path: of the artifact.
        format: as in `keras_icnn.export.export_model`; None: by the path.
        images: optional array `[images, height, width, channels]` as the artifact takes it.
        tolerance: relative to the scale of each output, above 0. None: what the network's precision
            allows, 1e-4 for float32, and twice the distance from 1 to the next larger number
            where layers compute in half precision: 2.0e-3 for float16, 1.6e-2 for bfloat16.
        layer, preprocessing, from_logits: what the artifact was made with.

    Returns:
        A `Verification`.

    Raises:
        ExportError: when they differ; it says where and by how much.
        FileNotFoundError, ImportError, ValueError: when the comparison cannot be made.
    """
    if tolerance is None:
        tolerance = tolerance_of(model)
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` must lie between 0 and 1. Received: {tolerance!r}")
    artifact = Artifact(path, format)
    images = _probes(model, artifact, images)
    made = {"layer": layer, "preprocessing": preprocessing, "from_logits": from_logits}
    return compared(model, artifact, path, images, tolerance, **made)


def quickly_verified(model, path, format, exact=True, **made):
    """Loads what was just written and compares it on a few images.

    Args:
        model, path, format: as in `verify`.
        exact: whether it must give the network's values; one that is quantized need not, but must
            give finite ones.
        **made: `layer`, `preprocessing` and `from_logits` as in `verify`.

    Raises:
        ExportError: when it cannot be loaded or run, or gives something else.
        ImportError: where the runtime is not installed.
    """
    try:
        artifact = Artifact(path, format)
        probes = _probes(model, artifact, None)
        probes = probes[:: max(len(probes) // 4, 1)]
        if exact:
            tolerance = min(10 * tolerance_of(model), _QUICK_TOLERANCE)
            compared(model, artifact, path, probes, tolerance, alone=False, **made)
            return
        for endpoint in artifact.endpoints:
            for value in _answers(artifact, probes, endpoint).values():
                if not np.isfinite(value).all():
                    raise ExportError(f"`{endpoint}` gives values that are not finite.")
    except (ImportError, NetworkError):
        raise
    except Exception as error:
        raise ExportError(
            f"'{Path(path).name}' ({format}) is of no use, and was not saved: {error} "
            f"{half_precision(model)}"
        ) from error


def tolerance_of(model):
    """How far apart a network's values may be in another runtime, as a share of their scale.

    The coarsest precision that a layer computes in decides: every value is rounded to it on the
    way, to the nearest number, and sums of them are taken in another order.
    """
    return max([_TOLERANCE, *(_ROUNDINGS * _EPSILON[name] for name in _half_dtypes(model))])


def _half_dtypes(model):
    """Names of the half precisions that a network's layers compute in."""
    found = {str(getattr(op, "compute_dtype", "")) for op in inlined(model).layers}
    return sorted(found & set(_EPSILON))


def half_precision(model):
    """What to do where a format cannot hold a network; "" where all of it is in float32."""
    if not _half_dtypes(model):
        return ""
    return (
        "This format or its runtime cannot do the network's half precision: build the network "
        "under `keras.config.set_dtype_policy('float32')`, give it these weights by "
        "`set_weights(model.get_weights())`, and export that."
    )


def compared(
    model,
    artifact,
    path,
    images,
    tolerance,
    *,
    layer=None,
    preprocessing=None,
    from_logits=None,
    alone=True,
):
    """The `Verification` of a loaded artifact on `images`, `alone`: also on one after the other."""
    result = Verification(
        str(path), artifact.format, artifact.endpoints, len(images), float(tolerance)
    )
    for endpoint in artifact.endpoints:
        found = _answers(artifact, images, endpoint)
        compare = _Comparison(result, endpoint)
        if endpoint == "serve":
            reference = Serve(model, preprocessing)
            expected = _numpy(reference(images)["predictions"])
            compare.floats("predictions", expected, found)
        else:
            k = found["top_filters"].shape[-1] if "top_filters" in found else 1
            reference = Reference(model, layer, preprocessing, k, from_logits)
            _compare_explanations(reference, images, found, compare)
        for index in range(len(images) if alone and artifact.input_shape[0] is None else 0):
            alone = artifact(images[index : index + 1], endpoint)
            # A batch of another size is computed in another order: near ties may fall otherwise.
            name = "predictions" if endpoint == "serve" else "strengths"
            compare.floats(name, found[name][index : index + 1], alone, scale=name)
    return result


def _answers(artifact, images, endpoint):
    """The answers to all images, at once where the artifact takes batches of any size."""
    size = artifact.input_shape[0]
    if size is None:
        return artifact(images, endpoint)
    filled = np.concatenate([images, np.repeat(images[-1:], -len(images) % size, axis=0)])
    parts = [artifact(filled[i : i + size], endpoint) for i in range(0, len(filled), size)]
    return {name: np.concatenate([p[name] for p in parts])[: len(images)] for name in parts[0]}


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


class _Comparison:
    """Enters what is compared into a `Verification`, and raises where it is too far apart."""

    def __init__(self, result, endpoint):
        self.result, self.endpoint = result, endpoint

    def fail(self, what):
        raise ExportError(
            f"'{Path(self.result.path).name}' ({self.result.format}) differs from the network at "
            f"`{self.endpoint}`: {what}. Do not use it; export the network anew, and report this "
            "if it happens again."
        )

    def output(self, name, found, shape):
        if name not in found:
            self.fail(f"it has no output `{name}`, only {sorted(found)}")
        if found[name].shape != tuple(shape):
            self.fail(f"`{name}` has shape {found[name].shape} instead of {tuple(shape)}")
        return found[name]

    def floats(self, name, expected, found, scale=None):
        """`scale`: None, or the name of an output whose scale is known already, or the scale."""
        if not np.isfinite(expected).all():
            raise NetworkError(
                f"The network itself gives NaN or infinite `{name}`, so nothing can be compared. "
                "Check that it did not diverge and that its input has the right preprocessing."
            )
        given = self.output(name, found, expected.shape).astype("float64")
        key = f"{self.endpoint}.{name}"
        if scale is None:
            scale = np.abs(expected).max(initial=0.0)
        elif isinstance(scale, str):
            scale = self.result.scales[f"{self.endpoint}.{scale}"]
        # All zero: what is left then is rounding.
        scale = max(float(scale), 1e-6)
        deviation = float(np.abs(given - expected).max(initial=0.0))
        allowed = self.result.tolerance * scale
        if not deviation <= allowed:
            image = int(np.abs(given - expected).reshape(len(given), -1).max(axis=1).argmax())
            self.fail(
                f"`{name}` of image {image} is off by {deviation:.3g}, more than {allowed:.3g} "
                f"(tolerance {self.result.tolerance:g} of {scale:.3g})"
            )
        self.result.deviations[key] = max(deviation, self.result.deviations.get(key, 0.0))
        self.result.scales[key] = scale


def _compare_explanations(reference, images, found, compare):
    result = compare.result
    expected, _, effects, logits = reference.answers(images)
    raw = reference.unmasked(images)
    raw = raw.reshape(len(raw), -1, raw.shape[-1])
    batch, filters = expected["strengths"].shape
    strongest = raw.max(axis=1)
    result.maps += batch * filters
    result.zero_maps += int((strongest == 0).sum())
    tied = (raw == strongest[:, None]).sum(axis=1) > 1
    result.tied_maps += int((tied & (strongest > 0)).sum())

    peaks = compare.output("peaks", found, (batch, filters, 2))
    unit = reference.explain.units_of(peaks)
    if unit is None:
        compare.fail("`peaks` holds positions that are not centers of units")
    other = unit != reference.explain.units_of(expected["peaks"])
    there = np.take_along_axis(raw, unit[:, None], axis=1)[:, 0]
    apart = strongest - there
    wrong = other & ~((apart <= result.tolerance * strongest) & (strongest > 0))
    if wrong.any():
        image, filter = np.argwhere(wrong)[0]
        compare.fail(
            f"{int(wrong.sum())} of {wrong.size} peaks are at other units; the first: image "
            f"{image}, filter {filter}, at {peaks[image, filter].tolist()} instead of "
            f"{expected['peaks'][image, filter].tolist()}"
        )
    if other.any():
        result.near_ties += int(other.sum())
        expected, _, effects, logits = reference.answers_at(images, unit)

    compare.floats("predictions", expected["predictions"], found)
    compare.floats("strengths", expected["strengths"], found)
    for name in ("target_categories", "part"):
        if (compare.output(name, found, (batch, filters)) != expected[name]).any():
            compare.fail(f"`{name}` holds other numbers")
    # Effects are differences of logits, and as exact as those.
    scale = max(np.abs(effects).max(), np.abs(logits).max())
    k = expected["top_filters"].shape[1]
    top = compare.output("top_filters", found, (batch, k))
    if top.min() < 0 or top.max() >= filters or any(len(set(row)) < k for row in top.tolist()):
        compare.fail("`top_filters` are not k different filters")
    compare.floats("top_effects", np.take_along_axis(effects, top, axis=1), found, scale)
    # Of effects of the same size any may come first.
    sizes = {"top_effects": np.abs(found["top_effects"])}
    compare.floats("top_effects", np.abs(expected["top_effects"]), sizes, scale)


def _probes(model, artifact, images):
    """The images to compare on, in the artifact's input dtype."""
    # A side that is open: large enough for the usual networks.
    shape = [
        given or own or _OPEN_SIDE
        for given, own in zip(artifact.input_shape[1:], model.inputs[0].shape[1:], strict=True)
    ]
    height, width, channels = shape
    rng = np.random.default_rng(0)
    pixels = [rng.uniform(0, 255, shape) for _ in range(2)]
    for places in (4, 8):
        pixels.append(_smooth(rng.uniform(0, 255, (places, places, channels)), height, width))
    side = max(min(height, width) // 7, 1)
    tile = rng.uniform(0, 255, (side, side, channels))
    repeats = (-(-height // side), -(-width // side), 1)
    pixels.append(np.tile(tile, repeats)[:height, :width])
    pixels += [np.full(shape, value) for value in (0.0, 255.0, 127.5)]
    # Networks without preprocessing take numbers of about this size instead.
    pixels += [(image - 127.5) / 127.5 for image in pixels[:5]]
    probes = np.stack(pixels)
    if np.issubdtype(np.dtype(artifact.input_dtype), np.integer):
        probes = probes[:8].round()
    probes = probes.astype(artifact.input_dtype)
    if images is None:
        return probes
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != tuple(shape) or not len(images):
        raise ValueError(
            f"`images` must have shape [images, {height}, {width}, {channels}], as the artifact "
            f"takes them. Received: images.shape={images.shape}"
        )
    return np.concatenate([probes, images.astype(artifact.input_dtype)])


def _smooth(coarse, height, width):
    """A coarse picture, enlarged linearly."""
    for axis, size in ((0, height), (1, width)):
        place = np.linspace(0, coarse.shape[axis] - 1, size)
        low = np.floor(place).astype(int).clip(0, coarse.shape[axis] - 2)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(3)])
        first, second = np.take(coarse, low, axis), np.take(coarse, low + 1, axis)
        coarse = first * (1 - share) + second * share
    return coarse

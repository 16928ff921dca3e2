"""Which filters of a layer count as one part."""

from dataclasses import dataclass, field

import numpy as np

from keras_icnn.metrics import EvaluationReport, evaluate_maps, find_background, peaks_of

# An R2 above this: more of the landmark's movement is followed than not.
FOLLOWS = 0.5
# A filter fires where it reaches this share of its highest peak over the images.
_FIRES = 0.1


@dataclass(frozen=True)
class FilterGroups:
    """The parts that a layer's filters stand for.

    Attributes:
        groups: list of tuples of filter numbers; each filter is in one of them.
        names: list of str, what a group is called: the name that somebody gave it, or the annotated
            part that it follows; "" where none is known.
        grouped_by: "membership" (the layer says which filters are one part), "annotation" (some
            have names), "reference", "image" or "nothing".
        keys: list of str, category and number of the layer's own part, such as "tiger/0"; "" for
            other groups. Empty: no group has one.
        follows: list of str, the annotated part that a group follows where `names` has the name
            that somebody gave it. Empty: as `names`.
    """

    groups: list[tuple[int, ...]]
    names: list[str] = field(default_factory=list)
    grouped_by: str = "reference"
    keys: list[str] = field(default_factory=list)
    follows: list[str] = field(default_factory=list)

    def __post_init__(self):
        if not self.keys:
            object.__setattr__(self, "keys", [""] * len(self.groups))
        if not self.follows:
            object.__setattr__(self, "follows", list(self.names))


def like_filters(peaks, strengths, image_size, *, tolerance=0.1, agreement=0.5):
    """Groups filters that fire on the same place in the same images.

    Two filters agree on an image when both fire (above a tenth of their highest peak over these
    images) with peaks closer than `tolerance`. They are alike when they agree on at least the share
    `agreement` of the images on which either fires. The filter with most filters like it forms a
    group with them, then the next of those that are left, and so on: all of a group are like its
    first one.

    Args:
        peaks: float `[images, filters, 2]`, (x, y) pixels.
        strengths: float `[images, filters]`; 0 or less is silent.
        image_size: (height, width) in pixels.
        tolerance: share of the image diagonal.
        agreement: share of images, above 0 and at most 1.

    Returns:
        List of tuples of filter numbers, the largest group first; a filter that never fires is
        alone.
    """
    strengths = np.asarray(strengths, "float64")
    filters = strengths.shape[1]
    fires = (strengths > 0) & (strengths >= _FIRES * strengths.max(axis=0, initial=0))
    within = (tolerance * np.hypot(*image_size)) ** 2
    both = np.zeros((filters, filters), "int32")
    for places, firing in zip(np.asarray(peaks, "float64"), fires, strict=True):
        f = np.flatnonzero(firing)
        apart = np.square(places[f][:, None] - places[f][None]).sum(axis=-1)
        both[np.ix_(f, f)] += apart <= within
    count = fires.sum(axis=0)
    together = fires.T.astype("float32") @ fires.astype("float32")
    either = count[:, None] + count[None] - together
    alike = (both >= agreement * np.maximum(either, 1)) & (both > 0)
    np.fill_diagonal(alike, True)
    left = np.ones(filters, bool)
    groups = []
    while left.any():
        sizes = np.where(left, (alike & left).sum(axis=1), 0)
        members = np.flatnonzero(alike[sizes.argmax()] & left)
        groups.append(tuple(int(f) for f in members))
        left[members] = False
    return groups


def measured_groups(reader, dataset, field, batch_size=32, names=None, categories=None):
    """The `FilterGroups` of a layer from images.

    Where the images have landmarks, filters that follow one (R2 above one half) are named after it.
    Filters of one name and target category are one part; those without a name are grouped by
    `like_filters`.

    Args:
        reader, dataset, field, batch_size, categories: as in `measured`.
        names: known names of the filters, str `[filters]`, instead of the landmarks'.
    """
    groups, report = measured(reader, dataset, field, batch_size, names is None, categories)
    if report is not None:
        names = names_of(report, len(report.filters["filter"]))
    return named_groups(groups, names, categories, "reference")


def measured(reader, dataset, field, batch_size=32, landmarks=True, categories=None):
    """Which filters fire alike on images, and which landmarks they follow there.

    Args:
        reader: function of a batch of images that gives (maps `[images, h, w, filters]`, ...).
        dataset: `PartDataset`.
        field: `ReceptiveField` of the layer.
        batch_size: images per forward pass.
        landmarks: whether to measure which landmarks filters follow.
        categories: int `[filters]`, target category of each filter, or None.

    Returns:
        (groups as `like_filters` gives them, `EvaluationReport` or None where no landmarks are
        measured).
    """
    peaks, strengths = [], []

    def batches():
        loader = dataset.batches(batch_size)
        for number in range(len(loader)):
            maps = np.maximum(reader(loader[number][0])[0], 0)
            places, heights = peaks_of(maps, field.centers)
            peaks.append(places)
            strengths.append(heights)
            yield maps

    report = None
    if landmarks and is_annotated(dataset):
        report = evaluate_maps(
            batches(),
            dataset.labels,
            dataset.landmarks,
            field.centers,
            image_size=dataset.image_size,
            class_names=dataset.class_names,
            landmark_names=dataset.landmark_names,
            target_categories=categories,
        )
    else:
        for _ in batches():
            pass
    groups = like_filters(np.concatenate(peaks), np.concatenate(strengths), dataset.image_size)
    return groups, report


def is_annotated(dataset):
    """Whether an image of a category has a landmark."""
    annotated = np.isfinite(dataset.landmarks).all(axis=-1)
    annotated &= (dataset.labels != find_background(dataset.class_names))[:, None]
    return bool(annotated.any())


def names_of(parts, filters):
    """The names of the parts that filters stand for: list of str, "" where unknown.

    Args:
        parts: sequence of names, one a filter, or an `EvaluationReport`: the landmark that a living
            filter follows with an R2 above one half.
        filters: number of filters.

    Raises:
        ValueError: for another number of names.
    """
    if isinstance(parts, EvaluationReport):
        columns = parts.filters
        with np.errstate(invalid="ignore"):
            follows = (np.asarray(columns["r2"], float) > FOLLOWS) & columns["alive"]
        names = [
            str(name) if yes else ""
            for name, yes in zip(columns["r2_landmark"], follows, strict=True)
        ]
    elif isinstance(parts, str):
        names = []
    else:
        names = [str(name) if name else "" for name in parts]
    if len(names) != filters:
        raise ValueError(
            f"`parts` must name the part of each of the layer's {filters} filters ('' where it is "
            f"unknown), or be an EvaluationReport of that layer. Received: {len(names)} names"
        )
    return names


def named_groups(groups, names, categories=None, grouped_by="reference"):
    """`FilterGroups` in which filters of one name and category are together."""
    if not names or not any(names):
        return FilterGroups(groups, [""] * len(groups), grouped_by)
    named = {}
    for f, name in enumerate(names):
        if name:
            category = -1 if categories is None else int(categories[f])
            named.setdefault((name, category), []).append(f)
    rest = [tuple(f for f in group if not names[f]) for group in groups]
    rest = [group for group in rest if group]
    return FilterGroups(
        [tuple(group) for group in named.values()] + rest,
        [name for name, _ in named] + [""] * len(rest),
        "annotation",
    )

"""When not to trust a decision: what it rests on, beside what rightly decided images rest on."""

from dataclasses import dataclass, field

import numpy as np

from keras_icnn.explanations._filter_effects import gradient_effects
from keras_icnn.explanations._filter_groups import FOLLOWS, is_annotated
from keras_icnn.metrics import alive, find_background, part_tracking, peaks_of

# Where nothing is known of other images, more than half of a decision is too much.
LIMIT = 0.5
# Of the rightly decided reference images, so many rest less on such filters than the limit.
_QUANTILE = 0.95
# With fewer of them a quantile says nothing, and `LIMIT` holds.
_FEWEST = 20

_WORDS = {
    "partless": "filters that follow no annotated part",
    "border": "filters that fire at the border of their map",
    "background": "filters that fire as strongly on images of the background",
    "others": "filters that stand for other categories",
}


@dataclass(frozen=True)
class DecisionChecks:
    """Which filters a decision should not rest on, and by how much it may.

    Attributes:
        partless: bool `[filters]`, follows no annotated part (R2 above one half on the reference
            images), or None where no part is annotated.
        background: bool `[filters]`, fires at least as strongly on reference images of the
            background as on those of its category, in the mean; None where there are none.
        limits: dict of (class, "partless", "border" or "background") to the largest share of a
            decision for that class that may rest on such filters: the one that 95 % of the rightly
            decided reference images of the class stay below. `LIMIT` where there are fewer than 20
            of them.
    """

    partless: np.ndarray | None = None
    background: np.ndarray | None = None
    limits: dict = field(default_factory=dict)

    def warnings(
        self,
        effects: np.ndarray,
        peaks: np.ndarray,
        centers: np.ndarray,
        target: int,
        categories: np.ndarray | None = None,
    ) -> list[str]:
        """What speaks against trusting a decision.

        Args:
            effects: float `[filters]`, effects on the score.
            peaks: float `[filters, 2]`, (x, y) pixels of the peaks.
            centers: float `[h, w, 2]` of the layer's receptive field.
            target: number of the class.
            categories: int `[filters]`, the category each filter stands for, -1 for none; or None.

        Returns:
            List of sentences.
        """
        suspects = {
            "partless": self.partless,
            "border": at_border(peaks, centers),
            "background": self.background,
            "others": of_others(categories, target),
        }
        found = []
        for name, which in suspects.items():
            if which is None:
                continue
            share = share_of(effects, which)
            limit = self.limits.get((int(target), name), LIMIT)
            if share > limit:
                usual = "" if name == "others" else f"; up to {limit:.0%} is usual"
                found.append(f"{share:.0%} of this decision rests on {_WORDS[name]}{usual}.")
        return found


def require_fitting(reference, size):
    """Refuses reference images that are none, or not of the model's input size.

    Args:
        reference: `PartDataset`.
        size: (height, width), or None where the model takes any.
    """
    if not len(reference):
        raise ValueError("`reference` must hold at least one image. Received: none")
    if reference.image_size is None or (
        size is not None and tuple(reference.image_size) != tuple(size)
    ):
        raise ValueError(
            f"`reference` must have images of the model's input size, {size}. Received: "
            f"image_size={reference.image_size}; read the data set with that `image_size`."
        )


def share_of(effects, which):
    """The share of the absolute effects that some filters have; 0 where there are none.

    Args:
        effects: float `[..., filters]`.
        which: bool, of the same shape or `[filters]`.
    """
    size = np.abs(np.asarray(effects, "float64"))
    total = size.sum(axis=-1)
    return (size * which).sum(axis=-1) / np.where(total > 0, total, 1)


def at_border(peaks, centers):
    """Whether peaks lie on the outermost units of the map: bool `[..., filters]`."""
    low, high = centers[0, 0], centers[-1, -1]
    # Half a pixel: peaks are float32, units several pixels apart.
    return ((peaks < low + 0.5) | (peaks > high - 0.5)).any(axis=-1)


def of_others(categories, target):
    """Which filters stand for another category than the target: bool `[filters]`.

    None where filters stand for nothing, or none of them for the target, such as the background.
    """
    if categories is None or not (np.asarray(categories) == target).any():
        return None
    return (np.asarray(categories) >= 0) & (np.asarray(categories) != target)


class ReferenceRecord:
    """What `DecisionChecks` needs to know of reference images, batch by batch in their order.

    Args:
        split: `SplitModel`.
        classes: `Classes`.
    """

    def __init__(self, split, classes):
        self._split, self._classes = split, classes
        self._columns = {name: [] for name in ("peaks", "strengths", "predicted", "effects")}

    def __len__(self):
        return sum(map(len, self._columns["predicted"]))

    def add(self, tensors, centers):
        """Adds images, as `SplitModel.below` gives them."""
        logits = self._split.logits(tensors)
        asked = [self._classes.asked(row, None, None) for row in logits]
        weights = np.stack([w for _, _, w in asked])
        peaks, strengths = peaks_of(np.maximum(tensors[0], 0), centers)
        found = {
            "peaks": peaks.astype("float32"),
            "strengths": strengths,
            "predicted": np.array([target for target, _, _ in asked]),
            "effects": gradient_effects(self._split, tensors, weights).astype("float32"),
        }
        for name, rows in found.items():
            self._columns[name].append(rows)

    def checks(self, dataset, centers, categories=None):
        """The `DecisionChecks` that the images give.

        Args:
            dataset: the `PartDataset` of all images that were added.
            centers: float `[h, w, 2]`.
            categories: int `[filters]`, target categories, or None.
        """
        rows = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        background = find_background(dataset.class_names)
        partless = _partless(rows, dataset, background)
        fires_on_background = _on_background(rows, dataset.labels, background, categories)
        shares = {"border": share_of(rows["effects"], at_border(rows["peaks"], centers))}
        for name, which in (("partless", partless), ("background", fires_on_background)):
            if which is not None:
                shares[name] = share_of(rows["effects"], which)
        right = rows["predicted"] == dataset.labels
        limits = {}
        for c in sorted(set(dataset.labels.tolist())):
            mine = right & (dataset.labels == c)
            if mine.sum() >= _FEWEST:
                for name, share in shares.items():
                    limits[c, name] = float(np.quantile(share[mine], _QUANTILE))
        return DecisionChecks(partless, fires_on_background, limits)


def _partless(rows, dataset, background):
    """bool `[filters]`, or None where no part is annotated."""
    if not is_annotated(dataset):
        return None
    mine = dataset.labels != background
    found = part_tracking(
        rows["peaks"][mine],
        dataset.landmarks[mine],
        rows["strengths"][mine],
        image_size=dataset.image_size,
    )
    with np.errstate(invalid="ignore"):
        follows = (found.best_r2 > FOLLOWS) & alive(rows["strengths"][mine])[0]
    return ~follows


def _on_background(rows, labels, background, categories):
    """bool `[filters]`, or None where there is no background, or nothing else."""
    there = labels == background
    if background < 0 or not there.any() or there.all():
        return None
    strengths = np.maximum(rows["strengths"].astype("float64"), 0)
    on_background = strengths[there].mean(axis=0)
    own = strengths[~there].mean(axis=0)
    if categories is not None:
        for c in set(labels[~there].tolist()):
            of_category = np.asarray(categories) == c
            own[of_category] = strengths[labels == c][:, of_category].mean(axis=0)
    return (on_background >= own) & (on_background > 0)

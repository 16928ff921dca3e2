"""What a recipe may say: every table and key, with its type, its range, its default and its use.

`_read_recipe` checks recipes by these definitions in one loop.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keras_icnn.datasets import reader_names

SPLITS = ("train", "validation", "test")


class RecipeError(ValueError):
    """A recipe that cannot be run as it is written; the message names the file and the fix."""


@contextlib.contextmanager
def mistakes_of(where):
    """What a reader or builder refuses in this block is a mistake in the recipe."""
    try:
        yield
    except RecipeError:
        raise
    except (TypeError, ValueError, AttributeError, OSError) as error:
        raise RecipeError(f"{where}: {error}") from error


@dataclass(frozen=True)
class Range:
    """Which numbers a key may have: in words, and as a test."""

    text: str
    holds: Callable


ABOVE_0 = Range("above 0 and finite", lambda value: 0 < value < math.inf)
AT_LEAST_0 = Range("at least 0", lambda value: value >= 0)
BELOW_1 = Range("in [0, 1)", lambda value: 0 <= value < 1)
SHARE = Range("in [0, 1]", lambda value: 0 <= value <= 1)
FACTOR = Range("a number above 0", lambda value: type(value) in (int, float) and value > 0)


def key(default, description, **rules):
    """A key of a recipe's table.

    Args:
        default: Its value where the recipe does not say; its type is the key's. A tuple stands for
            a list of strings, `dict` for a table, empty by default, and `dataclasses.MISSING` for a
            string that must be given.
        description: What it means, for the reference.
        **rules: `choices`, of which it (or each of a list) must be one; `within`, a `Range`;
            `values`, a `Range` of each value of a table; `own`, in words what the key takes where
            it has a reader of its own.
    """
    given = {"default_factory": dict} if default is dict else {"default": default}
    return dataclasses.field(**given, metadata={"description": description, **rules})


@dataclass(frozen=True)
class Data:
    """Which images: `[data]`."""

    reader: str = key(
        "animal_part",
        "format of the data set",
        choices=reader_names(),
    )
    path: str = key("", "folder of the data set, below the data folder")
    negatives: str = key("", "folder of background images, for data sets without their own")
    task: str = key(
        "single-category",
        "one network for each category against the background, or one for all categories",
        choices=("single-category", "multi-category"),
    )
    categories: tuple = key((), "categories; all of the data set where the list is empty")
    train_on: tuple = key(("train",), "splits to train on", choices=SPLITS)
    measure_on: str = key("test", "split to measure on, none of those", choices=SPLITS)
    arguments: Mapping = key(dict, "more arguments of the reader")


@dataclass(frozen=True)
class Network:
    """What is common to all variants: `[network]`."""

    weights: str = key("", 'weights to begin with: a file below the data folder, or "imagenet"')
    top: str = key(
        "", 'layer at which the network is cut; its map is then the top map (head = "pooled")'
    )
    frozen_until: str = key(
        "", "layer up to which all is frozen; its outputs are computed once and cached"
    )
    fixed_normalization: bool = key(
        False,
        "whether batch normalization up to `top` stays as the weights have it while the layers "
        "around it are trained: statistics that move slowly lag behind for a few epochs",
    )
    head: str = key(
        "network",
        "the network's own head, or the mean over the map, times `head_scale`, and a linear layer",
        choices=("network", "pooled"),
    )
    head_scale: float = key(1.0, "factor of the pooled map")
    arguments: Mapping = key(dict, "more arguments of the builder in the zoo, for all variants")


@dataclass(frozen=True)
class Training:
    """The schedule of every variant that does not say otherwise: `[training]`."""

    epochs: int = key(10, "number of epochs", within=ABOVE_0)
    batch_size: int = key(32, "images of a batch", within=ABOVE_0)
    learning_rate: float = key(1e-3, "learning rate at the start", within=ABOVE_0)
    weight_decay: float = key(
        0.0, 'weight decay; with "sgd", added to the gradients of kernels', within=AT_LEAST_0
    )
    optimizer: str = key("adamw", "optimizer", choices=("adamw", "sgd"))
    momentum: float = key(0.9, 'momentum of "sgd"', within=BELOW_1)
    schedule: str = key(
        "cosine",
        'course of the learning rate; "geometric" lowers it by one factor an epoch',
        choices=("cosine", "constant", "geometric"),
    )
    final_rate: float = key(
        0.1, 'last learning rate of "geometric", as a share of the first', within=ABOVE_0
    )
    decay_epochs: int = key(0, 'epochs over which "geometric" lowers it; 0: all of them')
    loss: str = key("logistic", "task loss", choices=("logistic", "softmax"))
    sum_outputs: bool = key(
        False, "whether the logistic loss of several outputs is their sum, not their mean"
    )
    flip: bool = key(False, "whether images are mirrored at random")
    mirrored: bool = key(
        False, "whether mirror images of all but the background are added to the training set"
    )
    positive_share: float = key(
        0.0,
        "share of images that are not background, reached by repeating the scarcer side "
        "(single-category); 0: as they are",
    )
    cluster_share: float = key(
        0.2,
        "how far new filters of interpretable layers start towards clusters of the training "
        "features (`adapt_parts`); 0: as they are initialized. Rules that choose categories while "
        "they train do not read it",
        within=SHARE,
    )
    learning_rates: Mapping = key(
        dict,
        "factors of the learning rate of layers, by the beginning of their names",
        values=FACTOR,
    )


@dataclass(frozen=True)
class Variant:
    """One network to train: `[[variant]]`."""

    name: str = key(dataclasses.MISSING, "its name in tables and file names")
    network: str = key(dataclasses.MISSING, "its name in the zoo")
    kind: str = key(
        "trained",
        '"untrained" is the network as initialized, without weights; "supervised" is a detector of '
        "`landmark`, trained with its annotations on the frozen features of the network",
        choices=("trained", "untrained", "supervised"),
    )
    landmark: str = key(
        "head",
        'landmark of a supervised detector; "all": a detector of each landmark, measured together '
        "as the filters of a layer, the upper bound of coverage",
    )
    feature_scale: float = key(1.0, "factor of the features of a supervised detector")
    layer: str = key(
        "", "layer to measure; by default the topmost interpretable one, else the topmost map"
    )
    radius_from: str = key(
        "", "variant, listed earlier, whose receptive field's radius is used; its own by default"
    )
    radius: float = key(0.0, "that radius in pixels; 0: measured")
    filter_loss: object = key(
        "",
        "a name; a table with `rule`, a name to start from, and what differs from it; or "
        '"none", the mask alone; the default rule where it is not given',
        own="name or table",
    )
    weights: tuple = key(
        (), "weights to begin with, the first that is there; those of [network] by default"
    )
    training: object = key(
        None,
        "what differs from [training], other than the loss",
        own="table of the keys of [training]",
    )
    arguments: Mapping = key(dict, "more arguments of the builder in the zoo")

    @property
    def base_network(self) -> str:
        """The ordinary network's name, as the zoo has it."""
        return self.network.removesuffix("_interpretable")

    @property
    def is_interpretable(self) -> bool:
        """Whether the network has interpretable layers."""
        return self.network != self.base_network

    @property
    def rule(self):
        """The `FilterLoss` that `filter_loss` says; None for the mask alone.

        Raises:
            ValueError: For rules that do not exist, unknown options and values out of range.
        """
        from keras_icnn.recipes._filter_rule import filter_rule

        return filter_rule(self.filter_loss)


# What a network of `[networks]` may set for all its variants.
PER_NETWORK = ("weights", "training")
# What `training` of a variant may set: not the task's loss.
PER_VARIANT = tuple(
    field.name
    for field in dataclasses.fields(Training)
    if field.name not in ("loss", "sum_outputs")
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe: data, network, schedule, variants and seeds.

    `name` is that of the file, at `path`.

    Example:

    ```python
    recipe = icnn.recipes.read_recipe("zoo/recipes/birds.toml")
    [variant.name for variant in recipe.variants]
    ```
    """

    name: str
    path: str
    title: str
    seeds: tuple[int, ...]
    data: Data
    network: Network
    training: Training
    variants: tuple[Variant, ...]

    def training_of(self, variant: Variant) -> Training:
        """The `Training` of one variant: `[training]` and what the variant says instead."""
        return variant.training or self.training

    def variant(self, name: str) -> Variant | None:
        """The variant of this name, or None."""
        return next((variant for variant in self.variants if variant.name == name), None)

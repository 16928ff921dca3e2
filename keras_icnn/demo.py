"""`keras-icnn demo`: an ordinary network and its interpretable twin, on generated creatures.

Both begin with the same lower layers, trained to tell all species apart and then frozen, as the
paper begins with a network that was trained on a thousand classes. Both then get the same new 3x3
layer with normalization, and train with the same data, order, flips and schedule. They differ in
one thing: the new layer of one is a plain convolution, that of the other an `InterpretableConv`
with the default rule.

The lower layers have to know parts before filters can stand for them. Lower layers that only ever
told foxes from clutter do not: all filters then fire on the fox as a whole, or beside it.

Settings and species were chosen on the validation split of other seeds than the demo's default.

What to expect: filters of different parts follow the head, the torso, the legs or the tail, one
seed more of them than another. Of the ordinary network's filters some follow the head.
"""

import dataclasses
import textwrap
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from keras_icnn import InterpretableConv, InterpretableModel, adapt_parts, metrics
from keras_icnn._demo_files import write_images, write_models, write_page, write_tables
from keras_icnn._demo_words import reading
from keras_icnn.datasets import PartDataset, PartSplits, creatures

LAYER = "interpretable_conv"
_ORDINARY_LAYER = "top_relu"


@dataclasses.dataclass(frozen=True)
class Setting:
    """Sizes and schedule of the demo.

    Attributes:
        species: the one category, against images without a creature.
        image_size: side of the images in pixels; maps are an eighth of it.
        scale: of the creatures, see `creatures`: they fill the image, as the object crops do
            that the paper measures on.
        n_train, n_test: number of images, half of them of the species.
        n_start: number of images of all species that the lower layers are trained on.
        start_epochs: of the lower layers.
        epochs: of both networks after that.
        filters: of the new layer.
        batch_size, start_rate, rate: of AdamW; learning rates fall to 0 as a cosine.
        pictures: how many images and filters are drawn.
    """

    species: str = "fox"
    image_size: int = 96
    scale: tuple[float, float] = (0.45, 0.6)
    n_train: int = 1600
    n_test: int = 400
    n_start: int = 5600
    start_epochs: int = 8
    epochs: int = 12
    filters: int = 64
    batch_size: int = 32
    start_rate: float = 2e-3
    rate: float = 1e-3
    pictures: int = 2


QUICK = Setting(
    image_size=64,
    n_train=64,
    n_test=40,
    n_start=70,
    start_epochs=1,
    epochs=1,
    filters=8,
    pictures=1,
)

# Filters, kernel and stride of the lower convolutions. Maps are an eighth of the image; a unit of
# the new layer sees 81 of 96 pixels.
_LOWER = ((16, 5, 2), (32, 3, 2), (48, 3, 2), (64, 3, 1), (64, 3, 1), (64, 3, 1))


class DemoResult(NamedTuple):
    """What `run_demo` made: reports and networks by name, the paths of all files, seconds."""

    reports: dict[str, metrics.EvaluationReport]
    models: dict[str, keras.Model]
    paths: list[Path]
    seconds: float


def run_demo(
    out: str | Path,
    *,
    seed: int = 0,
    quick: bool = False,
    setting: Setting | None = None,
    verbose: bool = True,
) -> DemoResult:
    """Trains both networks, measures them on test images, and writes tables and figures.

    Args:
        out: folder to write to; created, files of an earlier demo in it are replaced.
        seed: of the images, the networks and the order of training.
        quick: a tiny setting of a few seconds, whose figures mean nothing.
        setting: a `Setting`, instead of the demo's own.
        verbose: whether to show progress and print the results.

    Returns:
        A `DemoResult`.

    Raises:
        ImportError: without matplotlib.
        ValueError: for a seed or setting out of range.
    """
    # Three minutes of training shall not end in a missing package.
    from keras_icnn._figure import new_figure

    new_figure(1, 1, 1, 1)
    setting = setting or (QUICK if quick else Setting())
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def say(text=""):
        if verbose:
            print(text, flush=True)

    say(
        f"Pictures of a generated {setting.species}, or of clutter without one: "
        f"{setting.n_train} to train on, {setting.n_test} to measure."
    )
    data = pictures(setting, seed)
    models = train(setting, data.train, seed, verbose)
    reports = measure(models, data.test, seed)
    paths = [*write_tables(out, reports), *write_models(out, models)]
    paths += write_images(out, models, reports, data.test, setting.pictures)
    page = write_page(out, models, reports, data.test)
    paths += page
    seconds = time.monotonic() - started
    say("\n" + reports["interpretable"].summary(reports["ordinary"]) + "\n")
    say(textwrap.fill(reading(reports), 96))
    if quick:
        say("\nA quick run: the networks have learned next to nothing, the figures mean nothing.")
    say("\n".join(["\nWritten:", *(f"  {path}" for path in paths)]))
    say(
        f"\nOpen {page[0]} in a browser: what every filter looks at, in both networks."
        if page
        else '\npip install "keras-icnn[report]" and the demo writes a page of all filters, too.'
    )
    say(f"Done in {seconds:.0f} s.")
    return DemoResult(reports, models, paths, seconds)


# --- data and networks --------------------------------------------------------------------------


def pictures(setting: Setting, seed: int) -> PartSplits:
    """The demo's `PartSplits`: `train`, `validation` and `test`, two classes."""
    return creatures(
        n_train=setting.n_train,
        n_validation=setting.n_test,
        n_test=setting.n_test,
        image_size=(setting.image_size, setting.image_size),
        seed=seed,
        species=[setting.species],
        scale=setting.scale,
    ).cache()


def all_species(setting: Setting, seed: int) -> PartDataset:
    """The images that the lower layers learn from: every species, and clutter."""
    size = (setting.image_size, setting.image_size)
    images = creatures(setting.n_start, 0, 0, size, seed, scale=setting.scale)
    return images.train.cache()


def lower_layers(setting: Setting) -> tuple[Any, Any]:
    """Input and output of the lower layers, fresh."""
    size = setting.image_size
    x = inputs = keras.Input((size, size, 3), name="images")
    x = layers.Rescaling(1 / 127.5, -1, name="rescaling")(x)
    for number, (filters, kernel, stride) in enumerate(_LOWER, 1):
        name = f"conv{number}"
        x = layers.Conv2D(
            filters, kernel, strides=stride, padding="same", use_bias=False, name=name
        )(x)
        x = layers.BatchNormalization(momentum=0.95, name=f"{name}_bn")(x)
        x = layers.Activation("relu", name=f"{name}_relu")(x)
    return inputs, x


def build(setting: Setting, start: list[np.ndarray], interpretable: bool) -> keras.Model:
    """One of the twins on the lower layers' trained weights (`start`, a list of arrays)."""
    inputs, x = lower_layers(setting)
    lower = keras.Model(inputs, x)
    lower.set_weights(start)
    for layer in lower.layers:
        layer.trainable = False
    if interpretable:
        x = InterpretableConv(
            setting.filters,
            3,
            padding="same",
            num_classes=2,
            background_class=0,
            normalization="batch",
            name=LAYER,
        )(x)
    else:
        x = layers.Conv2D(setting.filters, 3, padding="same", name="top")(x)
        x = layers.BatchNormalization(epsilon=1e-5, momentum=0.95, name="top_bn")(x)
        x = layers.Activation("relu", name=_ORDINARY_LAYER)(x)
    # A head as that of the networks of the paper: it knows places, so nothing but the filter loss
    # asks a filter to fire on the creature itself.
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(64, activation="relu", name="fc")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    outputs = layers.Dense(1, name="predictions")(x)
    make = InterpretableModel if interpretable else keras.Model
    return make(inputs, outputs, name="interpretable" if interpretable else "ordinary")


def train(
    setting: Setting, data: PartDataset, seed: int, verbose: bool = True
) -> dict[str, keras.Model]:
    """Trains the lower layers on all species, then both twins on one.

    Returns:
        dict of `"ordinary"` and `"interpretable"` to models.
    """
    species = all_species(setting, seed)
    steps = [
        -(-len(images) // setting.batch_size) * epochs
        for images, epochs in ((species, setting.start_epochs), (data, 2 * setting.epochs))
    ]
    with _Progress(sum(steps), verbose) as progress:
        keras.utils.set_random_seed(seed)
        inputs, x = lower_layers(setting)
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(len(species.class_names), name="predictions")(x)
        start = keras.Model(inputs, x, name="lower_layers")
        _fit(start, species, setting, setting.start_epochs, setting.start_rate, seed, progress)
        weights = [
            value
            for layer in start.layers
            if layer.name.startswith("conv")
            for value in layer.get_weights()
        ]
        models = {}
        for name in ("ordinary", "interpretable"):
            # The same random numbers for both: their new layers start alike.
            keras.utils.set_random_seed(seed)
            models[name] = build(setting, weights, name == "interpretable")
            # Which leaves the ordinary one as it is.
            adapt_parts(models[name], data.batches(setting.batch_size), seed=seed)
            _fit(models[name], data, setting, setting.epochs, setting.rate, seed, progress)
    return models


def _fit(model, data, setting, epochs, rate, seed, progress):
    several = model.output_shape[-1] > 1
    crossentropy = keras.losses.SparseCategoricalCrossentropy
    loss = (crossentropy if several else keras.losses.BinaryCrossentropy)(from_logits=True)
    batches = data.batches(setting.batch_size, shuffle=True, seed=seed, flip=True)
    schedule = keras.optimizers.schedules.CosineDecay(rate, len(batches) * epochs)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-3), loss)
    model.fit(
        batches,
        epochs=epochs,
        # The batches know their own order.
        shuffle=False,
        verbose=0,
        callbacks=[batches.follow_epochs(), progress.callback(model.name)],
    )


class _Progress:
    """One bar over all training steps, so that it says when the demo will be done."""

    def __init__(self, steps, verbose):
        self._steps, self._verbose = steps, verbose

    def __enter__(self):
        from tqdm import tqdm

        self._bar = tqdm(total=self._steps, unit="step", disable=not self._verbose)
        return self

    def __exit__(self, *exception):
        self._bar.close()

    def callback(self, name):
        bar = self._bar
        bar.set_description(f"training: {name.replace('_', ' ')}")
        return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update())


# --- measures -----------------------------------------------------------------------------------


def measure(
    models: dict[str, keras.Model], data: PartDataset, seed: int
) -> dict[str, metrics.EvaluationReport]:
    """An `EvaluationReport` of both networks; the receptive field's radius is the ordinary one's.

    Returns:
        dict of name to report.
    """
    ordinary = metrics.evaluate(models["ordinary"], data, _ORDINARY_LAYER, seed=seed)
    interpretable = metrics.evaluate(
        models["interpretable"], data, LAYER, radius=ordinary.values["radius"], seed=seed
    )
    return {"ordinary": ordinary, "interpretable": interpretable}

"""What can be timed, and how: rules, phases, modes, sizes. Needs no Keras, as `--help` does not."""

from __future__ import annotations

import dataclasses
import importlib

PHASES = ("train", "inference")
PLAIN = "plain"
# Names of filter losses; "mask" is the mask alone.
RULES = ("default", "one_part", "paper", "official", "full_sum", "mask")
# "graph" is `tf.function`, "jit" XLA.
MODES = {"tensorflow": ("graph", "jit"), "jax": ("jit",), "torch": ("eager",)}


@dataclasses.dataclass(frozen=True)
class LayerSetting:
    """The size of a layer's benchmark, and how it is computed; the same for a rule and its twin.

    Example:

    ```python
    setting = icnn.bench.LayerSetting(size=28, filters=64, batch=8)
    ```
    """

    size: int = 14
    filters: int = 512
    channels: int | None = None
    kernel_size: int = 3
    classes: int = 6
    batch: int = 32
    normalization: str | None = "batch"
    precision: str = "float32"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, self.channels or self.filters)


@dataclasses.dataclass(frozen=True)
class NetworkSetting:
    """The size of a network's benchmark.

    Example:

    ```python
    setting = icnn.bench.NetworkSetting("vgg16", batch=4)
    ```
    """

    network: str = "vgg16"
    image_size: int = 224
    classes: int = 6
    batch: int = 8
    filters: int | None = None
    precision: str = "float32"


def check_rule(rule):
    """Returns `rule`; raises unless it names a rule, the plain twin, or a peer."""
    if ":" in rule:
        find_peer(rule)
    elif rule != PLAIN and rule not in RULES:
        raise ValueError(
            f"Argument `rules` must be among {RULES}, or a peer 'module:function'. "
            f"Received: rules entry {rule!r}"
        )
    return rule


def find_peer(name):
    """The function of a peer, another implementation that the user has installed.

    Args:
        name: `"module:function"`. The function gets the setting, the batch, the gradient from above
            and the labels (NumPy arrays, see `layer_data`), and returns `(train, infer)`, two
            functions without arguments, as `layer_steps` does.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"A peer must be 'module:function' of a module that can be imported (its folder on "
            f"PYTHONPATH). Received: {name!r}, with the error: {error}"
        ) from error
    return found


def check_mode(mode):
    """Returns `mode`; raises unless the backend computes that way."""
    import keras

    backend = keras.backend.backend()
    allowed = MODES[backend]
    if mode not in allowed:
        raise ValueError(
            f"Argument `modes` must be among {allowed} on the {backend} backend. "
            f"Received: modes entry {mode!r}. Set KERAS_BACKEND for another backend."
        )
    return mode

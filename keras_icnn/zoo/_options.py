"""The arguments every builder takes: parsed once, with errors that name the fix."""

import os
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_icnn import _arguments as check
from keras_icnn.zoo._fine_tuning import MODES, NEW_FILTERS


@dataclass
class Options:
    """One call of a builder. See the builders' docstrings for the meaning of each argument."""

    name: str
    include_top: bool = True
    weights: Any = None
    input_tensor: Any = None
    input_shape: tuple | None = None
    pooling: str | None = None
    classes: int | None = None
    classifier_activation: Any = "softmax"
    include_preprocessing: bool | None = None
    extra_layer: bool = False
    new_filters: int | None = None
    normalization: str | None = "batch"
    dropout: float | None = None
    new_head: bool | None = None
    interpretable: bool = False
    interpret_top: bool | None = None
    fine_tune: str | None = None
    top_map: str | None = None
    class_names: Any = None
    background_class: int | None = None
    filter_loss: Any = "default"
    mask: bool = True
    # Whether `weights` names a trained network of this package, which the builder loads.
    shipped: bool = field(default=False, repr=False)
    min_size: int = field(default=32, repr=False)
    default_size: int = field(default=224, repr=False)

    def __post_init__(self):
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                "The zoo's networks are channels last. Call "
                "`keras.config.set_image_data_format('channels_last')`. Received: "
                f"image_data_format={keras.config.image_data_format()!r}"
            )
        self._check_values()
        self._resolve_fine_tuning()
        if self.interpretable and not (self.interpret_top or self.extra_layer):
            raise ValueError(
                "Nothing would be interpretable: leave `interpret_top` or `extra_layer` on. "
                "Received: interpret_top=False, extra_layer=False"
            )
        if self.new_head is None:
            # A new layer below it makes a pretrained head meaningless, as in the paper.
            self.new_head = self.interpretable or self.extra_layer or self.top_map is not None
        if self.top_map is not None and self.include_top and not self.new_head:
            raise ValueError(
                "The pretrained head belongs to the whole network: with `top_map` leave `new_head` "
                f"out. Received: top_map={self.top_map!r}, new_head=False"
            )
        self._check_weights()
        self._check_activation()
        self._check_shape()

    @property
    def pretrained(self):
        """Whether weights are loaded to be fine-tuned: what is frozen then stays as it is."""
        return self.fine_tune is not None and self.weights is not None

    @property
    def pooled_head(self):
        """Whether a fresh head is global average pooling and one dense layer.

        Fully connected layers of millions of weights need more images than fine-tuning has.
        """
        return self.fine_tune in ("top", "last_block") and bool(self.new_head)

    def _resolve_fine_tuning(self):
        """Sets what was left open as it is best for the way the network is fine-tuned."""
        if self.fine_tune is None and self.interpretable and self.weights is not None:
            self.fine_tune = "top"
        if self.interpret_top is None:
            # Filters that are frozen cannot learn to stand for parts.
            self.interpret_top = self.fine_tune != "top" or not self.extra_layer
        if self.include_preprocessing is None:
            self.include_preprocessing = self.fine_tune is not None
        if self.new_filters is None and self.fine_tune in ("top", "last_block"):
            self.new_filters = NEW_FILTERS

    def _check_values(self):
        where, optional = self.name, {"optional": True}
        self.classes = check.whole_number(self.classes, "classes", where, at_least=1, **optional)
        self.class_names = check.names(self.class_names, "class_names", where, **optional)
        self._count_classes()
        self.fine_tune = check.choice(self.fine_tune, "fine_tune", where, MODES, **optional)
        self.new_filters = check.whole_number(
            self.new_filters, "new_filters", where, at_least=1, **optional
        )
        self.pooling = check.choice(self.pooling, "pooling", where, ("avg", "max"), **optional)
        self.normalization = check.choice(
            self.normalization, "normalization", where, ("batch",), **optional
        )
        self.dropout = check.number(self.dropout, "dropout", where, at_least=0, below=1, **optional)

    def _count_classes(self):
        """Sets `classes` from `class_names`, and refuses what does not fit."""
        names = self.class_names
        if self.classes is None:
            self.classes = 1000 if names is None else len(names)
        # One output tells one category from the background: two classes.
        labels = max(self.classes, 2)
        if names is not None and len(names) != labels:
            expectation = f"{labels} names for classes={self.classes}"
            fix = "Leave `classes` out, and the names are counted."
            check.refuse(names, "class_names", self.name, expectation, fix)

    def _check_weights(self):
        if self.shipped or self.weights is None or self.weights == "imagenet":
            pass
        elif isinstance(self.weights, (str, os.PathLike)):
            self.weights = os.fspath(self.weights)
            if not os.path.isfile(self.weights):
                check.refuse(
                    self.weights,
                    "weights",
                    self.name,
                    "None, 'imagenet' or the path of a weights file",
                    "There is no such file: give one that ends with .npz, .h5, .weights.h5, .keras "
                    "or .mat.",
                )
        else:
            expectation = "None, 'imagenet' or the path of a weights file"
            check.refuse(self.weights, "weights", self.name, expectation)
        if (
            self.weights == "imagenet"
            and self.include_top
            and not self.new_head
            and self.classes != 1000
        ):
            raise ValueError(
                "The ImageNet head has 1000 classes. For other `classes` pass `new_head=True` "
                "(pretrained convolutions under a fresh head) or `include_top=False`. "
                f"Received: weights='imagenet', include_top=True, classes={self.classes}"
            )

    def _check_activation(self):
        if self.classes == 1 and self.classifier_activation == "softmax":
            # Softmax over one unit is constant; its two-class form is the sigmoid.
            self.classifier_activation = "sigmoid"
        try:
            keras.activations.get(self.classifier_activation)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"Argument `classifier_activation` of {self.name} must be an activation's name, a "
                "callable or None. Received: "
                f"classifier_activation={self.classifier_activation!r}. Use None for logits."
            ) from error

    def _check_shape(self):
        if self.input_tensor is not None:
            if not keras.utils.is_keras_tensor(self.input_tensor):
                fix = "Pass the output of `keras.Input` or of a layer."
                check.refuse(self.input_tensor, "input_tensor", self.name, "a Keras tensor", fix)
            shape = tuple(self.input_tensor.shape[1:])
            if self.input_shape is not None and tuple(self.input_shape) != shape:
                raise ValueError(
                    "`input_shape` and `input_tensor` differ; pass one of them. Received: "
                    f"input_shape={self.input_shape}, input_tensor of shape (None, *{shape})"
                )
        elif self.input_shape is not None:
            shape = tuple(self.input_shape)
        elif self.include_top:
            shape = (self.default_size, self.default_size, 3)
        else:
            shape = (None, None, 3)
        if len(shape) != 3:
            fix = "Write, for example, input_shape=(224, 224, 3)."
            check.refuse(shape, "input_shape", self.name, "(height, width, channels)", fix)
        shape = tuple(
            check.whole_number(n, f"input_shape[{i}]", self.name, at_least=1, optional=True)
            for i, n in enumerate(shape)
        )
        if shape[-1] is None or (self.weights is not None and shape[-1] != 3):
            raise ValueError(
                "`input_shape` must end with 3 channels when weights are loaded, and with a known "
                f"number otherwise. Received: input_shape={shape}, weights={self.weights!r}"
            )
        if None in shape[:2] and (self.interpretable or self.include_top):
            needs = "Interpretable layers keep statistics for each position of their map, so they"
            raise ValueError(
                f"{needs if self.interpretable else 'A classifier'} need a static height and "
                f"width: pass `input_shape`, for example input_shape=({self.default_size}, "
                f"{self.default_size}, 3). Received: input_shape={shape}"
            )
        if any(n is not None and n < self.min_size for n in shape[:2]):
            expectation = f"at least {self.min_size} x {self.min_size}"
            check.refuse(shape, "input_shape", self.name, expectation)
        self.input_shape = shape

    def refuse_top_map(self, names):
        """Refuses a `top_map` that is none of the layers with these names."""
        expectation = "the name of a layer whose output is a map"
        fix = f"The nearest are {', '.join(check.nearest(str(self.top_map), names))}."
        check.refuse(self.top_map, "top_map", self.name, expectation, fix)

    def input(self):
        """The model's source inputs and the tensor to build on."""
        if self.input_tensor is None:
            tensor = keras.Input(shape=self.input_shape)
            return tensor, tensor
        sources = keras.utils.get_source_inputs(self.input_tensor)
        return (sources[0] if len(sources) == 1 else sources), self.input_tensor

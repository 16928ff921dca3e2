"""The arguments of the public builders, once for type checkers, editors and run time."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import keras

from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.models._interpretable_model import InterpretableModel


class OrdinaryBuilder(Protocol):
    """Builds an ordinary network."""

    __name__: str

    def __call__(
        self,
        include_top: bool = True,
        weights: str | os.PathLike[str] | None = None,
        input_tensor: Any = None,
        input_shape: Sequence[int | None] | None = None,
        pooling: Literal["avg", "max"] | None = None,
        classes: int | None = None,
        classifier_activation: str | Callable[..., Any] | None = "softmax",
        name: str | None = None,
        *,
        include_preprocessing: bool | None = None,
        extra_layer: bool = False,
        new_filters: int | None = None,
        normalization: Literal["batch"] | None = "batch",
        dropout: float | None = None,
        new_head: bool | None = None,
        fine_tune: Literal["top", "last_block", "all"] | None = None,
        top_map: str | None = None,
    ) -> keras.Model:
        """Builds the network.

        Args:
            include_top: Boolean, whether to add the classifier.
            weights: `None` (random), `"imagenet"`, or the path of a local weights file: `.npz` with
                keys `layer/variable`, Keras `.h5`, `.weights.h5` or `.keras`, MatConvNet `.mat`.
            input_tensor: Optional Keras tensor to build on.
            input_shape: `(height, width, channels)`. `None` is the network's own size when
                `include_top`, and any size otherwise.
            pooling: For `include_top=False`: `None` (the map), `"avg"` or `"max"`.
            classes: Integer, the number of label classes; `None`: 1000. 1 is the single-category
                task: one unit, class 0 is background.
            classifier_activation: `"softmax"`, `"sigmoid"` (logistic), any activation, or `None`
                for logits. With `classes=1`, softmax means its two-class form, the sigmoid.
            name: String, the model's name; `None` for the builder's own name.
            include_preprocessing: Boolean, whether the network's preprocessing is the model's first
                layer; the model then takes RGB pixels in [0, 255]. `None`: with `fine_tune`.
            extra_layer: Boolean, whether a plain 3x3xM layer, `extra_conv`, is added above the top
                map: the twin of the interpretable network.
            new_filters: Integer, M, the filters of that layer; `None` for the top map's number, or
                128 where `fine_tune` is `"top"` or `"last_block"`.
            normalization: `"batch"` or `None`, that layer's normalization.
            dropout: Rate of the head's dropout; `None` for the network's own.
            new_head: Boolean, whether the head stays fresh when weights are loaded; `None` for
                `extra_layer`.
            fine_tune: What of the pretrained layers is trained: `"top"` (none of them: only the new
                layer and the head), `"last_block"` or `"all"`. Their batch normalization keeps its
                statistics (`FixedBatchNormalization`), whatever is trained. With `"top"` and
                `"last_block"` a fresh head is global average pooling and one dense layer. Without
                `weights` nothing is frozen. `None`: an ordinary Keras network, all of it
                trained. Use a learning rate of at most 1e-4 for pretrained layers.
            top_map: Name of the layer whose map is the top one; what lies above it is left out.
                `None`: the network's own top map.

        Returns:
            `keras.Model`.

        Raises:
            ValueError: When an argument is out of range, or weights are unreadable or do not fit.
        """
        ...


class InterpretableBuilder(Protocol):
    """Builds a network with interpretable filters."""

    __name__: str

    def __call__(
        self,
        include_top: bool = True,
        weights: str | os.PathLike[str] | None = None,
        input_tensor: Any = None,
        input_shape: Sequence[int | None] | None = None,
        pooling: Literal["avg", "max"] | None = None,
        classes: int | None = None,
        classifier_activation: str | Callable[..., Any] | None = "softmax",
        name: str | None = None,
        *,
        filter_loss: str | FilterLoss | None = "default",
        mask: bool = True,
        background_class: int | None = None,
        include_preprocessing: bool | None = None,
        extra_layer: bool = True,
        interpret_top: bool | None = None,
        new_filters: int | None = None,
        normalization: Literal["batch"] | None = "batch",
        dropout: float | None = None,
        new_head: bool | None = None,
        fine_tune: Literal["top", "last_block", "all"] | None = None,
        top_map: str | None = None,
        class_names: Sequence[str] | None = None,
    ) -> InterpretableModel:
        """Builds the network with interpretable filters.

        Args:
            include_top: Boolean, whether to add the classifier.
            weights: `None` (random), `"imagenet"`, or the path of a local weights file: `.npz` with
                keys `layer/variable`, Keras `.h5`, `.weights.h5` or `.keras`, MatConvNet `.mat`.
                `"animals"` for MobileNetV2: a trained network of 24 animals that comes with the
                package, names of its classes and parts included.
            input_tensor: Optional Keras tensor to build on.
            input_shape: `(height, width, channels)`, height and width known. `None` is the
                network's own size when `include_top`.
            pooling: For `include_top=False`: `None` (the map), `"avg"` or `"max"`.
            classes: Integer, the number of label classes; `None`: as many as `class_names`, else
                1000. 1 is the single-category task: one unit, class 0 is background. Counts also
                with `include_top=False`.
            classifier_activation: `"softmax"`, `"sigmoid"` (logistic), any activation, or `None`
                for logits. With `classes=1`, softmax means its two-class form, the sigmoid.
            name: String, the model's name; `None` for the builder's own name.
            filter_loss: `"default"` (the measured rule), `"paper"`, `"official"`, `None` (mask
                only) or a `FilterLoss`.
            mask: Boolean, whether the maps are masked.
            background_class: Integer, the class no filter may stand for; `None` for none (class 0
                when `classes=1`).
            include_preprocessing: Boolean, whether the network's preprocessing is the model's first
                layer; the model then takes RGB pixels in [0, 255]. `None`: where weights are
                fine-tuned.
            extra_layer: Boolean, whether the new interpretable layer is added.
            interpret_top: Boolean, whether the pretrained top map is interpretable, too. `None`:
                unless `fine_tune="top"` leaves it as it is.
            new_filters: Integer, M, the filters of the new layer; `None` for the top map's number,
                or 128 where `fine_tune` is `"top"` or `"last_block"`.
            normalization: `"batch"` or `None`, the new layer's normalization.
            dropout: Rate of the head's dropout; `None` for the network's own.
            new_head: Boolean, whether the head stays fresh when weights are loaded; `None` for
                `True`.
            fine_tune: What of the pretrained layers is trained: `"top"` (none of them: only the new
                layer and the head), `"last_block"` or `"all"`. Their batch normalization keeps its
                statistics (`FixedBatchNormalization`), whatever is trained. With `"top"` and
                `"last_block"` a fresh head is global average pooling and one dense layer. Without
                `weights` nothing is frozen. `None`: `"top"` where weights are given. Use a
                learning rate of at most 1e-4 for pretrained layers.
            top_map: Name of the layer whose map is the top one; what lies above it is left out.
                `None`: the network's own top map.
            class_names: Strings, the names of the label classes, kept in the model (the
                background's first with `classes=1`); `None`: `fit` takes them from the data.

        Returns:
            `InterpretableModel`.

        Raises:
            ValueError: When an argument is out of range, or weights are unreadable or do not fit.
        """
        ...

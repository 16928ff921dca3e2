"""`InterpretableModel`: a functional Keras model that shows its layers the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_icnn import _arguments as check
from keras_icnn.layers import _label_scope
from keras_icnn.layers._interpretable_conv import InterpretableConv
from keras_icnn.layers._interpretable_filters import InterpretableFilters
from keras_icnn.models import _training_images, _training_state
from keras_icnn.models._checked_labels import CheckedBatches, check_labels
from keras_icnn.models._logged_names import check_own_name
from keras_icnn.models._silent_filters import SilentFilters

if TYPE_CHECKING:
    import os

_RANDOM_STATE = "random_state_"
_TRAINING_IMAGES = "training_images"


@keras.saving.register_keras_serializable(package="keras_icnn")
class InterpretableModel(keras.Model):
    """A functional `keras.Model` whose interpretable layers see the labels of the batch.

    Everything is as in any Keras model: `compile`, `fit(x, y)`, callbacks, class and sample
    weights, mixed precision, `steps_per_execution`, distribution, saving. In training the layers'
    filter losses are added to the loss, and `filter_loss`, `-MI(X; T)` in nats averaged over
    filters and layers (paper Eq. 1, unweighted), is logged; rules whose gradient does not depend
    on it compute it now and then (`monitor_every` of the layers). `evaluate` and `predict` need no
    labels. `class_weight` and `sample_weight` weigh the task loss: a filter loss with an absolute
    weight ignores them, a relative push (the default rule's) follows the size of the weighted
    task's gradient.

    Args:
        inputs, outputs, name: as in `keras.Model(inputs, outputs, name=...)`.
        class_names: strings, the names of the label classes in the order of the labels (the
            background first, where one output tells one category from it). None: `fit` takes them
            from a `PartDataset`'s batches.
        part_names: dict, names of parts by their keys ("tiger/0"): see `keras_icnn.name_parts`.

    The model remembers which images it was trained on, `training_images`: uint64 digests of the
    images that `fit` was given in arrays or in batches of a `PartDataset`. Class names, part names
    and these digests are saved with the model.

    Saved models and weights files also hold the state of random generators (dropout), which Keras
    leaves out: a run that is resumed from one goes on exactly as if it had not been interrupted
    (on PyTorch, where dropout draws from the process's own generator, without dropout only).

    Models with several outputs override `filter_labels` to say which labels the filters follow.
    """

    def __init__(
        self,
        # `inputs`, `outputs`, `name`. Older releases of Keras take a subclass that names them for
        # one that is no functional model, and cannot load it.
        *args: Any,
        class_names: Sequence[str] | None = None,
        part_names: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.filter_loss_tracker = keras.metrics.Mean(name="filter_loss")
        self._facts = _Facts()
        self.class_names = class_names
        self.part_names = {} if part_names is None else part_names

    @property
    def class_names(self) -> list[str] | None:
        """The names of the label classes, in the order of the labels, or None."""
        names = self._facts.class_names
        return None if names is None else list(names)

    @class_names.setter
    def class_names(self, names: Sequence[str] | None) -> None:
        names = check.names(names, "class_names", type(self).__name__, optional=True)
        for count in () if names is None else _class_counts(self):
            if len(names) != count:
                fix = "Give one for each class of the labels, a background class included."
                expectation = f"{count} names, one for each class of its interpretable layers"
                check.refuse(names, "class_names", type(self).__name__, expectation, fix)
        self._facts.class_names = names

    @property
    def part_names(self) -> dict[str, str]:
        """The names that were given to parts, by their keys ("tiger/0")."""
        return dict(self._facts.part_names)

    @part_names.setter
    def part_names(self, names: Mapping[str, str]) -> None:
        self._facts.part_names = {str(key): str(name) for key, name in names.items()}

    @property
    def training_images(self) -> np.ndarray:
        """Digests of the images the model was trained on: uint64 `[images]`, empty if unknown."""
        return self._facts.training_images.copy()

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Absent where there is nothing to tell, as in the configurations of other models.
        if self.class_names is not None:
            config["class_names"] = self.class_names
        if self.part_names:
            config["part_names"] = self.part_names
        return config

    def filter_labels(self, y: Any) -> Any:
        """The labels that filters follow, from the `y` of `fit`.

        Args:
            y: as `fit` receives it.

        Returns:
            Labels as `keras_icnn.labels` takes them.
        """
        if isinstance(y, dict):
            y = list(y.values())
        if isinstance(y, (list, tuple)):
            if len(y) != 1:
                raise ValueError(
                    f"Model '{self.name}' has {len(y)} targets and cannot tell which are the "
                    "class labels its filters follow. Override `filter_labels(self, y)` in a "
                    "subclass of InterpretableModel and return them."
                )
            y = y[0]
        if y is None:
            raise ValueError(
                f"Model '{self.name}' learns parts of categories and needs labels: call "
                "`fit(x, y)`, or give a dataset of (x, y). Received: y=None"
            )
        return y

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: list[keras.callbacks.Callback] | keras.callbacks.CallbackList | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> keras.callbacks.History:
        """Trains the model: `keras.Model.fit`, whose arguments it has.

        Integer labels outside the classes of an interpretable layer are an error here when they
        are arrays or come from a `keras.utils.PyDataset`; other sources (`tf.data`, generators)
        are checked in the step where that costs nothing: see `keras_icnn.labels`.

        Warns once when more than a tenth of the filters of a layer have gone silent, and names
        the usual causes.

        Args:
            x, y: images and labels, or a data set of both as `x`.
            batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle,
                class_weight, sample_weight, initial_epoch, steps_per_epoch, validation_steps,
                validation_batch_size, validation_freq: as in `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: for labels that are missing or outside the classes, and for a data set
                whose classes have other names than the model's.
        """
        counts = _class_counts(self)
        self.remember(x)
        # What goes to other processes would have to take the model along.
        if not counts:
            pass
        elif isinstance(x, keras.utils.PyDataset) and not x.use_multiprocessing:
            x = CheckedBatches(x, self.filter_labels, counts)
        elif y is not None:
            check_labels(self.filter_labels(y), counts)
        return super().fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=_with(callbacks, SilentFilters(_interpretable_layers(self))),
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )

    def remember(self, dataset: Any) -> None:
        """Keeps which images the model is trained on, and the names of their classes.

        `fit` does so by itself; a training loop of one's own calls it.

        Args:
            dataset: a `PartDataset` or its batches, or an array of images. What cannot tell its
                images beforehand, such as a `tf.data.Dataset`, is not remembered.

        Raises:
            ValueError: for a data set whose classes have other names than the model's.
        """
        names = getattr(getattr(dataset, "dataset", dataset), "class_names", None)
        if names is not None and self.class_names is None:
            if all(count == len(names) for count in _class_counts(self)):
                self.class_names = names
        elif names is not None and list(names) != self.class_names:
            raise ValueError(
                f"Argument `x` of fit must have the classes of model '{self.name}', "
                f"{self.class_names}. Received: a data set of the classes {list(names)}. Choose "
                "and order them with `select(classes=model.class_names)`, or build the model with "
                "the data set's `class_names`."
            )
        digests = _training_images.digests_of(dataset)
        if digests is not None:
            self._facts.training_images = _training_images.merged(
                self._facts.training_images, digests
            )

    def train_step(self, *args: Any) -> Any:
        # Backends differ in what comes before the data.
        _, y, _ = keras.utils.unpack_x_y_sample_weight(args[-1])
        with _label_scope.labels(self.filter_labels(y)):
            return super().train_step(*args)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        loss = super().compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
        )
        terms = _label_scope.current()
        if not training or terms is None:
            return loss
        value = terms.filter_loss()
        if value is not None:
            self.filter_loss_tracker.update_state(value)
        return loss + keras.ops.cast(terms.total(), loss.dtype)

    def get_metrics_result(self) -> dict[str, Any]:
        results = super().get_metrics_result()
        check_own_name(self, self.filter_loss_tracker)
        terms = _label_scope.current()
        if terms is None or terms.filter_loss() is None:
            # Only layers that learn, in training steps, compute it; it would read 0.
            results.pop(self.filter_loss_tracker.name, None)
        return results

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Sequence[Any] | None = None,
        *,
        endpoint: str | None = None,
        layer: keras.layers.Layer | str | None = None,
        preprocessing: str | keras.layers.Layer | Callable[..., Any] | None = None,
        top_filters: int = 8,
        from_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes the network for use without Keras and without this package.

        A SavedModel has two end points: `serve`, the predictions, as Keras's own export has it,
        and `explain`, which also tells where and how strongly each filter fired, the category
        that it stands for, and the filters that decided. The other formats hold one of them.

        Args:
            filepath, format, verbose, input_signature: as in `keras.Model.export`.
            endpoint: `"serve"`, `"explain"` or None: both in a SavedModel, `serve` otherwise.
            layer: whose filters `explain` speaks of; None: the topmost interpretable layer.
            preprocessing: applied to the pixels first: the name of a network of the zoo, or a
                Keras layer or function of a batch of images.
            top_filters: how many filters `explain` names.
            from_logits: for `explain`, whether the output is a logit; None: what the network tells.
            **kwargs: of the format, as in `keras.Model.export`.

        Raises:
            ValueError, ImportError: as `keras_icnn.export.export_model`; compare the artifact
                with the network by `keras_icnn.export.verify(model, filepath)`.
        """
        if format == "torch":
            super().export(filepath, format, verbose, input_signature, **kwargs)
            return
        # Higher up in the order of modules, so imported when it is needed.
        from keras_icnn.export import export_model

        export_model(
            self,
            filepath,
            format,
            verbose,
            input_signature,
            endpoint=endpoint,
            layer=layer,
            preprocessing=preprocessing,
            top_filters=top_filters,
            from_logits=from_logits,
            **kwargs,
        )

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        if len(self._facts.training_images):
            store[_TRAINING_IMAGES] = self._facts.training_images
        for k, variable in enumerate(_training_state.random_states(self)):
            store[f"{_RANDOM_STATE}{k}"] = keras.ops.convert_to_numpy(
                keras.ops.convert_to_tensor(variable)
            )

    def load_own_variables(self, store: Any) -> None:
        names = list(store.keys())
        own = {
            name: store[name]
            for name in names
            if name != _TRAINING_IMAGES and not name.startswith(_RANDOM_STATE)
        }
        super().load_own_variables(own)
        if _TRAINING_IMAGES in names:
            self._facts.training_images = np.array(store[_TRAINING_IMAGES], "uint64")
        for k, variable in enumerate(_training_state.random_states(self)):
            key = f"{_RANDOM_STATE}{k}"
            # Absent from files of a network that had no dropout, or another one.
            if key in names and tuple(store[key].shape) == tuple(variable.shape):
                variable.assign(np.array(store[key]))


class _Facts:
    """What a model knows beside its weights. Keras tracks lists and dicts of a model, not these."""

    def __init__(self):
        self.class_names = None
        self.part_names = {}
        self.training_images = np.empty(0, "uint64")


def _interpretable_layers(layer):
    """A model's interpretable layers, those of nested models included."""
    if isinstance(layer, (InterpretableConv, InterpretableFilters)):
        return [layer]
    return [f for inner in getattr(layer, "layers", ()) for f in _interpretable_layers(inner)]


def _class_counts(model):
    """The numbers of classes of a model's interpretable layers."""
    return {layer.num_classes for layer in _interpretable_layers(model)}


def _with(callbacks, callback):
    """What `fit` takes as `callbacks`, and one more."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks  # Complete, as Keras takes it.
    return [*keras.tree.flatten(callbacks or []), callback]

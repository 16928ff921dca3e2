"""The measures during `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from keras_icnn.datasets._as_part_dataset import annotated_dataset
from keras_icnn.metrics import MapReader, evaluate, receptive_field

if TYPE_CHECKING:
    from keras_icnn.datasets import PartDataset

# Accuracy is left to the model's own metrics, whose names these would overwrite.
_LOGGED = (
    "balanced_accuracy",
    "instability",
    "r2",
    "r2_median",
    "r2_strongest",
    "r2_facing",
    "coverage",
    "parts_followed",
    "anatomy",
    "part_interpretability",
    "alive",
    "diversity",
    "part_diversity",
)


class PartMetrics(keras.callbacks.Callback):
    """Adds the measures of a layer's filters to the logs of an epoch.

    Place it before the callbacks that shall see its figures (`CSVLogger`, `EarlyStopping`,
    `TensorBoard`): they are `val_instability`, `val_r2`, `val_r2_median`, `val_r2_strongest`,
    `val_r2_facing`, `val_coverage`, `val_parts_followed`, `val_anatomy`, `val_alive`,
    `val_diversity`, `val_part_diversity`, `val_balanced_accuracy`, and `val_part_interpretability`
    where `radius` is given. Figures that do not apply are left out.

    Args:
        dataset: A `PartDataset` of held-out images.
        layer: Layer or name; None: the topmost interpretable layer, else the topmost map.
        every: Measure after the first and then every so many epochs.
        prefix: Of the names in the logs.
        radius: Of the round receptive fields in pixels; None leaves part interpretability out,
            since measuring the radius takes thousands of forward passes.
        batch_size: Images per forward pass.
        **options: Further arguments of `keras_icnn.metrics.evaluate`, such as `preprocess`.

    After each measuring, `report` is the full `EvaluationReport`.

    Example:

    ```python
    model.fit(train, epochs=20, callbacks=[icnn.callbacks.PartMetrics(data.validation, every=5)])
    ```
    """

    def __init__(
        self,
        dataset: PartDataset,
        layer: keras.layers.Layer | str | None = None,
        every: int = 1,
        prefix: str = "val_",
        *,
        radius: float | None = None,
        batch_size: int = 32,
        **options: Any,
    ) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be at least 1 epoch. Received: every={every}")
        self.dataset = annotated_dataset(dataset, "PartMetrics")
        self.layer = layer
        self.every = int(every)
        self.prefix = prefix
        self.radius = radius
        self.batch_size = batch_size
        self.options = {"parts": radius is not None, **options}
        self.report = None
        self._reader = None

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._reader = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch % self.every:
            return
        if self._reader is None:
            # Kept over the epochs, so that the forward pass is compiled once.
            self._reader = MapReader(self.model, self.layer, self.batch_size)
            if self.options.get("receptive_field") is None:
                self.options["receptive_field"] = receptive_field(
                    self.model, self._reader.layer, input_size=self.dataset.image_size
                )
        self.report = evaluate(
            self.model,
            self.dataset,
            radius=self.radius,
            batch_size=self.batch_size,
            reader=self._reader,
            **self.options,
        )
        if logs is not None:
            taken = sorted({self.prefix + name for name in _LOGGED} & set(logs))
            if taken:
                raise ValueError(
                    f"`prefix` of PartMetrics must make names that nothing else logs. Received: "
                    f"prefix={self.prefix!r}, and a metric of the model or another callback logs "
                    f"{taken} already. Pass another `prefix`, or rename the metric."
                )
            for name in _LOGGED:
                value = self.report.values[name]
                if value == value:  # not NaN
                    logs[self.prefix + name] = value

"""Measures of trained networks and supervised detectors, and the rows of figures made of them."""

import math

from keras_icnn.recipes._networks import find_layer


def measure_network(built, recipe, variant, dataset, *, features, radius, seed):
    """Measures the filters of a network.

    Args:
        built: `Built`.
        recipe: `Recipe`.
        variant: One of its `Variant`s.
        dataset: `PartDataset` to measure on.
        features: `Features`, for a network with frozen layers.
        radius: Of the round receptive fields, in pixels; None: it is measured.
        seed: Of the trivial detectors.

    Returns:
        `EvaluationReport`.
    """
    from keras_icnn import metrics

    layer = variant.layer or None
    if layer is not None:
        find_layer(built.model, layer)
    field = metrics.receptive_field(built.model, metrics.measured_layer(built.model, layer).name)
    if not dataset.part_names:
        radius = None
    elif radius is None:
        images = metrics.occlusion_images(dataset)
        radius = metrics.occlusion_radius(built.model, layer, images, receptive_field=field)
    arguments = {}
    if recipe.data.task == "multi-category" and recipe.training.loss == "logistic":
        arguments["independent_outputs"] = True
    if built.frozen is not None:
        arguments["features"] = features.of(built.frozen, dataset)
    return metrics.evaluate(
        built.trained,
        dataset,
        layer,
        receptive_field=field,
        radius=radius,
        name=variant.name,
        seed=seed,
        **arguments,
    )


def measure_detector(detector, built, field, variant, dataset, *, features, radius, seed):
    """Measures supervised detectors as any filters.

    Args:
        detector: Keras model, features to maps, one for each detector.
        field: `ReceptiveField` of the features.
        built, variant, dataset, features, seed: As in `measure_network`.
        radius: Of the round receptive field, in pixels; None: parts are not measured.

    Returns:
        `EvaluationReport`.
    """
    from keras_icnn import metrics

    return metrics.evaluate_maps(
        detector.predict(features.of(built.frozen, dataset), verbose=0),
        dataset.labels,
        dataset.landmarks,
        field.centers,
        image_size=dataset.image_size,
        class_names=dataset.class_names,
        landmark_names=dataset.landmark_names,
        part_names=dataset.part_names,
        part_masks=dataset.part_masks if radius is not None else None,
        radius=radius,
        name=variant.name,
        seed=seed,
    )


def network_figures(report, history):
    """What a row tells of a network: all measures and the last losses."""
    losses = {"train_loss": "loss", "filter_loss": "filter_loss"}
    return {
        **{name: rounded(value) for name, value in report.values.items()},
        **{column: rounded(history.get(name, [math.nan])[-1]) for column, name in losses.items()},
    }


def trivial_figures(report):
    """Name and measures of each detector that looks at nothing, on the network's grid."""
    return {
        name: {measure: rounded(value) for measure, value in values.items()}
        for name, values in report.trivial.items()
    }


def rounded(value):
    """A figure as it is written: five digits, nothing for NaN."""
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    return "" if math.isnan(value) else round(float(value), 5)

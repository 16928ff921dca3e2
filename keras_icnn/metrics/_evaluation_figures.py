"""From the measures of each category to the figures and the per-filter table of a report."""

import numpy as np

from keras_icnn.metrics._diversity import part_diversity
from keras_icnn.metrics._location_instability import mean_or_nan
from keras_icnn.metrics._part_coverage import parts_followed

_NAN = float("nan")
_WAYS = ("r2", "r2_strongest", "r2_facing")
# Columns of filters in their best category, and the figures that are their means.
_BEST_FIGURES = {
    "best_instability": "instability_best_class",
    "best_r2": "r2_best_class",
    "best_part_interpretability": "part_interpretability_best_class",
}


def target_places(results, measured, target_categories):
    """Place in `measured` of each filter's target category."""
    sums = np.stack([result.mean_sum for result in results])
    chosen = sums.argmax(axis=0)
    if target_categories is not None and len(measured) > 1:
        target_categories = np.asarray(target_categories)
        if target_categories.shape != chosen.shape:
            raise ValueError(
                f"`target_categories` must have one label for each of the {len(chosen)} filters. "
                f"Received: shape {target_categories.shape}"
            )
        for place, c in enumerate(measured):
            chosen = np.where(target_categories == c, place, chosen)
    return chosen


def figures_of_filters(results, chosen, names, landmark_names, part_names):
    """Figures over the filters, and the per-filter table, each filter in its category `chosen`."""
    every = np.arange(len(chosen))
    filters = _table(results, chosen, names, landmark_names, part_names)
    is_alive = filters["alive"]
    has_parts = results[0].parts is not None
    instability = _instability_or_random(results)
    tracking = {way: _r2_or_minus_one(results, way) for way in _WAYS}
    values = {"instability": _mean(instability[chosen, every])}
    for way, table in tracking.items():
        values[way] = _mean(table[chosen, every])
        values[f"{way}_median"] = _median(table[chosen, every])
    values["coverage"] = _mean([r.coverage.coverage for r in results])
    values["parts_followed"] = _mean(
        [parts_followed(r.coverage.r2[chosen == c]) for c, r in enumerate(results)]
    )
    # A filter that wanders counts as one that stays where it is: 0.
    followed = np.maximum(filters["anatomy"], 0.0)
    values["anatomy"] = _mean(np.where(np.isfinite(followed) & ~is_alive, 0.0, followed))
    values["part_interpretability"] = _mean(filters["part_interpretability"]) if has_parts else _NAN
    if len(results) > 1:
        best = _in_best_category(results, names, instability, tracking["r2"])
        filters |= best
        for column, figure in _BEST_FIGURES.items():
            if column in best:
                values[figure] = _mean(best[column])
    values["alive"] = float(np.mean(is_alive))
    values["fired"] = float(np.mean(filters["fired"]))
    # Filters not alive stand for no part.
    stands_for = filters["part"] if has_parts else filters["r2_landmark"]
    values["part_diversity"] = part_diversity(stands_for[is_alive])
    return values, filters


def _table(results, chosen, names, landmark_names, part_names):
    """The per-filter table without the best categories."""
    every = np.arange(len(chosen))

    def per_filter(get):
        return np.stack([np.asarray(get(result)) for result in results])[chosen, every]

    def named(index, labels):
        return np.array([labels[i] if i >= 0 else "" for i in index], dtype=object)

    filters = {
        "filter": every,
        "category": np.array([names[c] for c in chosen], dtype=object),
        "alive": per_filter(lambda r: r.alive),
        "fired": per_filter(lambda r: r.fired),
        "mean_peak": per_filter(lambda r: r.mean_peak),
        "instability": per_filter(lambda r: r.instability.per_filter),
    }
    for k, landmark in enumerate(landmark_names):
        filters[f"instability_{landmark}"] = per_filter(
            lambda r, k=k: r.instability.per_landmark[:, k]
        )
    for way in _WAYS:
        filters[way] = per_filter(lambda r, way=way: getattr(r.tracking, f"best_{way}"))
        filters[f"{way}_landmark"] = named(
            per_filter(lambda r, way=way: getattr(r.tracking, f"{way}_landmark")), landmark_names
        )
    filters["anatomy"] = per_filter(lambda r: r.anatomy.per_filter)
    filters["anatomy_landmark"] = named(per_filter(lambda r: r.anatomy.landmark), landmark_names)
    for k, landmark in enumerate(landmark_names):
        # A landmark named as one of the columns above does not take its place.
        column = per_filter(lambda r, k=k: r.coverage.r2[:, k])
        filters.setdefault(f"r2_{landmark}", column)
    if results[0].parts is not None:
        filters["part_interpretability"] = per_filter(lambda r: r.parts.per_filter)
        filters["part"] = named(per_filter(lambda r: r.parts.part), part_names)
    return filters


def _in_best_category(results, names, instability, r2):
    """Columns of each filter in the category that suits it best."""
    columns = {
        "best_category": np.array(
            [names[c] for c in _filled(instability, np.inf).argmin(axis=0)], dtype=object
        ),
        "best_instability": _best(instability, np.nanmin),
        "best_r2": _best(r2, np.nanmax),
    }
    if results[0].parts is not None:
        columns["best_part_interpretability"] = _best(
            np.stack([r.parts.per_filter for r in results]), np.nanmax
        )
    return columns


def _instability_or_random(results):
    return np.stack(
        [np.where(r.alive, r.instability.per_filter, r.random_instability) for r in results]
    )


def _r2_or_minus_one(results, way):
    # Where a measure is undefined for everybody (no landmarks, no facing) it stays undefined.
    tables = np.stack([getattr(r.tracking, f"best_{way}") for r in results])
    alive = np.stack([r.alive for r in results])
    defined = np.isfinite(tables).any(axis=1, keepdims=True)
    return np.where(~alive & defined, -1.0, tables)


def _filled(table, value):
    return np.where(np.isfinite(table), table, value)


def _best(table, reduce):
    """Best over the categories; NaN where no category is defined."""
    nothing = ~np.isfinite(table).any(axis=0)
    return np.where(nothing, np.nan, reduce(np.where(nothing, 0.0, table), axis=0))


def _mean(column):
    return float(mean_or_nan(column))


def _median(column):
    column = column[np.isfinite(column)]
    return float(np.median(column)) if len(column) else _NAN


def landmark_coverage(results, categories, landmark_names):
    """Coverage of each landmark, a dict of means over the categories, and what it leaves out.

    Returns:
        (dict of landmark to coverage, list of sentences).
    """
    if not landmark_names:
        return {}, []
    means = mean_or_nan(np.stack([r.coverage.per_landmark for r in results], axis=-1))
    several = len(categories) > 1
    left_out = [
        f"{landmark} of {category}" if several else landmark
        for category, result in zip(categories, results, strict=True)
        for landmark, value in zip(landmark_names, result.coverage.per_landmark, strict=True)
        if np.isnan(value)
    ]
    notes = []
    if left_out:
        notes.append(
            "Too few images, or always the same place, for coverage and anatomy: "
            f"{', '.join(left_out)}."
        )
    return dict(zip(landmark_names, means.tolist(), strict=True)), notes


def mean_tables(tables):
    """Means of the trivial detectors over the categories, and the best category's figures."""
    names = dict.fromkeys(name for table in tables for name in table)
    result = {}
    for name in names:
        rows = [table[name] for table in tables if name in table]
        result[name] = {key: _mean([row[key] for row in rows]) for key in rows[0]}
        if len(tables) > 1:
            for key, reduce in (
                ("instability", np.min),
                ("r2", np.max),
                ("part_interpretability", np.max),
            ):
                defined = [row[key] for row in rows if np.isfinite(row[key])]
                result[name][f"{key}_best_class"] = float(reduce(defined)) if defined else _NAN
    return result

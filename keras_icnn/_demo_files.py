"""The files that the demo writes: tables, networks, images of filters, a page."""

import numpy as np

from keras_icnn._files.csv_file import write_csv


def write_tables(out, reports):
    """CSV files: both networks with the trivial detectors, and each network filter by filter."""
    summary = out / "summary.csv"
    write_csv(summary, reports["interpretable"].table(reports["ordinary"]))
    paths = [summary]
    for name, report in reports.items():
        paths.append(out / f"filters_{name}.csv")
        report.to_csv(paths[-1])
    return paths


def write_models(out, models):
    """Both networks as `.keras` files."""
    paths = []
    for name, model in models.items():
        paths.append(out / f"{name}.keras")
        model.save(paths[-1])
    return paths


_RANKS = {"best": 0.0, "median": 0.5, "weak": 0.9}


def chosen_filters(report):
    """Filters to draw: the one with the highest R2, the median, and one better than a tenth only.

    The same rule for both networks, so that neither shows its best side only.

    Returns:
        dict of rank to the filter's number.
    """
    r2 = np.nan_to_num(report.filters["r2"], nan=-np.inf)
    order = np.argsort(-r2, kind="stable")
    return {rank: int(order[round(place * (len(order) - 1))]) for rank, place in _RANKS.items()}


def write_images(out, models, reports, data, count):
    """What the filters of both networks look at, drawn by the same rules.

    Args:
        out: folder.
        models, reports: dicts of the network's name.
        data: `PartDataset` of held-out images.
        count: how many images are drawn with three filters' maps each.

    Returns:
        List of paths.
    """
    positives = data.subset(np.flatnonzero(data.labels > 0))
    return [
        path
        for name, report in reports.items()
        for path in _network_images(out, models[name], name, report, positives, count)
    ]


def _network_images(out, model, name, report, positives, count):
    from keras_icnn import visualize
    from keras_icnn.metrics import MapReader

    layer = report.layer
    # One reader for all images, so that the forward pass is compiled once.
    options = {"radius": _radius(report), "reader": MapReader(model, layer)}
    shown = positives.take(6)
    title = f"{name.capitalize()} network"
    filters = chosen_filters(report)
    r2, landmark = report.filters["r2"], report.filters["r2_landmark"]
    # Below 0 a fixed place does better than the filter: it follows nothing.
    part = [where if value > 0 else "no part" for where, value in zip(landmark, r2, strict=True)]
    words = [f"filter {f}\nfollows {part[f]}\nR2 {r2[f]:.2f}" for f in filters.values()]
    for number in range(min(count, len(shown))):
        path = out / f"maps_{name}_{number + 1}.png"
        visualize.filter_maps(
            model,
            shown.image(number),
            list(filters.values()),
            layer,
            path,
            names=words,
            title=f"{title}: its best, median and a weak filter by R2",
            **options,
        )
        yield path
    for rank in ("best", "median"):
        f = filters[rank]
        path = out / f"gallery_{name}_{rank}.png"
        follows = f"{title}, {rank} filter ({f}): follows {part[f]} with R2 {r2[f]:.2f}"
        visualize.filter_gallery(model, positives, f, layer, 12, path, title=follows, **options)
        yield path
    path = out / f"heatmap_{name}.png"
    where = f"{title}: where its {len(report.filters['filter'])} filters fire"
    visualize.part_heatmap(model, shown, layer, path, title=where, **options)
    yield path


def write_page(out, models, reports, data):
    """The HTML report of both networks.

    Returns:
        List of its path; empty where Jinja2 is not installed.
    """
    from keras_icnn import visualize

    try:
        page = visualize.report(
            models["interpretable"],
            data,
            out / "report.html",
            models["ordinary"],
            compare_layer=reports["ordinary"].layer,
            radius=_radius(reports["ordinary"]),
        )
    except ImportError:
        return []
    return [page]


def _radius(report):
    """The receptive field's radius in pixels, None where it was not found."""
    radius = report.values["radius"]
    return radius if np.isfinite(radius) else None

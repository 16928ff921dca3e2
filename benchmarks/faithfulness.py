"""Explanations by parts beside saliency maps, on photographs: faithfulness, flags, corruptions.

    python benchmarks/faithfulness.py --data DATA --out runs/faithfulness --images 10

Trains what is not trained yet (zoo/recipes/squeezenet.toml or another recipe: the ordinary network
and the interpretable one of each category, seed 0), and measures what is not measured yet: stopped
and started again it goes on, image by image. Writes `faithfulness.csv` (a row an image and method),
`networks.csv` (a row a network), `pointing.csv`, `flags.csv` and `corruptions.csv` into OUT, and
prints the means.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from keras_icnn import datasets, explanations, metrics
from keras_icnn._files.csv_file import write_csv
from keras_icnn.recipes import read_recipe, run_recipe

_CATEGORIES = ("antelope", "bear", "cattle", "koala", "monkey", "squirrel")
_VARIANTS = ("ordinary_extra", "interpretable")
_RECIPES = Path(__file__).parent.parent / "zoo/recipes"


class Table:
    """Rows of a CSV file that grows."""

    def __init__(self, path):
        import csv

        self.path, self.rows = path, []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    def has(self, **key):
        return any(all(str(row[k]) == str(v) for k, v in key.items()) for row in self.rows)

    def add(self, rows):
        self.rows += rows
        write_csv(self.path, self.rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with animal_part/ and weights/")
    parser.add_argument("--out", default="runs/faithfulness")
    parser.add_argument("--recipe", default="squeezenet", help="with a category a network")
    parser.add_argument("--category", action="append")
    parser.add_argument("--images", type=int, default=10, help="for the curves, a category")
    parser.add_argument("--bounds", type=int, default=2, help="images with an upper bound")
    parser.add_argument("--changed", type=int, default=3, help="images explained when changed")
    parser.add_argument("--strength", type=int, action="append", help="of corruptions, 1 to 3")
    parser.add_argument("--variant", action="append", help="of the recipe; two by default")
    parser.add_argument("--only", choices=tuple(_MEASURES), action="append")
    args = parser.parse_args()
    categories = args.category or list(_CATEGORIES)
    out = Path(args.out)
    variants = args.variant or list(_VARIANTS)
    recipe = read_recipe(_RECIPES / f"{args.recipe}.toml")
    radii = trained(recipe, args.data, out, categories, variants)
    splits = datasets.read("animal_part", Path(args.data) / "animal_part")
    wanted = args.only or list(_MEASURES)
    for what in wanted:
        table = Table(out / f"{what}.csv")
        for category in categories:
            test, reference = halves(splits.test.select(["negative", category]))
            for variant in variants:
                run = {"category": category, "variant": variant}
                _MEASURES[what](args, table, run, out, test, reference, radii[category, variant])
        print(f"{what}\n{means(table, what)}\n", flush=True)


def trained(recipe, data, out, categories, variants):
    """Trains what is not trained yet; the measured radius of each network's receptive field."""
    data_of = dataclasses.replace(recipe.data, categories=tuple(categories))
    recipe = dataclasses.replace(recipe, data=data_of)
    rows = run_recipe(recipe, data, out, seeds=[0], variants=variants)
    return {
        (row["category"], row["variant"]): float(row["radius"])
        for row in rows
        if row["kind"] == "network"
        and row["category"] in categories
        and row["variant"] in variants
        and str(row["seed"]) == "0"
    }


def network(out, run):
    """The trained network of a category and variant."""
    import keras

    pattern = f"*-{run['variant']}-{run['category']}-0.keras"
    found = sorted((out / "models").glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(
            f"There must be one file {out / 'models' / pattern}. Received: {len(found)} files. "
            f"Remove the rows of this network from {out / 'results.csv'}, and it is trained again."
        )
    keras.backend.clear_session()
    return keras.models.load_model(found[0])


def halves(test):
    """(images to measure, reference images) of the test split: the recipe trains on the others.

    Of each class every second image: at most 60 are measured, at most 100 are reference.
    """
    measured, reference = [], []
    for c in (0, 1):
        mine = np.flatnonzero(test.labels == c)
        measured += mine[::2][:60].tolist()
        reference += mine[1::2][:100].tolist()
    return test.subset(measured), test.subset(reference)


def annotated(dataset):
    """Positions of the images with an annotated part."""
    known = np.isfinite(dataset.landmarks).all(axis=-1).any(axis=1)
    return np.flatnonzero(known & (dataset.labels == 1))


def curves(args, table, run, out, test, reference, radius):
    """Adds what `evaluate_faithfulness` gives, for images that have no row yet."""
    wanted = annotated(test)[: args.images]
    todo = [i for i in wanted if not table.has(file=name_of(test.files[i]), **run)]
    if not todo:
        return
    done = len(wanted) - len(todo)
    report = explanations.evaluate_faithfulness(
        network(out, run),
        test.subset(todo),
        # Only which filters are one part is asked of them here.
        reference=reference.subset(annotated(reference)[:40]),
        radius=radius,
        images=len(todo),
        upper_bound=max(args.bounds - done, 0),
        sensitivity=max(args.changed - done, 0),
        batch_size=14,
    )
    table.add([{**run, **row, "file": name_of(row["file"])} for row in report.rows])
    networks = Table(out / "networks.csv")
    row = {**run, "images": len(todo), "outside_share": report.outside_share}
    for which, drops in (("peak", report.drops), ("named", report.named_drops)):
        for part, drop in drops.items():
            row[f"{part}_{which}_there"], row[f"{part}_{which}_elsewhere"] = drop[:2]
    networks.add([row])
    print(f"{run['category']}, {run['variant']}\n{report.summary()}\n", flush=True)


def name_of(file):
    """A file's name and folder, which tell images apart wherever the data set lies."""
    return "/".join(Path(file).parts[-2:])


def flags(args, table, run, out, test, reference, radius):
    """Adds how often decisions are flagged, and how often flagged ones are wrong."""
    if table.has(**run):
        return
    explainer = explanations.Explainer(
        network(out, run), "gradient", reference=reference, class_names=test.class_names
    )
    rows, batches = [], test.batches(30)
    for batch, labels in (batches[n] for n in range(len(batches))):
        for found, label in zip(explainer.batch(batch), labels, strict=True):
            kinds = {
                k: any(k in w for w in found.warnings)
                for k in ("follow no", "border", "background")
            }
            rows.append((found.prediction != label, found.outside_share, found.prediction, kinds))
    wrong = np.array([r[0] for r in rows])
    flagged = np.array([any(r[3].values()) for r in rows])
    animal = np.array([r[2] == 1 for r in rows])
    table.add(
        [
            {
                **run,
                "images": len(rows),
                "flagged": flagged.mean(),
                **{f"flagged_{k}": np.mean([r[3][k] for r in rows]) for k in rows[0][3]},
                "wrong": wrong.mean(),
                "wrong_if_flagged": share(wrong, flagged),
                "wrong_if_not": share(wrong, ~flagged),
                "outside_share_animal": np.nanmean(np.array([r[1] for r in rows])[animal]),
                "limits": {
                    f"{c} {n}": round(v, 2) for (c, n), v in explainer.checks.limits.items()
                },
            }
        ]
    )


def share(values, which):
    return float(values[which].mean()) if which.any() else float("nan")


def corruptions(args, table, run, out, test, reference, radius):
    """Adds accuracy, tracking and displacement on corrupted images."""
    if table.has(**run):
        return
    some = np.concatenate([annotated(test), np.flatnonzero(test.labels == 0)[:40]])
    rows = metrics.evaluate_corruptions(
        network(out, run), test.subset(some), strengths=args.strength or (1, 2, 3), batch_size=20
    )
    table.add([{**run, **row} for row in rows])


def pointing(args, table, run, out, test, reference, radius):
    """Adds how often the part that suits each annotated part best points at it.

    Of the layer's parts (of an ordinary layer: groups of filters that fire alike) the one with most
    hits on the reference images is chosen, and counted on the measured ones. So is the best fixed
    place. The other methods have one place an image, whatever part is asked for.
    """
    if table.has(**run):
        return
    explainer = explanations.Explainer(
        network(out, run), "gradient", reference=reference, class_names=test.class_names
    )
    maps = explanations.SaliencyMaps(explainer.model, batch_size=14)
    found = [places(explainer, data.subset(annotated(data))) for data in (reference, test)]
    for k, part in enumerate(test.part_names):
        rates = [np.nanmean(hits[:, :, k], axis=0) for hits, _ in found]
        chosen = int(rates[0].argmax())
        shown = test.subset(annotated(test))
        cam, strongest = [], []
        for i in range(len(shown)):
            if not shown.part_masks(i)[k].any():
                continue
            mask, image = shown.part_masks(i)[k][None], shown.image(i)
            point = metrics.highest_point(maps.grad_cam(image, 1))
            cam.append(metrics.pointing_game(point[None], mask)[0])
            point = explanations.strongest_point(explainer(image, 1))
            strongest.append(metrics.pointing_game(point[None], mask)[0])
        fixed = [grid_hits(data.subset(annotated(data)), k) for data in (reference, test)]
        row = {"part": part, "images": len(cam), "chosen_part": rates[1][chosen]}
        row |= {"strongest_part": np.mean(strongest), "grad_cam": np.mean(cam)}
        row |= {"fixed_place": fixed[1][fixed[0].argmax()], "random": fixed[1].mean()}
        table.add([{**run, **row}])


def places(explainer, data):
    """(hits `[images, groups, parts]`, groups): whether each group's place lies in each part."""
    groups = explainer.groups.groups
    hits = np.full((len(data), len(groups), len(data.part_names)), np.nan)
    for i in range(len(data)):
        peaks, heights = explainer.peaks(data.image(i)[None])
        strongest = [max(group, key=lambda f: heights[0, f]) for group in groups]
        points = np.where(heights[0, strongest, None] > 0, peaks[0, strongest], np.nan)
        for k, mask in enumerate(data.part_masks(i)):
            if mask.any():
                masks = np.broadcast_to(mask, (len(groups), *mask.shape))
                hits[i, :, k] = metrics.pointing_game(points, masks)
    return hits, groups


def grid_hits(data, k):
    """How often each of 13 x 13 fixed places lies in a part: `[169]`."""
    at = np.rint(np.linspace(15, 207, 13)).astype(int)
    masks = [data.part_masks(i)[k] for i in range(len(data))]
    return np.mean([m[np.ix_(at, at)].ravel() for m in masks if m.any()], axis=0)


_MEASURES = {
    "curves": curves,
    "pointing": pointing,
    "flags": flags,
    "corruptions": corruptions,
}
_BY = {
    "curves": ("variant", "method"),
    "pointing": ("part", "variant"),
    "flags": ("variant",),
    "corruptions": ("variant", "kind", "strength"),
}


def means(table, what):
    """The means over categories of the means over images, as text."""
    by, groups = _BY[what], {}
    for row in table.rows:
        groups.setdefault(tuple(row[k] for k in by), {}).setdefault(row["category"], []).append(row)
    lines = []
    for key, categories in groups.items():
        names = [k for k in table.rows[0] if k not in (*by, "category", "file", "limits")]
        cells = []
        for name in names:
            found = [mean([row.get(name, "") for row in rows]) for rows in categories.values()]
            value = mean(found)
            if np.isfinite(value):
                cells.append(f"{name} {value:.3f}")
        lines.append(f"{', '.join(key)} ({len(categories)} categories): {', '.join(cells)}")
    return "\n".join(lines)


def mean(values):
    numbers = np.array([float(v) for v in values if v not in ("", None)], float)
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.mean()) if len(numbers) else float("nan")


if __name__ == "__main__":
    main()

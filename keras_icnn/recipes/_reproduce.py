"""The paper's tables: runs the recipes of one, and prints it with the paper's figures beside."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_icnn import __version__
from keras_icnn._files.csv_file import write_csv
from keras_icnn._files.whole_file import replacing
from keras_icnn.layers._filter_loss import FilterLoss
from keras_icnn.recipes._beside_paper import Cell, Line, table_rows, table_text
from keras_icnn.recipes._digests import run_digest
from keras_icnn.recipes._format import RecipeError
from keras_icnn.recipes._paper_tables import RULES, read_table, recipes_folder
from keras_icnn.recipes._read_recipe import read_recipe
from keras_icnn.recipes._run import Job, run_recipes
from keras_icnn.recipes._store import on_all_images
from keras_icnn.recipes._summaries import compare, summarize

if TYPE_CHECKING:
    import os

__all__ = ["reproduce"]


class Reproduced(NamedTuple):
    """The table as text, its cells as a list of dicts, and the folder's two files of them."""

    text: str
    rows: list[dict[str, Any]]
    files: tuple[Path, ...]


def reproduce(
    table: str,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    networks: Sequence[str] | None = None,
    data_sets: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    rules: Sequence[str] = (),
    recipes: Sequence[str | os.PathLike[str]] = (),
    all_images: bool = False,
    train: bool = True,
    verbose: bool = True,
) -> Reproduced:
    """Runs what a table of the paper needs and has not been run yet, and prints the table.

    Tables share runs: in one folder, Table 4 after Table 1 only has to be printed.

    Args:
        table: `"table1"` to `"table7"`.
        data: Folder that holds the data sets and weights the recipes name.
        out: Folder for results, as in `run_recipe`; the table goes to `table3.txt` and
            `table3.csv` in it.
        networks: Names in the zoo, such as `"vgg_m"` or `"squeezenet"`; None: the paper's.
        data_sets: Only the columns on these (`"animal_part"`, `"cub200"`, `"pascal_part"`).
        categories: Only these of the single-category tasks, as the paper's heading or the data set
            names them.
        seeds: None: those of the recipes.
        rules: Of `"paper"` and `"official"`, those to train interpretable networks with besides the
            package's own.
        recipes: Paths of recipes to run in place of the shipped ones, in the columns of their data
            set, task and loss; None of the networks need be chosen then.
        all_images: Whether to measure on all images, the trained ones included, as the paper's
            authors do; else on held-out ones.
        train: False prints what has been measured.
        verbose: Whether to print progress.

    Returns:
        A `Reproduced`.

    Raises:
        RecipeError: When there is no recipe for what is asked, or one cannot be run.

    Example:

    ```python
    made = icnn.recipes.reproduce("table3", "DATA", "runs/tables", networks=["squeezenet"])
    ```
    """
    paper = read_table(table)
    own = [read_recipe(path) for path in recipes]
    plans = _plans(paper, own, networks, data_sets, seeds)
    networks = networks or _networks_of(plans, paper, own)
    _require(networks, plans, paper, own, data_sets)
    planned = [(p, _job(p, paper, networks, categories, rules)) for p in plans.values()]
    used = [(plan, job) for plan, job in planned if job.variants]
    jobs = [job for _, job in used]
    done = run_recipes(jobs, data, out, all_images=all_images, train=train, verbose=verbose)
    lines = _lines(paper, networks, used, done)
    titles = _titles(dict.fromkeys([*networks, *paper.networks]))
    table_of_paper = table_text(paper, lines, titles, _notes(used, all_images))
    text = "\n".join([table_of_paper, *_more(used, done)])
    shared = {
        "measured_on": "all images" if all_images else "held-out",
        "seeds": "+".join(map(str, _seeds(used))),
        "keras_icnn": __version__,
    }
    rows = table_rows(paper, lines, shared)
    return Reproduced(text, rows, _write(Path(out), table, all_images, text, rows))


# --- which recipes --------------------------------------------------------------------------------


class _Plan(NamedTuple):
    """A recipe, and the places of the columns that it fills."""

    recipe: object
    columns: list


def _plans(paper, own, networks, data_sets, seeds):
    """The recipes of the table's columns by their content: one that is given twice counts once."""
    plans = {}
    shipped = {}
    for k, column in enumerate(paper.columns):
        for name in column.recipes:
            if name not in shipped:
                shipped[name] = read_recipe(recipes_folder() / f"{name}.toml")
        protocol = _protocol(shipped[column.recipes[0]])
        chosen = [r for r in own if _protocol(r) == protocol] if own else None
        for recipe in [shipped[n] for n in column.recipes] if chosen is None else chosen:
            if data_sets and recipe.data.reader not in data_sets:
                continue
            if networks and not any(v.base_network in networks for v in recipe.variants):
                continue
            if seeds:
                recipe = dataclasses.replace(recipe, seeds=tuple(seeds))
            plans.setdefault(_content(recipe), _Plan(recipe, [])).columns.append(k)
    return plans


def _networks_of(plans, paper, own):
    """The paper's networks, or those of the recipes that were given in place of the shipped."""
    if not own:
        return paper.networks
    return list(
        dict.fromkeys(v.base_network for plan in plans.values() for v in plan.recipe.variants)
    )


def _content(recipe):
    """What two recipes that ask for the same runs have in common."""
    runs = tuple((variant.name, run_digest(recipe, variant)) for variant in recipe.variants)
    return recipe.seeds, recipe.data.categories, runs


def _protocol(recipe):
    return recipe.data.reader, recipe.data.task, recipe.training.loss


def _require(networks, plans, paper, own, data_sets):
    found = {v.base_network for plan in plans.values() for v in plan.recipe.variants}
    missing = [n for n in networks if n not in found]
    if plans and not missing:
        return
    wanted = sorted(
        {_protocol(read_recipe(recipes_folder() / f"{c.recipes[0]}.toml")) for c in paper.columns}
    )
    raise RecipeError(
        f"{paper.name} has no recipe for {', '.join(missing) or 'this'}"
        + (f" on {', '.join(data_sets)}" if data_sets else "")
        + (" among those given with --recipe" if own else "")
        + ". Write one, with (reader, task, loss) one of "
        + ", ".join(map(str, wanted))
        + f", and pass it with --recipe; the shipped ones are in '{recipes_folder()}'."
    )


def _job(plan, paper, networks, categories, rules):
    recipe = plan.recipe
    variants = [
        v.name
        for v in recipe.variants
        if v.base_network in networks and _rule_of(v) in (None, *rules)
    ]
    chosen = None
    if categories and recipe.data.task == "single-category":
        chosen = [_category(paper, name) for name in categories]
    return Job(recipe, None, variants, chosen)


def _rule_of(variant):
    """The rule that a variant stands for: "paper", "official", or None for all others."""
    return next((r for r in RULES if variant.rule == FilterLoss.parse(r)), None)


def _category(paper, name):
    """A category by the paper's heading or by the data set's name."""
    return next((c.category for c in paper.columns if c.category and c.name == name), name)


# --- what came out --------------------------------------------------------------------------------


def _lines(paper, networks, used, done):
    lines = []
    for network in networks:
        # Recipes of one network may have the same variants, as for the losses.
        variants = {}
        for plan, job in used:
            for variant in plan.recipe.variants:
                if variant.kind == "trained" and _runs(plan, job, variant.name, network):
                    variants.setdefault(variant.name, variant)
        for variant in variants.values():
            figures = {f for column in paper.columns for f in column.figures}
            cells = {
                f: [_cell(c, k, f, variant, used, done) for k, c in enumerate(paper.columns)]
                for f in figures
            }
            lines.append(
                Line(
                    network,
                    _titles([network])[network],
                    _label(variant),
                    variant.network != variant.base_network,
                    cells,
                )
            )
    return lines


def _cell(column, place, figure, variant, used, done):
    for (plan, job), (rows, categories) in zip(used, done, strict=True):
        mine = _runs(plan, job, variant.name, variant.base_network)
        if place not in plan.columns or not mine:
            continue
        chosen = [column.category] if column.category else list(categories)
        if column.category and column.category not in categories:
            continue
        seeds = plan.recipe.seeds
        values = [
            _figure(row, figure)
            for row in rows
            if row["variant"] == variant.name
            and row["category"] in chosen
            and str(row["seed"]) in {str(s) for s in seeds}
        ]
        return Cell.of(values, len(chosen) * len(seeds))
    return Cell.of([], 0)


def _runs(plan, job, name, network):
    """Whether a job has a variant of this name, of this network: others may call theirs alike."""
    return name in job.variants and plan.recipe.variant(name).base_network == network


def _figure(row, name):
    text = row.get(name)
    return math.nan if text in (None, "") else float(text)


def _label(variant):
    name = variant.name.removeprefix(variant.base_network).strip("_").replace("_", " ")
    return name or "ordinary"


def _titles(networks):
    from keras_icnn.zoo._manifest import MANIFEST

    return {n: MANIFEST[n].title if n in MANIFEST else n for n in networks}


def _notes(used, all_images):
    measured = (
        "Measured on ALL images, those trained on included, as the authors' code does"
        if all_images
        else "Measured on held-out images"
    )
    return [f"{measured}; seeds {', '.join(map(str, _seeds(used)))}."]


def _seeds(used):
    return sorted({s for plan, _ in used for s in plan.recipe.seeds})


def _more(used, done):
    """Every measure of every network, with the trivial detectors: a table's one figure can fool."""
    for (plan, _), (rows, _) in zip(used, done, strict=True):
        rows = [{**row, "kind": on_all_images(row["kind"], False)} for row in rows]
        if rows:
            yield f"\n{plan.recipe.title}: all measures\n{summarize(rows)}\n\n{compare(rows)}"


def _write(out, table, all_images, text, rows):
    name = f"{table}-all_images" if all_images else table
    files = out / f"{name}.txt", out / f"{name}.csv"
    with replacing(files[0]) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    write_csv(files[1], rows)
    return files

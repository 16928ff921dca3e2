"""What a run prints: how much there is to do, each result, and the time that is left."""

import numpy as np

from keras_icnn.recipes._store import TRIVIAL
from keras_icnn.recipes._summaries import number


def tell_plan(recipe, runs, todo):
    """Prints how many of a recipe's runs are still to be done."""
    print(
        f"{recipe.title}: {len(runs)} runs, {len(runs) - len(todo)} of them done already",
        flush=True,
    )


def tell_done(run, row, done, total, left, rows, session):
    """Prints the result of a run.

    Args:
        run: `Run`.
        row: Its row.
        done: Number of runs done so far.
        total: Number of runs that there were to do.
        left: List of `Run`, still to be done.
        rows: List of all rows of the folder.
        session: List of the rows of this session.
    """
    minutes = _seconds_left(left, rows, session) / 60
    print(
        f"[{done}/{total}] {run.category}, {run.variant.name}, seed {run.seed}: accuracy "
        f"{number(row['accuracy'], 3)}, instability {number(row['instability'], 3)}, R2 "
        f"{number(row['r2'], 2)} ({row['seconds']} s; about {minutes:.0f} min left)",
        flush=True,
    )


def _seconds_left(left, rows, session):
    """What the runs may take: each as long as those of its recipe and variant, else of all."""
    known = {}
    for row in rows:
        if row["kind"] != TRIVIAL and row.get("seconds"):
            key = (row["recipe_sha256"], row["variant"])
            known.setdefault(key, []).append(float(row["seconds"]))
    overall = np.mean([float(row["seconds"]) for row in session])
    return sum(
        np.mean(known.get((run.sources["recipe_sha256"], run.variant.name), overall))
        for run in left
    )

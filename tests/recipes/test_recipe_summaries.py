"""Results as text."""

import re
import shutil
from pathlib import Path

import pytest

from keras_icnn import recipes
from keras_icnn.recipes._store import Results

RESULTS = Path(__file__).parents[2] / "zoo" / "results"


def row(variant, kind="network", beside="", **figures):
    return {"variant": variant, "kind": kind, "beside": beside, "category": "fox", "seed": 0} | {
        key: str(value) for key, value in figures.items()
    }


def test_comparison_by_hand():
    twin = {"accuracy": 0.9, "instability": 0.1, "diversity": 0.4, "part_interpretability": 0.1}
    ordinary = row("twin", **twin, coverage=0.3)
    own = {"accuracy": 0.88, "instability": 0.05, "diversity": 0.1, "part_interpretability": 0.5}
    mine = row("mine", **own, r2=0.5, coverage=0.45)
    whole = row("whole image", "trivial detector", "mine", part_interpretability=0.3)
    other = row("whole image", "trivial detector", "twin", part_interpretability=0.9)
    taught = row("taught", "supervised detector", r2=0.75)
    line = recipes.compare([ordinary, mine, whole, other, taught]).splitlines()[-1].split()
    assert line == ["mine", "1", "-2.0", "-", "0.50", "0.25", "+0.20", "-0.25", "-", "+0.15"]


def test_rows_without_the_newer_measures_are_read():
    """Tables of results that were written before a column existed lack it, or leave it empty."""
    old = row("old", accuracy=0.9, r2=0.5)
    new = row("new", accuracy=0.8, r2=0.6, coverage=0.45, parts_followed=3.0, anatomy=0.7)
    heading, old_line, new_line = (
        re.split(r"\s\s+", line.strip()) for line in recipes.summarize([old, new]).splitlines()
    )
    old_cells = dict(zip(heading, old_line[1:], strict=True))
    new_cells = dict(zip(heading, new_line[1:], strict=True))
    shown = ("accuracy", "R2", "cover.", "followed", "anatomy")
    assert [old_cells[name] for name in shown] == ["0.900", "0.50", "-", "-", "-"]
    assert [new_cells[name] for name in shown] == ["0.800", "0.60", "0.45", "3.0", "0.70"]
    assert recipes.compare([old, new]).splitlines()[-1].split()[-1] == "-"


@pytest.mark.parametrize("name", ["table3_squeezenet.csv", "multi_category_logistic.csv"])
def test_a_row_with_the_newer_measures_joins_a_table_without(tmp_path, name):
    file = tmp_path / "results.csv"
    shutil.copy(RESULTS / name, file)
    keys = ("recipe_sha256", "kind", "variant", "category", "seed")
    results = Results(file, keys)
    before = [dict(row) for row in results.rows]
    assert before and "coverage" not in before[0]
    results.add(before[0] | {"variant": "newer", "coverage": 0.45, "anatomy": 0.7})
    *old, new = Results(file, keys).rows
    assert (new["variant"], new["coverage"], new["anatomy"]) == ("newer", "0.45", "0.7")
    assert all(row.pop("coverage") == row.pop("anatomy") == "" for row in old) and old == before
    assert "newer" in recipes.summarize([*old, new])

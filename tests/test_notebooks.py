"""Notebooks are what their scripts say; their outputs are small and tell nothing of a machine.

`tests/run_all.py` executes them. `python tests/renew_notebooks.py` writes them anew.
"""

import re
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext", reason="needs pip install jupytext")

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
# Of those with outputs; the others have none at all.
LARGEST = 1_500_000
PATH = re.compile(r"(?<![\w:/.])(/(home|root|tmp|Users|work|usr|opt|var|mnt|data)/|[A-Z]:\\\\)")


def outputs(notebook):
    return [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]


def test_every_notebook_has_a_script():
    assert SCRIPTS
    assert {p.stem for p in SCRIPTS} == {p.stem for p in FOLDER.glob("*.ipynb")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_pair(script):
    written, notebook = jupytext.read(script), jupytext.read(script.with_suffix(".ipynb"))
    # python tests/renew_notebooks.py --sources
    assert [(c.cell_type, c.source) for c in written.cells] == [
        (c.cell_type, c.source) for c in notebook.cells
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_outputs_are_small_and_clean(script):
    path = script.with_suffix(".ipynb")
    assert path.stat().st_size <= LARGEST
    for output in outputs(jupytext.read(path)):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert PATH.findall(text) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_outputs_are_of_one_whole_run(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    # Or none at all, where it has not been run in its full setting yet.
    whole = list(range(1, len(counts) + 1)) if outputs(notebook) else [None] * len(counts)
    assert counts == whole, f"run: python tests/renew_notebooks.py {script.stem}"

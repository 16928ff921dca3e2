"""Notebooks are what their scripts say, and hold no outputs. `tests/run_all.py` executes them."""

from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext", reason="needs pip install jupytext")

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def test_every_notebook_has_a_script():
    assert SCRIPTS
    assert {p.stem for p in SCRIPTS} == {p.stem for p in FOLDER.glob("*.ipynb")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_pair(script):
    written, notebook = jupytext.read(script), jupytext.read(script.with_suffix(".ipynb"))
    # jupytext --sync notebooks/*.py writes the notebooks anew.
    assert [(c.cell_type, c.source) for c in written.cells] == [
        (c.cell_type, c.source) for c in notebook.cells
    ]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None

"""The examples in the docstrings of public names run, with the stand-ins of the pages' code.

Those in `PARSED` are compiled only, for the reason that stands there.
"""

import importlib
import inspect
import re
import textwrap

import pytest
import stand_ins
from test_reference import ROOMS
from tiers import slow_except

PARSED = {
    "read_matconvnet": "needs a file of weights",
    "read_recipe": "needs the repository's folder",
    "Recipe": "needs the repository's folder",
    "run_recipe": "needs photographs",
    "reproduce": "needs photographs",
    "make_interpretable": "downloads weights",
    "train_folder": "trains a large network",
    "benchmark_network": "builds a large network",
    "name_parts": "needs a network that knows tigers",
    "without_parts": "needs a network that knows tigers",
}
_CODE = re.compile(r"^ *```python\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def examples():
    """Name and code of each example of a public function or class."""
    found = {}
    for room in ROOMS:
        module = importlib.import_module(f"keras_icnn.{room}")
        for name in module.__all__:
            text = inspect.getdoc(getattr(module, name)) or ""
            codes = [textwrap.dedent(code) for code in _CODE.findall(text)]
            if codes:
                found[name] = codes
    return found


EXAMPLES = examples()
# What people copy first.
ALWAYS = ("FilterLoss", "InterpretableConv", "adapt_parts", "explain", "labels")


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_compiles(name):
    for code in EXAMPLES[name]:
        compile(code, name, "exec", dont_inherit=True)


def test_the_exceptions_have_examples():
    assert set(PARSED) <= set(EXAMPLES)


@pytest.mark.tensorflow_only("the examples are those of the default backend")
@stand_ins.WARNINGS_ARE_SHOWN
@pytest.mark.parametrize("name", slow_except(ALWAYS, sorted(set(EXAMPLES) - set(PARSED))))
def test_it_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stand_ins.folder(tmp_path)
    stand_ins.put_in_place(monkeypatch)
    for code in EXAMPLES[name]:
        exec(compile(code, name, "exec", dont_inherit=True), stand_ins.names(tmp_path))

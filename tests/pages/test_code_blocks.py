"""Every code block of the README and of the pages works.

- Python is run, page by page, with the small stand-ins of `stand_ins.py`; or compiled, where the
  page has a comment that says why it is not run.
- A shell line of `keras-icnn` is parsed by the command's own parser, and run where it needs nothing
  but the stand-ins' files. Files of this repository that a line names exist, extras exist. Other
  programs are from a list of those that pages use.
- TOML is read.
"""

import json
import re
import shlex
import tomllib

import keras
import pytest
import stand_ins
from blocks import PAGES, ROOT, blocks, name, pages_with
from tiers import slow_except

from keras_icnn.cli import main
from keras_icnn.cli._main import make_parser
from keras_icnn.recipes import read_recipe

# What these verbs need, the stand-ins have.
RUN = {"explain", "report", "evaluate", "models"}
# Programs of others, and of the shell, that the pages call.
OTHERS = {
    "cd",
    "cp",
    "curl",
    "docker",
    "git",
    "mlserver",
    "pip",
    "saved_model_cli",
    "tensorflow_model_server",
}
# What people copy first.
ALWAYS = ("README.md", "docs/start/own_images.md", "docs/start/own_network.md")
TOOLS = {"pytest", "ruff", "codespell", "lint-imports", "mkdocs", "pre-commit", "pyright"}


@pytest.mark.tensorflow_only("the pages' code is that of the default backend")
@stand_ins.WARNINGS_ARE_SHOWN
@pytest.mark.parametrize("page", slow_except(ALWAYS, pages_with("python"), name))
def test_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stand_ins.folder(tmp_path)
    stand_ins.put_in_place(monkeypatch)
    known, earlier = stand_ins.names(tmp_path), {}
    for block in blocks(page, "python"):
        lines = "\n" * (block.line - 1) + block.code
        if block.not_run is None:
            # A block sees what earlier ones made, and stand-ins as they were.
            scope = {**earlier, **known}
            exec(compile(lines, str(page), "exec", dont_inherit=True), scope)
            earlier |= scope


@pytest.mark.parametrize("page", pages_with("python"), ids=name)
def test_python_compiles(page):
    for block in blocks(page, "python"):
        compile(block.code, str(page), "exec", dont_inherit=True)


@pytest.mark.parametrize("page", pages_with("toml"), ids=name)
def test_toml_is_read(page, tmp_path):
    for block in blocks(page, "toml"):
        content = tomllib.loads(block.code)
        if "data" in content:
            path = tmp_path / "page.toml"
            path.write_text(block.code, encoding="utf-8")
            assert read_recipe(path).variants


def test_every_block_says_its_language():
    for page in PAGES:
        for block in blocks(page, ""):
            # A tree of files.
            assert "/" in block.code.splitlines()[0], f"{name(page)}, line {block.line}"


def commands():
    """Page, line and words of every command of the pages."""
    found = []
    for page in pages_with("bash"):
        for block in blocks(page, "bash"):
            code = block.code.replace("\\\n", " ")
            for number, line in enumerate(code.splitlines()):
                words = shlex.split(line, comments=True)
                while words:
                    cut = words.index("&&") if "&&" in words else len(words)
                    one = [word for word in words[:cut] if not re.match(r"[A-Z_]+=", word)]
                    found.append((f"{name(page)}:{block.line + number}", one))
                    words = words[cut + 1 :]
    return found


COMMANDS = commands()
OURS = [(at, words[1:]) for at, words in COMMANDS if words[0].endswith("keras-icnn")]


@pytest.mark.parametrize("at, words", OURS, ids=[at for at, _ in OURS])
def test_the_command_takes_it(at, words):
    make_parser().parse_args(words)
    for word in words:
        if word.startswith("zoo/"):
            assert (ROOT / word).is_file()
            assert read_recipe(ROOT / word).variants


@pytest.mark.slow
@pytest.mark.tensorflow_only("the pages' code is that of the default backend")
@stand_ins.WARNINGS_ARE_SHOWN
def test_the_command_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stand_ins.folder(tmp_path)
    ran = [words for _, words in OURS if words[0] in RUN and not set(words) & {"MODEL", "IMAGE"}]
    assert len(ran) >= 2
    for words in ran:
        assert main(words) == 0, (words, capsys.readouterr().err)
        keras.backend.clear_session()


def test_other_commands_are_known_and_what_they_name_exists():
    for at, words in COMMANDS:
        program = words[0].rpartition("/")[2]
        if program == "keras-icnn":
            continue
        for word in words[1:]:
            if word.startswith(("tests/", "zoo/", "examples/", "notebooks/", "benchmarks/")):
                assert list(ROOT.glob(word.partition("::")[0])), f"{at}: {word}"
        if re.fullmatch(r"python[\d.]*", program):
            continue
        if program == "pip":
            extras = re.findall(r"\[([\w,]+)\]", " ".join(words))
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
            known = set(project["project"]["optional-dependencies"])
            assert {e for group in extras for e in group.split(",")} <= known, at
        assert program in OTHERS | TOOLS, f"{at}: {program}"


def test_scripts_have_the_options_that_pages_give_them():
    for at, words in COMMANDS:
        scripts = [w for w in words if w.endswith(".py") and (ROOT / w).is_file()]
        if not scripts or not re.fullmatch(r"python[\d.]*", words[0].rpartition("/")[2]):
            continue
        text = (ROOT / scripts[0]).read_text(encoding="utf-8")
        after = words[words.index(scripts[0]) + 1 :]
        for option in (word for word in after if word.startswith("--")):
            assert f'"{option}"' in text, f"{at}: {option}"


@pytest.mark.parametrize("page", pages_with("json"), ids=name)
def test_json_is_read(page):
    for block in blocks(page, "json"):
        assert json.loads(block.code)

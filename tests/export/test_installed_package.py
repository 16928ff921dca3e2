"""The wheel, installed where there is no repository: the recipes are in it and its command runs."""

import shutil
import subprocess
import tomllib

import environments
import pytest

_BUILT_FROM = ("keras_icnn", "zoo", "pyproject.toml", "README.md", "LICENSE")
_RECIPES = """
from pathlib import Path
import keras_icnn
from keras_icnn import recipes
from keras_icnn.recipes import _paper_tables
folder = _paper_tables.recipes_folder()
assert folder.parent == Path(keras_icnn.__file__).resolve().parent, folder
print(*sorted(recipes.read_recipe(path).name for path in folder.glob("*.toml")))
"""


@pytest.mark.slow
def test_a_wheel_brings_its_recipes_and_its_command(tmp_path, request):
    root = request.config.rootpath
    with open(root / "pyproject.toml", "rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    interpreter = environments.make(tmp_path, "package", "setuptools>=77", *needed)
    # Building leaves files beside what is built.
    source = tmp_path / "source"
    source.mkdir()
    for name in _BUILT_FROM:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, source / name)
    pip = ("-m", "pip", "--disable-pip-version-check")
    built = ("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    environments.run(interpreter, *pip, *built, folder=tmp_path)
    shutil.rmtree(source)
    (wheel,) = tmp_path.glob("*.whl")
    installed = ("install", "-q", "--no-deps", "--force-reinstall", wheel)
    environments.run(interpreter, *pip, *installed, folder=tmp_path)

    work = tmp_path / "work"
    work.mkdir()
    found = environments.run(interpreter, "-c", _RECIPES, folder=work).split()
    assert found == sorted(path.stem for path in (root / "zoo" / "recipes").glob("*.toml"))

    def command(*arguments, status=0):
        done = subprocess.run(
            [interpreter.parent / "keras-icnn", *arguments],
            cwd=work,
            env=environments.clean(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == status, done.stderr[-2000:]
        return done.stdout + done.stderr

    assert "reproduce" in command("--help")
    # The table and its recipes are read; then the data set, which gives the categories, is missed.
    told = command("reproduce", "table3", "--print", status=2)
    assert "'animal_part' is not in the data folder" in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("said", "skips"),
    [
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'ReadTimeout(...)'"
            "\nERROR: No matching distribution found for onnxruntime>=1.20",
            True,
        ),
        ("ERROR: Could not install packages due to an OSError: No space left on device", True),
        (
            "ERROR: Could not find a version that satisfies the requirement onnxruntime>=120 (from "
            "versions: 1.20.0)\nERROR: No matching distribution found for onnxruntime>=120",
            False,
        ),
    ],
)
def test_a_wrong_requirement_is_not_an_unreachable_index(said, skips):
    assert bool(environments.why_unreachable(said)) == skips

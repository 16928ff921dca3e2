"""The wheel, installed where there is no repository: the recipes are in it and its command runs."""

import importlib.metadata
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
        builder = tomllib.load(file)["build-system"]["requires"]
    # Building leaves files beside what is built.
    source = tmp_path / "source"
    source.mkdir()
    for name in _BUILT_FROM:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, source / name)
    wheel = environments.build_wheel(
        environments.link(tmp_path, "builder", *builder), source, tmp_path
    )
    shutil.rmtree(source)
    # Beside the package is what its metadata ask for, and nothing that only an extra brings.
    (metadata,) = importlib.metadata.distributions(path=[str(wheel)])
    interpreter = environments.link(tmp_path, "package", *metadata.requires)
    environments.install_wheel(interpreter, wheel)

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
    assert "table3_squeezenet" in command("recipes")
    assert "mobilenet_v2_interpretable" in command("models")
    # A recipe runs by its name; that its data are missing is told, and nothing is made.
    told = command("train", "squeezenet", status=2)
    assert "'animal_part' is not in the data folder" in told and "Traceback" not in told
    assert not (work / "runs").exists()
    # The table and its recipes are read; then the data set, which gives the categories, is missed.
    told = command("reproduce", "table3", "--print", status=2)
    assert "'animal_part' is not in the data folder" in told and "Traceback" not in told


@pytest.mark.parametrize("wrong", ["numpy>=99", "numpyy>=1.26"])
def test_a_requirement_that_nothing_meets_is_told(wrong):
    with pytest.raises((ValueError, importlib.metadata.PackageNotFoundError), match="numpy"):
        environments.needed([wrong])


@pytest.mark.parametrize(
    ("said", "skips"),
    [
        (
            "error: Request failed after 3 retries in 8.8s\n"
            "  cause: Failed to fetch: https://index/simple/onnxruntime/\n  cause: dns error",
            True,
        ),
        ("error: Failed to write to the cache\n  cause: No space left on device", True),
        (
            "error: No solution found when resolving dependencies\n  cause: Because only "
            "onnxruntime<=1.32.0 is available and you require onnxruntime>=120, we can conclude "
            "that your requirements are unsatisfiable.",
            False,
        ),
    ],
)
def test_a_wrong_requirement_is_not_an_unreachable_index(said, skips):
    assert bool(environments.why_unreachable(said)) == skips

"""The command line: exit codes, one-line errors, and that help is cheap."""

import io
import json
import subprocess
import sys

import pytest

import keras_icnn
from keras_icnn import cli
from keras_icnn.cli import report
from keras_icnn.cli._main import VERBS

pytestmark = pytest.mark.few_steps

RECIPE = """
title = "tiny"
seeds = [0]
[data]
reader = "creatures"
[data.arguments]
n_train = 8
n_validation = 0
n_test = 8
image_size = [64, 64]
species = ["cat"]
[network]
head = "pooled"
[training]
epochs = 1
batch_size = 4
[[variant]]
name = "ordinary"
network = "squeezenet"
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def only_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    return lines[0]


# Help comes from `make_parser` alone, so one process answers for all verbs.
HELP = """
import json, sys
import keras_icnn
from keras_icnn import cli
from keras_icnn.cli._main import VERBS
codes = {}
for name in [None, *sys.argv[1:]]:
    try:
        cli.main([name, "--help"] if name else ["--help"])
    except SystemExit as exit:
        codes[name] = exit.code
heavy = ("keras", "tensorflow", "jax", "torch", "matplotlib")
print(json.dumps([sorted(set(codes.values())), [m for m in heavy if m in sys.modules]]))
"""


def verbs():
    return [verb.__name__.rpartition(".")[2] for verb in VERBS]


def run(*command):
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True, timeout=300
    )


def test_help_imports_no_backend():
    done = run("-c", HELP, *verbs())
    assert json.loads(done.stdout.splitlines()[-1]) == [[0], []]
    for verb in VERBS:
        assert verb.SUMMARY[1:] in " ".join(done.stdout.split())


def test_the_package_runs_as_the_command():
    asked = run("-m", "keras_icnn", "--version")
    assert asked.stdout == f"keras-icnn {keras_icnn.__version__}\n"
    wrong = subprocess.run(
        [sys.executable, "-m", "keras_icnn", "dance"], capture_output=True, text=True, timeout=300
    )
    assert wrong.returncode == cli.WRONG_USE
    assert wrong.stderr.startswith("usage: keras-icnn ")


@pytest.mark.parametrize(
    "argv", [["dance"], ["demo", "--seed", "-1"], ["demo", "--seed", "x"], ["train"], ["--nope"]]
)
def test_wrong_use_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(argv)
    assert exit.value.code == cli.WRONG_USE
    assert "Traceback" not in capsys.readouterr().err


def test_no_verb_shows_help(capsys):
    assert cli.main([]) == cli.WRONG_USE
    assert "demo" in capsys.readouterr().err


def test_models_lists_the_zoo(capsys):
    assert cli.main(["models", "vgg16*"]) == cli.DONE
    out = capsys.readouterr().out
    assert "vgg16_interpretable" in out and "138,357,544" in out
    assert "alexnet" not in out
    assert cli.main(["models", "nothing"]) == cli.FAILED
    assert "keras-icnn models" in only_line(capsys.readouterr().err)


@pytest.mark.parametrize("more", [[], ["--variant", "nobody"], ["--seed", "7"]])
def test_a_mistake_in_a_recipe_is_one_line(more, recipe, tmp_path, capsys):
    path = recipe if more else tmp_path / "missing.toml"
    argv = ["train", str(path), "--out", str(tmp_path / "out"), *more]
    assert cli.main(argv) == cli.WRONG_USE
    line = only_line(capsys.readouterr().err)
    assert line.startswith("keras-icnn: ")
    assert (more[1] if more else "missing.toml") in line


def test_debug_shows_the_traceback_on_both_sides_of_the_verb(tmp_path, capsys):
    missing = str(tmp_path / "missing.toml")
    for argv in (["--debug", "train", missing], ["train", missing, "--debug"]):
        assert cli.main(argv) == cli.WRONG_USE
        assert "Traceback" in capsys.readouterr().err


def raising(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ValueError("Bad.\n  Received: 1"), cli.FAILED, "keras-icnn: Bad. Received: 1"),
        (ImportError('pip install "keras-icnn[plot]"'), cli.FAILED, "keras-icnn[plot]"),
        (FileNotFoundError(2, "No such file", "a.keras"), cli.FAILED, "'a.keras': No such file"),
        (PermissionError(13, "Permission denied", "out"), cli.FAILED, "'out': Permission denied"),
        (KeyError("x"), cli.FAILED, "--debug"),
    ],
)
def test_errors_are_told_in_one_line(error, code, told, monkeypatch, capsys):
    monkeypatch.setattr(cli.demo, "run", raising(error))
    assert cli.main(["demo"]) == code
    assert told in only_line(capsys.readouterr().err)


def test_interrupted(recipe, monkeypatch, capsys):
    monkeypatch.setattr(cli.train, "run", raising(KeyboardInterrupt()))
    assert cli.main(["train", str(recipe), "--out", "here"]) == cli.INTERRUPTED
    line = only_line(capsys.readouterr().err)
    assert "resume" in line and "'here'" in line


@pytest.mark.medium
def test_train_runs_and_resumes(recipe, tmp_path, capsys):
    argv = ["train", str(recipe), "--out", str(tmp_path / "out"), "--resume"]
    assert cli.main(argv) == cli.DONE
    out = capsys.readouterr().out
    assert "0 of them done already" in out and "perfect head" in out
    assert str(tmp_path / "out" / "results.csv") in out
    assert (tmp_path / "out" / "results.csv").exists()
    assert cli.main(argv) == cli.DONE
    assert "1 of them done already" in capsys.readouterr().out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of class folders, and a model that was never trained."""
    import keras
    from PIL import Image

    import keras_icnn as icnn

    folder = tmp_path_factory.mktemp("pictures")
    data = icnn.datasets.creatures(0, 0, 6, (32, 32), species=["cat"]).test
    for i, sample in enumerate(data):
        place = folder / "data" / data.class_names[sample.label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(place / f"{i}.png")
    inputs = keras.Input((32, 32, 3))
    x = icnn.InterpretableConv(3, 4, strides=4, num_classes=2, background_class=0)(inputs)
    outputs = keras.layers.Dense(1, "sigmoid")(keras.layers.GlobalAveragePooling2D()(x))
    icnn.InterpretableModel(inputs, outputs, name="net").save(folder / "net.keras")
    return folder


def test_explain(pictures, capsys):
    model, image = str(pictures / "net.keras"), str(next((pictures / "data" / "cat").iterdir()))
    argv = ["explain", model, image]
    assert cli.main(argv) == cli.DONE
    assert "'net' says class" in capsys.readouterr().out
    out = pictures / "why.png"
    more = ["--data", str(pictures / "data"), "--classes", "background,cat", "--target", "cat"]
    assert cli.main([*argv, *more, "--method", "gradient", "-o", str(out)]) == cli.DONE
    told = capsys.readouterr().out
    assert "The logit of cat is" in told and "remainder" in told and str(out) in told
    assert out.stat().st_size > 5000


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--target", "pig"], "`target`"),
        (["--layer", "nope"], "`layer`"),
        (["--classes", "a"], "`class_names`"),
        (["--preprocess", "lenet"], "squeezenet"),
        (["-o", "/no/such/folder/why.png"], "/no/such/folder"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_mistakes_of_explain_are_one_line(more, told, pictures, capsys):
    image = str(next((pictures / "data" / "cat").iterdir()))
    assert cli.main(["explain", str(pictures / "net.keras"), image, *more]) == cli.FAILED
    assert told in only_line(capsys.readouterr().err)


def test_report(pictures, capsys):
    model, out = str(pictures / "net.keras"), pictures / "page.html"
    argv = ["report", model, "--data", str(pictures / "data"), "--pictures", "4", "-o", str(out)]
    assert cli.main([*argv, "--compare", model, "--title", "Twice <b>"]) == cli.DONE
    assert str(out) in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    assert "Twice &lt;b&gt;" in page and "net (1)" in page and "net (2)" in page
    assert "Measured on 6 images; 4 of them" in page


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--category", "pig"], "pig"),
        (["--layer", "nope"], "`layer`"),
        (["--compare", "missing.keras"], "missing.keras"),
        (["-o", "/no/such/folder/page.html"], "/no/such/folder"),
        (["-o", "page.pdf"], "must end in '.html'"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_mistakes_of_report_are_one_line(more, told, pictures, capsys):
    argv = ["report", str(pictures / "net.keras"), "--data", str(pictures / "data"), *more]
    assert cli.main(argv) == cli.FAILED
    assert told in only_line(capsys.readouterr().err)


def test_report_looks_for_everything_before_it_begins(pictures, monkeypatch, capsys):
    def not_yet(path):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(report, "load_model", not_yet)
    model, data = str(pictures / "net.keras"), str(pictures / "data")
    for argv in (
        [model, "--data", data, "-o", "page.png"],
        [model, "--data", data, "-o", "/no/such/folder/page.html"],
        [model, "--data", "missing"],
        [model, "--data", data, "--compare", "missing.keras"],
        ["missing.keras", "--data", data],
    ):
        assert cli.main(["report", *argv]) == cli.FAILED
        assert "begun" not in only_line(capsys.readouterr().err)


def test_explain_without_its_files(pictures, capsys):
    assert cli.main(["explain", "missing.keras", "missing.png"]) == cli.FAILED
    assert "missing.keras" in only_line(capsys.readouterr().err)
    assert cli.main(["explain", str(pictures / "net.keras"), "missing.png"]) == cli.FAILED
    assert "missing.png" in only_line(capsys.readouterr().err)


def test_a_console_that_lacks_a_character_prints_its_code(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="cp1252"))
    assert cli.main(["train", "\u732b.toml", "--data", ".", "--out", "."]) == 2
    sys.stderr.flush()
    assert rb"\u732b.toml" in written.getvalue()


def test_bench_refuses_an_unknown_network_before_it_prints(tmp_path, capsys):
    out = tmp_path / "bench"
    assert cli.main(["bench", "--network", "vgg61", "--out", str(out)]) == cli.FAILED
    told = capsys.readouterr()
    assert told.out == "" and "vgg16" in only_line(told.err)
    assert not out.exists()


LISTS = """
import sys
from keras_icnn import cli
assert [cli.main([verb]) for verb in ("models", "recipes")] == [0, 0]
print([m for m in ("keras", "tensorflow", "jax", "torch") if m in sys.modules])
"""


def test_models_and_recipes_are_listed_without_keras():
    done = run("-c", LISTS)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "mobilenet_v2_interpretable" in done.stdout and "table3_squeezenet" in done.stdout


def test_preprocessing_that_the_model_has_inside_is_refused(pictures, tmp_path, capsys):
    import keras

    from keras_icnn.zoo._preprocessing import ImagePreprocessing

    model = keras.saving.load_model(pictures / "net.keras")
    inputs = keras.Input((32, 32, 3))
    whole = keras.Model(inputs, model(ImagePreprocessing("tf", name="prepared")(inputs)))
    whole.save(tmp_path / "whole.keras")
    image = str(next((pictures / "data" / "cat").iterdir()))
    for argv in (
        ["explain", str(tmp_path / "whole.keras"), image],
        ["export", str(tmp_path / "whole.keras")],
    ):
        assert cli.main([*argv, "--preprocess", "vgg16"]) == cli.FAILED
        told = only_line(capsys.readouterr().err)
        assert "in layer 'prepared'" in told and "Leave --preprocess vgg16 out" in told

"""`keras-icnn reproduce`: the paper's tables, what they print, and what they run."""

import csv
import math
import re
import shutil

import pytest
import small_data_sets

from keras_icnn import cli, recipes
from keras_icnn._files.csv_file import write_csv
from keras_icnn.recipes import _paper_tables, reproduce
from keras_icnn.recipes._digests import run_digest
from keras_icnn.recipes._paper_tables import read_table
from keras_icnn.recipes._store import locked

pytestmark = pytest.mark.few_steps

RECIPE = """
seeds = [0]
[data]
{data}
train_on = ["train", "validation"]
measure_on = "test"
[networks.squeezenet]
weights = ["weights/none.npz", "weights/squeezenet.npz", "imagenet"]
training = {{ batch_size = 8 }}
[network]
head = "pooled"
[training]
epochs = 1
optimizer = "sgd"
learning_rate = 1e-3
weight_decay = 5e-4
schedule = "geometric"
{training}
[[variant]]
name = "{{network}}"
network = "{{network}}"
arguments = {{ extra_layer = true, new_filters = 8 }}
[[variant]]
name = "{{network}}_interpretable"
network = "{{network}}_interpretable"
radius_from = "{{network}}"
arguments = {{ interpret_top = false, new_filters = 8 }}
[[variant]]
name = "{{network}}_paper_rule"
network = "{{network}}_interpretable"
radius_from = "{{network}}"
filter_loss = "paper"
arguments = {{ interpret_top = false, new_filters = 8 }}
"""
CUB = """reader = "cub200"
path = "CUB_200_2011"
negatives = "animal_part/negatives"
task = "single-category"
arguments = { species = false, image_size = [64, 64] }"""
PASCAL = """reader = "pascal_part"
path = "pascal_part"
negatives = "animal_part/negatives"
task = "single-category"
arguments = { image_size = [64, 64], categories = ["cat", "cow"] }"""
TOGETHER = """reader = "pascal_part"
path = "pascal_part"
task = "multi-category"
arguments = { image_size = [64, 64], categories = ["cat", "cow"] }"""
ANIMALS = """reader = "animal_part"
path = "animal_part"
negatives = "nowhere"
task = "single-category" """
SINGLE = "mirrored = true\npositive_share = 0.75"


def write(path, data, training=SINGLE):
    path.write_text(RECIPE.format(data=data, training=training))
    return path


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def line_of(text, start):
    """The numbers of the first line that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(start))
    return line.removeprefix(start).split()


# --- the paper's figures --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "network", "interpretable", "column", "value"),
    [
        ("table1", "vgg_s", True, "horse", 0.478),
        ("table1", "alexnet", False, "bird", 0.332),
        ("table2", "vgg_m", True, "softmax", 0.734),
        ("table3", "vgg16", True, "squi.", 0.091 / math.sqrt(2)),
        ("table3", "vgg_m", False, "gia.pa.", 0.179 / math.sqrt(2)),
        ("table3", "alexnet", False, "horse", 0.214 / math.sqrt(2)),
        ("table4", "vgg16", True, "dog", 0.104 / math.sqrt(2)),
        ("table5", "vgg_m", True, "CUB-200", 0.065),
        ("table6", "vgg16", True, "VOC softmax", 0.106 / math.sqrt(2)),
        ("table6", "vgg16", True, "ILSVRC logistic", math.nan),
        ("table6", "vgg_s", False, "ILSVRC logistic", 0.185 / math.sqrt(2)),
        ("table7", "vgg_m", True, "VOC softmax", 88.03),
        ("table7", "vgg16", False, "CUB single", 98.91),
        ("table7", "alexnet", True, "VOC single", 93.93),
    ],
)
def test_figures_of_the_paper(table, network, interpretable, column, value):
    paper = read_table(table)
    values, _ = paper.paper(network, interpretable)
    place = [c.name for c in paper.columns].index(column)
    assert values[place] == pytest.approx(value, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("table", ["table1", "table3", "table4"])
def test_the_paper_s_averages_are_those_of_its_columns(table):
    paper = read_table(table)
    for key in paper.printed:
        values, average = paper.paper(*key)
        # Rounding, and the final version differs in the third digit.
        assert sum(values) / len(values) == pytest.approx(average, abs=0.0015), key


def test_every_table_has_recipes_for_the_paper_s_networks():
    for name in _paper_tables.TABLES:
        paper = read_table(name)
        found = set()
        for column in paper.columns:
            for recipe in column.recipes:
                path = _paper_tables.recipes_folder() / f"{recipe}.toml"
                found |= {v.base_network for v in recipes.read_recipe(path).variants}
        assert set(paper.networks) <= found, name


def test_recipes_of_an_installed_package(tmp_path, monkeypatch, request):
    package = tmp_path / "site-packages" / "keras_icnn"
    shipped = package / "shipped_recipes"
    monkeypatch.setattr("keras_icnn.__file__", str(package / "__init__.py"))
    # Somebody else's folder of this name beside the package is not ours.
    (tmp_path / "site-packages" / "zoo" / "recipes" / "tables").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="Install keras-icnn anew"):
        _paper_tables.recipes_folder()
    shutil.copytree(request.config.rootpath / "zoo" / "recipes", shipped)
    assert _paper_tables.recipes_folder() == shipped
    assert read_table("table1").networks[0] == "alexnet"


# --- what a table prints --------------------------------------------------------------------------


def by_hand(out, recipe, data, figures):
    """A `results.csv` of figures {(variant, category, seed): {column: value}}."""
    out.mkdir()
    rows = [
        {
            "recipe": recipe.name,
            "recipe_sha256": run_digest(recipe, recipe.variant(variant)),
            "kind": "network",
            "variant": variant,
            "category": category,
            "seed": seed,
            "beside": "",
            **values,
        }
        for (variant, category, seed), values in figures.items()
    ]
    with open(out / "results.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, dict.fromkeys(k for row in rows for k in row))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def pascal(tmp_path_factory):
    pytest.importorskip("pymatreader")
    root = tmp_path_factory.mktemp("pascal")
    small_data_sets.pascal_part(root)
    (root / "weights").mkdir()
    (root / "weights" / "squeezenet.npz").write_bytes(b"not read")
    return root


def test_cells_are_means_over_seeds_and_missing_runs_are_told(pascal, tmp_path):
    path = write(tmp_path / "pascal.toml", PASCAL)
    recipe = recipes.read_recipe(path)
    figures = {
        ("squeezenet", "cat", 3): {"part_interpretability": 0.25},
        ("squeezenet", "cat", 5): {"part_interpretability": 0.35},
        ("squeezenet", "cow", 3): {"part_interpretability": 0.5},
        ("squeezenet", "cow", 5): {"part_interpretability": 0.7},
        ("squeezenet_interpretable", "cat", 3): {"part_interpretability": 0.75},
        # Of another seed: no part of this table.
        ("squeezenet_interpretable", "cat", 4): {"part_interpretability": 0.05},
        ("squeezenet_interpretable", "cow", 3): {"part_interpretability": 0.875},
        ("squeezenet_interpretable", "cow", 5): {"part_interpretability": 0.9},
    }
    by_hand(tmp_path / "out", recipe, pascal, figures)
    result = reproduce(
        "table1", pascal, tmp_path / "out", recipes=[path], seeds=[3, 5], train=False, verbose=False
    )
    # bird, cat, cow, dog, horse, sheep; over all six; over those that both have: cow.
    ordinary = line_of(result.text, "SqueezeNet 1.1, ordinary")
    assert ordinary == ["-", "0.300", "0.600", "-", "-", "-", "-", "0.600"]
    # One of two seeds is not averaged as if it were both.
    mine = line_of(result.text, "SqueezeNet 1.1, interpretable")
    assert mine == ["-", "-", "0.887", "-", "-", "-", "-", "0.887"]
    paper = line_of(result.text, "  paper: VGG-16, interpretable")
    assert (paper[2], paper[-2], paper[-1]) == ("0.683", "0.770", "0.683")
    assert "SqueezeNet 1.1, interpretable: cat (1 of 2 runs)" in result.text
    assert "bird" not in result.text.split("Not measured")[1].splitlines()[0]
    every = read(tmp_path / "out" / "table1.csv")
    rows = {(r["variant"], r["column"]): r for r in every if r["network"] == "squeezenet"}
    assert rows["interpretable", "cat"]["value"] == ""
    assert (rows["interpretable", "cat"]["runs"], rows["interpretable", "cat"]["runs_wanted"]) == (
        "1",
        "2",
    )
    assert rows["ordinary", "cow"]["value"] == "0.6"
    (paper,) = (
        r
        for r in every
        if (r["network"], r["column"]) == ("vgg16", "all")
        and not r["value"]
        and r["variant"] == "ordinary"
    )
    assert (paper["paper"], paper["runs"]) == ("0.495", "")
    assert (tmp_path / "out" / "table1.txt").read_text().strip() == result.text.strip()


def test_both_rules_of_several_categories(pascal, tmp_path):
    path = write(tmp_path / "together.toml", TOGETHER, 'loss = "softmax"\nmirrored = true')
    figures = {
        ("squeezenet", "cat+cow", 0): {"instability": 0.125, "instability_best_class": 0.0625}
    }
    by_hand(tmp_path / "out", recipes.read_recipe(path), pascal, figures)
    result = reproduce(
        "table6", pascal, tmp_path / "out", recipes=[path], train=False, verbose=False
    )
    best, target = result.text.split("By the rule: ")[1:]
    assert best.startswith("each filter in the category that suits it best (the paper's)")
    assert line_of(best, "SqueezeNet 1.1, ordinary") == ["-", "-", "-", "0.062"]
    assert line_of(target, "SqueezeNet 1.1, ordinary") == ["-", "-", "-", "0.125"]
    # .201 / sqrt(2)
    assert line_of(best, "  paper: VGG-16, ordinary") == ["-", "-", "0.128", "0.142"]
    assert "paper:" not in target


def test_accuracy_is_in_per_cent(pascal, tmp_path):
    path = write(tmp_path / "together.toml", TOGETHER, 'loss = "logistic"\nsum_outputs = true')
    figures = {("squeezenet", "cat+cow", 0): {"accuracy": 0.5, "accuracy_outputs": 0.875}}
    by_hand(tmp_path / "out", recipes.read_recipe(path), pascal, figures)
    result = reproduce(
        "table7", pascal, tmp_path / "out", recipes=[path], train=False, verbose=False
    )
    assert line_of(result.text, "SqueezeNet 1.1, ordinary")[2] == "87.50"


def test_runs_with_other_weights_data_or_rules_do_not_count(pascal, tmp_path):
    path = write(tmp_path / "pascal.toml", PASCAL)
    recipe = recipes.read_recipe(path)
    figures = {
        ("squeezenet", "cat", 0): {"part_interpretability": 0.25, "weights_sha256": "00"},
        ("squeezenet", "cow", 0): {"part_interpretability": 0.5, "data_sha256": "00"},
        ("squeezenet_interpretable", "cat", 0): {
            "part_interpretability": 0.25,
            "rule_sha256": "00",
        },
        # Rows of earlier versions tell none of this.
        ("squeezenet_interpretable", "cow", 0): {"part_interpretability": 0.75},
    }
    by_hand(tmp_path / "out", recipe, pascal, figures)
    result = reproduce(
        "table1", pascal, tmp_path / "out", recipes=[path], train=False, verbose=False
    )
    assert set(line_of(result.text, "SqueezeNet 1.1, ordinary")) == {"-"}
    assert line_of(result.text, "SqueezeNet 1.1, interpretable")[1:3] == ["-", "0.750"]


def test_two_networks_whose_variants_have_the_same_names(pascal, tmp_path):
    """The recipes on cached features are one a network, and call their variants alike."""
    given, rows = [], []
    for network, cat, cow in (("squeezenet", 0.25, 0.5), ("mobilenet_v2", 0.75, 0.875)):
        given.append(tmp_path / f"{network}.toml")
        variant = f'[[variant]]\nname = "extra"\nnetwork = "{network}"'
        given[-1].write_text(f"[data]\n{PASCAL}\n{variant}\n")
        figures = {
            ("extra", "cat", 0): {"part_interpretability": cat},
            ("extra", "cow", 0): {"part_interpretability": cow},
        }
        by_hand(tmp_path / network, recipes.read_recipe(given[-1]), pascal, figures)
        rows += read(tmp_path / network / "results.csv")
    write_csv(tmp_path / "results.csv", rows)
    result = reproduce("table1", pascal, tmp_path, recipes=given, train=False, verbose=False)
    assert line_of(result.text, "SqueezeNet 1.1, extra")[1:3] == ["0.250", "0.500"]
    assert line_of(result.text, "MobileNetV2, extra")[1:3] == ["0.750", "0.875"]


# --- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--network", "resnet50"], r"no recipe for resnet50.*--recipe"),
        (["--data-set", "cub200"], r"no recipe for .* on cub200"),
        (["--network", "vgg_m"], "not in the data folder"),
    ],
)
def test_what_cannot_be_run_is_told(tmp_path, capsys, more, message):
    argv = ["reproduce", "table3", "--data", str(tmp_path), "--out", str(tmp_path / "out"), *more]
    assert cli.main(argv) == cli.WRONG_USE
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert re.search(message, error)


def test_a_folder_in_use_is_refused(pascal, tmp_path, capsys):
    path = write(tmp_path / "pascal.toml", PASCAL)
    argv = ["reproduce", "table1", "--data", str(pascal), "--out", str(tmp_path)]
    with locked(tmp_path):
        assert cli.main([*argv, "--recipe", str(path)]) == cli.WRONG_USE
    assert "Another run is writing" in capsys.readouterr().err


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.medium
def test_a_table_is_run_and_run_again(tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    small_data_sets.cub200(data)
    small_data_sets.squeezenet_weights(data)
    path = write(tmp_path / "birds.toml", CUB)
    argv = ["reproduce", "table5", "--data", str(data), "--out", str(out), "--debug"]
    argv += ["--recipe", str(path)]
    assert cli.main(argv) == cli.DONE
    first = capsys.readouterr().out
    assert "[2/2] bird, squeezenet_interpretable" in first and "min left" in first
    rows = read(out / "results.csv")
    assert {r["variant"] for r in rows if r["kind"] == "network"} == {
        "squeezenet",
        "squeezenet_interpretable",
    }
    networks = [r for r in rows if r["kind"] == "network"]
    assert {
        (r["measured_on"], len(r["weights_sha256"]), len(r["data_sha256"])) for r in networks
    } == {("test", 64, 64)}
    value = networks[0]["instability"]
    assert line_of(first, "SqueezeNet 1.1, ordinary") == [f"{float(value):.3f}"]
    # The other table on the same data needs no run; the paper's rule needs one.
    assert cli.main([*argv, "--rule", "paper", "--print"]) == cli.DONE
    assert "paper rule: CUB-200" in capsys.readouterr().out
    before = (out / "results.csv").read_bytes()
    argv[1] = "table7"
    assert cli.main(argv) == cli.DONE
    assert "2 of them done already" in capsys.readouterr().out
    assert (out / "results.csv").read_bytes() == before
    # On all images the same networks are measured, not trained again.
    models = {f: f.stat().st_mtime_ns for f in (out / "models").iterdir()}
    assert cli.main([*argv, "--split", "all"]) == cli.DONE
    text = capsys.readouterr().out
    assert "Measured on ALL images" in text
    assert {f: f.stat().st_mtime_ns for f in (out / "models").iterdir()} == models
    every = [r for r in read(out / "results.csv") if r["kind"] == "network, all images"]
    assert [r["train_loss"] for r in every] == [r["train_loss"] for r in networks]
    assert {r["images"] for r in every} == {"26"}
    assert (out / "table7-all_images.csv").exists() and (out / "table5.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "data", "training", "table", "columns"),
    [
        ("pascal_part", PASCAL, SINGLE, "table1", {"cat", "cow"}),
        ("pascal_part", TOGETHER, 'loss = "softmax"\nmirrored = true', "table2", {"softmax"}),
        (
            "pascal_part",
            TOGETHER,
            'loss = "logistic"\nsum_outputs = true',
            "table7",
            {"VOC logistic"},
        ),
        ("animal_part", ANIMALS, SINGLE, "table3", {"bird", "cat"}),
    ],
)
def test_tables_on_generated_data(tmp_path, make, data, training, table, columns):
    if make == "pascal_part":
        pytest.importorskip("pymatreader")
    getattr(small_data_sets, make)(tmp_path)
    small_data_sets.squeezenet_weights(tmp_path)
    path = write(tmp_path / "own.toml", data, training)
    result = reproduce(table, tmp_path, tmp_path / "out", recipes=[path], verbose=False)
    filled = {r["column"] for r in result.rows if r.get("value") and r["column"] != "all"}
    assert filled == columns
    assert {r["variant"] for r in result.rows} == {"ordinary", "interpretable"}
    assert "random" in result.text and "centre" in result.text

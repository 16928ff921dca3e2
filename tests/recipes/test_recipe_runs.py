"""Recipes run: what they write, how they are stopped and taken up, and what stops them."""

import csv
import shutil
import subprocess
import sys

import pytest
from small_recipe import BASELINES, RECIPE

from keras_icnn import recipes
from keras_icnn.recipes._data import read_images
from keras_icnn.recipes._networks import build
from keras_icnn.recipes._store import locked

pytestmark = pytest.mark.few_steps


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A folder in which the recipe was run without a stop."""
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "creatures.toml"
    path.write_text(RECIPE)
    recipes.run_recipe(recipes.read_recipe(path), data, folder, verbose=False)
    return folder


@pytest.mark.slow
def test_a_run_stopped_and_taken_up_ends_as_an_undisturbed_one(recipe_file, data, whole, tmp_path):
    recipe = recipes.read_recipe(recipe_file)
    recipes.run_recipe(recipe, data, tmp_path / "parts", variants=["ordinary"], verbose=False)
    before = read(tmp_path / "parts" / "results.csv")
    rows = recipes.run_recipe(recipe, data, tmp_path / "parts", verbose=False)
    parts = read(tmp_path / "parts" / "results.csv")
    assert without_time(read(whole / "results.csv")) == without_time(parts)
    # What was measured is not measured again.
    assert [row["seconds"] for row in parts[: len(before)]] == [row["seconds"] for row in before]
    by_name = {row["variant"]: row for row in parts}
    beside = [row["beside"] for row in parts if row["variant"] == "random"]
    assert beside == ["ordinary", "interpretable"]
    assert {"ordinary", "interpretable", "random", "centre", "one bit"} <= set(by_name)
    assert by_name["interpretable"]["radius"] == by_name["ordinary"]["radius"]
    assert by_name["interpretable"]["filter_loss"] != ""
    assert by_name["ordinary"]["filter_loss"] == ""
    table = recipes.summarize(rows)
    assert table.index("ordinary") < table.index("interpretable") < table.index("random")
    for name in ("ordinary", "interpretable"):
        (model,) = (tmp_path / "parts" / "models").glob(f"creatures-*-{name}-fox-0.keras")
        assert len(read(tmp_path / "parts" / "filters" / f"{model.stem}.csv")) == 8
    assert not list((tmp_path / "parts").rglob("*.tmp*"))


@pytest.mark.slow
def test_baselines_are_measured_beside_the_networks(recipe_file, data, whole, tmp_path):
    # The recipe was run without them: variants that are added leave what was measured as it is.
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    before = read(out / "results.csv")
    recipe_file.write_text("# With baselines.\n" + RECIPE + BASELINES)
    recipe = recipes.read_recipe(recipe_file)
    rows = recipes.run_recipe(recipe, data, out, verbose=False)
    assert read(out / "results.csv")[: len(before)] == before
    by_name = {row["variant"]: row for row in rows}
    taught, untrained = by_name["taught"], by_name["untrained"]
    assert (taught["kind"], untrained["kind"]) == ("supervised detector", "network")
    assert taught["accuracy"] == "" or taught["accuracy"] is None
    assert taught["alive"] == 1.0
    assert taught["radius"] == untrained["radius"] == float(by_name["ordinary"]["radius"])
    # A detector of each of a creature's four landmarks, measured as one bank of filters.
    bank = by_name["taught_each"]
    assert bank["kind"] == "supervised detector" and bank["filters"] == 4 and bank["alive"] == 1
    # Fewer than ten foxes: there is a column, and nothing in it.
    assert bank["coverage"] == bank["parts_followed"] == bank["anatomy"] == ""
    assert float(untrained["accuracy"]) <= 1 and untrained["train_loss"] == ""
    again = recipes.run_recipe(recipe, data, out, verbose=False)
    assert len(again) == len(rows)  # found again, supervised detectors too
    table = recipes.compare(rows)
    assert "'taught'" in table and "untrained" in table and "interpretable" in table


@pytest.mark.medium
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('landmark = "head"', 'landmark = "ear"', "`landmark`.*among"),
        ('kind = "supervised"', 'kind = "taught"', "`kind`.*one of"),
        ('frozen_until = "fire8_concat"', "", "`frozen_until`"),
    ],
)
def test_mistakes_in_a_baseline(recipe_file, data, tmp_path, old, new, message):
    recipe_file.write_text((RECIPE + BASELINES).replace(old, new, 1))
    with pytest.raises(recipes.RecipeError, match=message):
        recipes.run_recipe(recipes.read_recipe(recipe_file), data, tmp_path, verbose=False)


def test_two_runs_keep_out_of_each_other_s_folder(recipe_file, data, tmp_path):
    recipe = recipes.read_recipe(recipe_file)
    with (
        locked(tmp_path),
        pytest.raises(recipes.RecipeError, match="Another run"),
    ):
        recipes.run_recipe(recipe, data, tmp_path, verbose=False)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"weights.npz"', '"other.npz"', "not in the data folder"),
        ('"weights.npz"', '"../weights.npz"', "must lie below"),
        ('categories = ["fox"]', 'categories = ["wolf"]', "must be among"),
        ('categories = ["fox"]', 'categories = ["background"]', "must be among"),
        ('frozen_until = "fire8_concat"', 'frozen_until = "fire8"', "has no layer 'fire8'"),
        ('weights = "weights.npz"', 'weights = ""', "needs pretrained"),
        ('network = "squeezenet"', 'network = "squeezenetz"', "variant.*'ordinary'.*squeezenet"),
        ("new_filters = 8 }", "new_filter = 8 }", "variant.*'ordinary'.*new_filter"),
        ("n_test = 24", "n_tests = 24", r"\[data\].*n_tests"),
        ("n_test = 24", "n_test = 0", r"\[data\].*no `test` split"),
    ],
)
def test_what_is_missing_is_named(recipe_file, data, tmp_path, old, new, message):
    recipe_file.write_text(RECIPE.replace(old, new, 1))
    recipe = recipes.read_recipe(recipe_file)
    with pytest.raises(recipes.RecipeError, match=message):
        recipes.run_recipe(recipe, data, tmp_path / "out", verbose=False)


def test_what_a_radius_is_taken_from_is_asked_for_before_training(recipe_file, data, tmp_path):
    recipe = recipes.read_recipe(recipe_file)
    with pytest.raises(recipes.RecipeError, match="has not been run for fox"):
        recipes.run_recipe(
            recipe, data, tmp_path / "out", variants=["interpretable"], verbose=False
        )
    assert not (tmp_path / "out" / "features").exists()


@pytest.mark.medium
def test_folders_have_no_background(tmp_path):
    from PIL import Image

    for name in ("apple", "pear"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(4):
            Image.new("RGB", (32, 32), (40 * k, 9, 9)).save(tmp_path / "photos" / name / f"{k}.png")
    text = RECIPE.replace('reader = "creatures"', 'reader = "folder"\npath = "photos"')
    text = text.replace('measure_on = "test"', "").replace('categories = ["fox"]', "")
    text = text.replace('train_on = ["train", "validation"]', 'measure_on = "validation"')
    text = text.replace(RECIPE[RECIPE.index("arguments = { n_train") :].split("\n")[0], "")
    text = text.replace('frozen_until = "fire8_concat"', "").replace('"weights.npz"', '""')
    path = tmp_path / "photos.toml"
    path.write_text(text)
    recipe = recipes.read_recipe(path)
    jobs = [recipes.Job(recipe, variants=["ordinary"])]
    (done,) = recipes.run_recipes(jobs, tmp_path, tmp_path / "out", train=False, verbose=False)
    assert done.categories == ["apple", "pear"]
    with pytest.raises(recipes.RecipeError, match="needs a background class"):
        recipes.run_recipes(jobs, tmp_path, tmp_path / "out", verbose=False)


@pytest.mark.medium
def test_the_backbones_normalization_can_stay_as_it_is(tmp_path):
    import keras

    network = 'top = "block_2_add"\nfixed_normalization = true'
    text = RECIPE.replace('frozen_until = "fire8_concat"', network)
    text = text.replace('"squeezenet', '"mobilenet_v2').replace('"weights.npz"', '""')
    path = tmp_path / "mobile.toml"
    path.write_text(text.replace("{ fire9 = 0.1 }", "{ block_2 = 0.1 }"))
    recipe = recipes.read_recipe(path)
    images = read_images(recipe.data, tmp_path, {})
    for variant in recipe.variants:
        built = build(recipe, variant, images, tmp_path)
        model = built.model
        assert built.trained is model and built.frozen is None
        backbone = keras.Model(model.inputs, model.get_layer("block_2_add").output)
        kinds = [(type(layer).__name__, layer.trainable) for layer in backbone.layers]
        assert ("BatchNormalization", False) in kinds and ("BatchNormalization", True) not in kinds
        assert ("Conv2D", True) in kinds
        # The new layer has a normalization of its own, which is trained.
        new = sum(w.path.endswith(("gamma", "beta")) for w in model.trainable_weights)
        assert new == 2
    without = path.with_name("without.toml")
    without.write_text(text.replace('top = "block_2_add"\n', ""))
    with pytest.raises(recipes.RecipeError, match=r"`fixed_normalization`.*`top`"):
        recipes.read_recipe(without)


@pytest.mark.slow
def test_whole_networks_train_on_pictures_and_load_again(recipe_file, tmp_path):
    text = RECIPE.replace('frozen_until = "fire8_concat"', "").replace('"weights.npz"', '""')
    text = text.replace('task = "single-category"', 'task = "multi-category"')
    text = text.replace('["fox"]', '["fox", "cat"]').replace(
        "epochs = 1", "epochs = 1\nflip = true"
    )
    recipe_file.write_text(text)
    rows = recipes.run_recipe(recipes.read_recipe(recipe_file), tmp_path, tmp_path, verbose=False)
    assert {row["category"] for row in rows} == {"fox+cat"}
    files = sorted((tmp_path / "models").glob("*.keras"))
    assert len(files) == 2
    code = "import sys, keras, keras_icnn; [keras.saving.load_model(f) for f in sys.argv[1:]]"
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, files)], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-2000:]


def test_only_what_the_recipe_has_can_be_chosen(recipe_file, data, tmp_path):
    recipe = recipes.read_recipe(recipe_file)
    with pytest.raises(recipes.RecipeError, match="no variant"):
        recipes.run_recipe(recipe, data, tmp_path / "out", variants=["best"], verbose=False)


def test_a_foreign_table_is_not_overwritten(recipe_file, data, tmp_path):
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not a table of results"):
        recipes.run_recipe(recipes.read_recipe(recipe_file), data, tmp_path, verbose=False)
    assert (tmp_path / "results.csv").read_text() == "a,b\n1,2\n"

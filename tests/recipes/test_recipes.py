"""Recipes: what they may say, and that a run can be stopped and taken up again."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from keras_icnn.recipes import _run as recipes
from keras_icnn.recipes._store import Results

RECIPE = """
title = "creatures on SqueezeNet"
seeds = [0]

[data]
reader = "creatures"
task = "single-category"
categories = ["fox"]
train_on = ["train", "validation"]
arguments = { n_train = 40, n_validation = 8, n_test = 24, seed = 1 }

[network]
weights = "weights.npz"
frozen_until = "fire8_concat"
head = "pooled"
head_scale = 10.0

[training]
epochs = 1
batch_size = 16
learning_rates = { fire9 = 0.1 }

[[variant]]
name = "ordinary"
network = "squeezenet"
arguments = { extra_layer = true, new_filters = 8 }

[[variant]]
name = "interpretable"
network = "squeezenet_interpretable"
radius_from = "ordinary"
filter_loss = { rule = "default", strength = 0.2 }
arguments = { interpret_top = false, new_filters = 8 }
"""


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "creatures.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    from keras_icnn import zoo

    folder = tmp_path_factory.mktemp("data")
    model = zoo.squeezenet(weights=None, include_top=False, input_shape=(64, 64, 3))
    arrays = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            arrays[f"{layer.name}/kernel"], arrays[f"{layer.name}/bias"] = kernel, bias
    np.savez(folder / "weights.npz", **arrays)
    return folder


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.slow
def test_a_run_stopped_and_taken_up_ends_as_an_undisturbed_one(recipe_file, data, tmp_path):
    recipe = recipes.read_recipe(recipe_file)
    recipes.run_recipe(recipe, data, tmp_path / "whole", verbose=False)
    recipes.run_recipe(recipe, data, tmp_path / "parts", variants=["ordinary"], verbose=False)
    before = read(tmp_path / "parts" / "results.csv")
    rows = recipes.run_recipe(recipe, data, tmp_path / "parts", verbose=False)
    whole, parts = (read(tmp_path / name / "results.csv") for name in ("whole", "parts"))
    assert without_time(whole) == without_time(parts)
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


BASELINES = """
[[variant]]
name = "taught"
network = "squeezenet"
kind = "supervised"
landmark = "head"
radius_from = "ordinary"

[[variant]]
name = "untrained"
network = "squeezenet"
kind = "untrained"
radius_from = "ordinary"
arguments = { extra_layer = true, new_filters = 8 }
"""


@pytest.mark.slow
def test_baselines_are_measured_beside_the_networks(recipe_file, data, tmp_path):
    recipe_file.write_text(RECIPE + BASELINES)
    recipe = recipes.read_recipe(recipe_file)
    rows = recipes.run_recipe(recipe, data, tmp_path, verbose=False)
    by_name = {row["variant"]: row for row in rows}
    taught, untrained = by_name["taught"], by_name["untrained"]
    assert (taught["kind"], untrained["kind"]) == ("supervised detector", "network")
    assert taught["accuracy"] == "" or taught["accuracy"] is None
    assert taught["alive"] == 1.0
    assert taught["radius"] == untrained["radius"] == float(by_name["ordinary"]["radius"])
    assert float(untrained["accuracy"]) <= 1 and untrained["train_loss"] == ""
    again = recipes.run_recipe(recipe, data, tmp_path, verbose=False)
    assert len(again) == len(rows)  # found again, supervised detectors too
    table = recipes.compare(rows)
    assert "'taught'" in table and "untrained" in table and "interpretable" in table


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


def test_detector_learns_to_point_at_a_landmark():
    import keras

    from keras_icnn.recipes._supervised_detector import train_detector

    rng = np.random.default_rng(0)
    centers = np.stack(np.meshgrid(np.arange(6) * 16.0, np.arange(5) * 16.0), axis=-1)
    features = rng.normal(size=(80, 5, 6, 3)).astype("float32") * 0.1
    row, column = rng.integers(0, 5, 80), rng.integers(0, 6, 80)
    features[np.arange(80), row, column, 1] += 2
    landmarks = np.stack([column * 16.0, row * 16.0], axis=1)
    keras.utils.set_random_seed(0)
    detector = train_detector(
        features[:60], landmarks[:60], centers, epochs=60, batch_size=20, learning_rate=1e-2
    )
    maps = detector.predict(features[60:], verbose=0)
    assert maps.shape == (20, 5, 6, 1)
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), 1, rtol=1e-5)
    found = maps.reshape(20, -1).argmax(axis=1)
    assert (found == (row * 6 + column)[60:]).mean() >= 0.9
    with pytest.raises(ValueError, match=r"`landmarks`.*2 images"):
        train_detector(features[:1], landmarks[:1], centers)


def row(variant, kind="network", beside="", **figures):
    return {"variant": variant, "kind": kind, "beside": beside, "category": "fox", "seed": 0} | {
        key: str(value) for key, value in figures.items()
    }


def test_comparison_by_hand():
    ordinary = row("twin", accuracy=0.9, instability=0.1, diversity=0.4, part_interpretability=0.1)
    mine = row(
        "mine", accuracy=0.88, instability=0.05, diversity=0.1, part_interpretability=0.5, r2=0.5
    )
    whole = row("whole image", "trivial detector", "mine", part_interpretability=0.3)
    other = row("whole image", "trivial detector", "twin", part_interpretability=0.9)
    taught = row("taught", "supervised detector", r2=0.75)
    line = recipes.compare([ordinary, mine, whole, other, taught]).splitlines()[-1].split()
    assert line == ["mine", "1", "-2.0", "-", "0.50", "0.25", "+0.20", "-0.25", "-"]


def test_two_runs_keep_out_of_each_other_s_folder(recipe_file, data, tmp_path):
    recipe = recipes.read_recipe(recipe_file)
    with (
        recipes._locked(tmp_path),
        pytest.raises(recipes.RecipeError, match="Another run"),
    ):
        recipes.run_recipe(recipe, data, tmp_path, verbose=False)


def test_the_shipped_recipes_can_be_read(request):
    folder = request.config.rootpath / "zoo" / "recipes"
    files = sorted(folder.glob("*.toml"))
    assert len(files) >= 2
    for file in files:
        recipe = recipes.read_recipe(file)
        assert recipe.name == file.stem
        assert recipe.variants


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "creatures', "title = creatures", "not valid TOML"),
        ("epochs = 1", "epoch = 1", "did you mean `epochs`"),
        ("epochs = 1", "epochs = 0", "`epochs`.*above 0"),
        ("epochs = 1", 'epochs = "1"', "`epochs`.*type int"),
        ("epochs = 1", "epochs = " + "9" * 5000, "not valid TOML"),
        ("epochs = 1", "a.'b' . " * 100_000 + "c = 1", "not valid TOML: .*100 parts"),
        ("epochs = 1", "a." * 4000 + "c = 1", "not valid TOML: .*100 parts"),
        ("epochs = 1", "epochs = 1\nlearning_rate = inf", "`learning_rate`.*finite"),
        ("seeds = [0]", "seeds = " + "[" * 20000 + "]" * 20000, "not valid TOML"),
        ("epochs = 1", "epochs = true", "`epochs`.*type int"),
        ('name = "ordinary"', 'name = "ordinary"\ntraining = 3', "must be a table"),
        (
            'name = "ordinary"',
            'name = "ordinary"\ntraining.loss = "softmax"',
            "`loss` is not known",
        ),
        (
            'name = "ordinary"',
            'name = "ordinary"\ntraining.epochs = 0',
            "variant.*ordinary.*above 0",
        ),
        ("epochs = 1", "epochs = 1\noptimizer = 'lamb'", "`optimizer`.*one of"),
        ("epochs = 1", "epochs = 1\nmomentum = 1.0", "`momentum`"),
        ("epochs = 1", "epochs = 1\ndecay_epochs = 2", "`decay_epochs`.*between 0 and `epochs`"),
        ("epochs = 1", "epochs = 1\npositive_share = 1.5", "`positive_share`.*between 0 and 1"),
        ("epochs = 1", "epochs = 1\nmirrored = true", "`mirrored`.*frozen_until"),
        ("[training]", "[networks.vgg16]\n[training]", "every .*{network}"),
        (
            'name = "ordinary"\nnetwork = "squeezenet"',
            'name = "{network}"\nnetwork = "{network}"',
            "needs networks",
        ),
        ("[training]", "[networks.vgg16]\nepochs = 3\n[training]", r"`epochs`.*networks\.vgg16"),
        ('reader = "creatures"', 'reader = "imagenet"', "`reader`.*one of"),
        ('"single-category"', '"both"', "`task`.*one of"),
        ('"train", "validation"', '"train", "test"', "`measure_on`.*not trained on"),
        ('categories = ["fox"]', 'categories = "fox"', "`categories`.*list of strings"),
        ("seeds = [0]", "seeds = []", "`seeds`"),
        ("seeds = [0]", "seeds = [true]", "`seeds`"),
        ("seeds = [0]", "seeds = [0, 0]", "`seeds`.*different"),
        ("seeds = [0]", "seeds = [-1]", "`seeds`.*from 0"),
        ("fire9 = 0.1", "fire9 = '0.1'", "learning_rates.fire9"),
        ('radius_from = "ordinary"', 'radius_from = "twin"', "`radius_from`.*listed before"),
        ('radius_from = "ordinary"', "radius = -1.0", "`radius` of.*above 0"),
        ('radius_from = "ordinary"', 'radius_from = "ordinary"\nradius = 9', "`radius` of"),
        ('name = "interpretable"', 'name = "ordinary"', "taken"),
        ('name = "interpretable"', 'name = "../up"', "letters"),
        ("strength = 0.2", "strenght = 0.2", "did you mean `strength`"),
        ("strength = 0.2", "strength = -1.0", "`strength`"),
        ('rule = "default"', 'rule = "best"', r"filter_loss\.rule"),
        ("batch_size = 16", "batch_size = 16\nflip = true", "`flip`.*frozen_until"),
    ],
)
def test_mistakes_name_the_file_the_key_and_the_fix(recipe_file, old, new, message):
    assert old in RECIPE
    recipe_file.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(recipes.RecipeError, match=message) as error:
        recipes.read_recipe(recipe_file)
    assert "creatures.toml" in str(error.value)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(recipes.RecipeError, match="cannot be read"):
        recipes.read_recipe(tmp_path / "none.toml")


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


def _run_of(path, folder):
    out = folder / "out"
    out.mkdir()
    results = Results(out / "results.csv", recipes._KEY)
    return recipes._Run(recipes.read_recipe(path), folder, out, False, results, {}, False)


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
    run = _run_of(path, tmp_path)
    assert run._categories() == ["apple", "pear"]
    with pytest.raises(recipes.RecipeError, match="needs a background class"):
        run._classes("pear")


def test_the_backbones_normalization_can_stay_as_it_is(tmp_path):
    import keras

    network = 'top = "block_2_add"\nfixed_normalization = true'
    text = RECIPE.replace('frozen_until = "fire8_concat"', network)
    text = text.replace('"squeezenet', '"mobilenet_v2').replace('"weights.npz"', '""')
    path = tmp_path / "mobile.toml"
    path.write_text(text.replace("{ fire9 = 0.1 }", "{ block_2 = 0.1 }"))
    run = _run_of(path, tmp_path)
    for variant in run.recipe.variants:
        model, trained, lower = run._build(variant)
        assert trained is model and lower is None
        backbone = keras.Model(model.inputs, model.get_layer("block_2_add").output)
        kinds = [(type(layer).__name__, layer.trainable) for layer in backbone.layers]
        assert ("BatchNormalization", False) in kinds and ("BatchNormalization", True) not in kinds
        assert ("Conv2D", True) in kinds
        # The new layer has a normalisation of its own, which is trained.
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


def test_learning_rates_differ_layer_by_layer():
    import keras

    from keras_icnn.recipes._optimizers import LayerwiseAdamW

    keras.utils.set_random_seed(0)
    slow = keras.layers.Dense(3, name="slow")
    fast = keras.layers.Dense(3, name="fast")
    model = keras.Sequential([keras.Input((3,)), slow, fast])
    model.compile(
        LayerwiseAdamW(learning_rate=0.1, weight_decay=0.0, multipliers={"slow": 0.01}), "mse"
    )
    before = [w.copy() for w in model.get_weights()]
    model.train_on_batch(np.ones((4, 3), "float32"), np.zeros((4, 3), "float32"))
    moved = [np.abs(a - b).max() for a, b in zip(before, model.get_weights(), strict=True)]
    # Adam's first step has the size of the learning rate.
    assert moved == pytest.approx([0.001, 0.001, 0.1, 0.1], rel=0.01)
    again = LayerwiseAdamW.from_config(model.optimizer.get_config())
    assert again.multipliers == {"slow": 0.01}


def test_sgd_decays_kernels_through_the_momentum():
    import keras

    from keras_icnn.recipes._optimizers import LayerwiseSGD

    layer = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(
        LayerwiseSGD(
            learning_rate=0.5, momentum=0.9, kernel_decay=0.1, multipliers={layer.name: 0.2}
        ),
        keras.losses.MeanSquaredError(),
    )
    # An input of 0 and a target of 1: the task has no gradient, the kernel decays, the bias stays.
    x, y = np.zeros((1, 1), "float32"), np.ones((1, 1), "float32")
    model.train_on_batch(x, y)
    # velocity -.5 * .2 * .1 * 1
    assert layer.kernel.numpy().item() == pytest.approx(0.99)
    model.train_on_batch(x, y)
    # velocity .9 * -.01 - .01 * .99
    assert layer.kernel.numpy().item() == pytest.approx(0.99 - 0.009 - 0.0099)
    assert layer.bias.numpy().item() == 1
    again = LayerwiseSGD.from_config(model.optimizer.get_config())
    assert (again.kernel_decay, again.momentum) == (0.1, 0.9)


def test_learning_rates_of_a_geometric_schedule():
    from keras_icnn.recipes._format import Training
    from keras_icnn.recipes._training import learning_rates

    training = Training(
        epochs=5, learning_rate=1.0, schedule="geometric", final_rate=0.01, decay_epochs=3
    )
    rates = learning_rates(training, steps=2)
    found = [float(rates(step)) for step in range(10)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])


def test_the_logistic_loss_of_several_outputs_added_up():
    from keras_icnn.recipes._training import summed_logistic

    y, z = np.array([[1.0, 0, 0]], "float32"), np.array([[2.0, -1, 0.5]], "float32")
    expected = np.log1p(np.exp(-2)) + np.log1p(np.exp(-1)) + np.log1p(np.exp(0.5))
    np.testing.assert_allclose(np.asarray(summed_logistic(y, z)), [expected], rtol=1e-5)


def test_one_set_of_variants_for_each_network(recipe_file):
    text = RECIPE.replace('weights = "weights.npz"\n', "").replace('"squeezenet', '"{network}')
    text = text.replace('"ordinary"', '"{network}"').replace('"interpretable"', '"{network}_new"')
    text += (
        '[networks.squeezenet]\nweights = ["a.npz", "imagenet"]\n[networks.vgg16]\nbatch_size = 4'
    )
    recipe_file.write_text(text)
    variants = recipes.read_recipe(recipe_file).variants
    assert [v.name for v in variants] == ["squeezenet", "squeezenet_new", "vgg16", "vgg16_new"]
    assert [v.network for v in variants][1::2] == [
        "squeezenet_interpretable",
        "vgg16_interpretable",
    ]
    assert [v.radius_from for v in variants] == ["", "squeezenet", "", "vgg16"]
    assert [v.weights for v in variants] == [("a.npz", "imagenet")] * 2 + [()] * 2
    assert [v.batch_size for v in variants] == [0, 0, 4, 4]
    assert variants[3].filter_loss.strength == 0.2


def test_a_variant_has_a_schedule_of_its_own(recipe_file):
    import dataclasses

    import keras

    from keras_icnn.recipes._format import read_recipe
    from keras_icnn.recipes._training import compile_network

    own = 'name = "ordinary"\ntraining = { optimizer = "sgd", learning_rate = 1, epochs = 3 }'
    text = RECIPE.replace('name = "ordinary"', own + "\nbatch_size = 8")
    recipe_file.write_text(text)
    recipe = read_recipe(recipe_file)
    ordinary, interpretable = map(recipe.training_of, recipe.variants)
    assert (ordinary.epochs, ordinary.batch_size, ordinary.learning_rate) == (3, 8, 1.0)
    assert ordinary.learning_rates == {"fire9": 0.1}
    assert interpretable == recipe.training
    short = dataclasses.replace(recipe.variants[1], learning_rate=0.5)
    assert recipe.training_of(short).learning_rate == 0.5
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="fire9_dense")(inputs))
    assert compile_network(model, recipe, recipe.variants[0], 48) == 8
    assert type(model.optimizer).__name__ == "LayerwiseSGD"
    model.optimizer.iterations.assign(9)  # of 3 epochs of 6 steps
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5, rel=1e-5)
    compile_network(model, recipe, recipe.variants[1], 48)
    assert type(model.optimizer).__name__ == "LayerwiseAdamW"


def test_mirror_images_and_repetitions(recipe_file):
    from keras_icnn import datasets
    from keras_icnn.recipes._format import Data, Recipe, Training, Variant
    from keras_icnn.recipes._training import training_set

    data = datasets.creatures(n_train=12, n_validation=0, n_test=0, image_size=(32, 32), seed=0)
    train = data.train.select([data.class_names[0], data.class_names[1]])
    shown, hidden = int((train.labels == 1).sum()), int((train.labels == 0).sum())

    def prepared(task, **training):
        fields = dict.fromkeys(Recipe.__dataclass_fields__)
        fields |= {"data": Data(task=task), "training": Training(**training)}
        return training_set(train, Recipe(**fields), Variant("a", "squeezenet")).labels.tolist()

    single, multi = "single-category", "multi-category"
    assert prepared(single) == train.labels.tolist()
    assert prepared(single, mirrored=True).count(1) == 2 * shown
    assert prepared(single, mirrored=True).count(0) == hidden
    assert prepared(multi, mirrored=True).count(0) == 2 * hidden
    balanced = prepared(single, mirrored=True, positive_share=0.75)
    assert balanced.count(1) == pytest.approx(3 * balanced.count(0), abs=1)


def test_digests_tell_data_and_weights_apart(tmp_path, numbered_splits):
    from keras_icnn.recipes._provenance import data_digest, file_digest

    first = data_digest(numbered_splits(tmp_path, 5.0), tmp_path)
    # A data set that was moved is the same; another landmark is not.
    moved = tmp_path / "moved"
    assert data_digest(numbered_splits(moved, 5.0), moved) == first
    assert data_digest(numbered_splits(tmp_path, 6.0), tmp_path) != first
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    one = file_digest(file)
    file.write_bytes(b"other")
    assert len(one) == 64 and file_digest(file) != one


@pytest.fixture
def numbered_splits():
    from keras_icnn.datasets import PartDataset, PartSplits

    def make(root, x):
        data = PartDataset(
            image=None,
            labels=[0, 0],
            files=[root / "a.png", root / "b.png"],
            class_names=["cat"],
            image_size=(8, 8),
            landmarks=[[[x, 1.0]], [[np.nan, np.nan]]],
            landmark_names=["head"],
        )
        return PartSplits(train=data)

    return make


def test_learning_rates_of_layers_that_are_not_there_are_refused():
    import keras

    from keras_icnn.recipes._optimizers import LayerwiseAdamW

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="slow")])
    with pytest.raises(ValueError, match=r"`multipliers`.*'slwo'.*slow"):
        LayerwiseAdamW(multipliers={"slwo": 0.1}).build(model.trainable_variables)

"""What recipes may say, and what is said about mistakes in them."""

import dataclasses

import pytest
from small_recipe import RECIPE

from keras_icnn import FilterLoss, recipes
from keras_icnn.recipes import _format


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
        (
            'name = "ordinary"',
            'name = "ordinary"\nbatch_size = 8',
            "`batch_size` is not known",
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
        ("[training]", "[networks.vgg16]\ntraining = 3\n[training]", "networks.vgg16.*a table"),
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
        ("strength = 0.2", "strengtt = 0.2", "did you mean `strength`"),
        ("strength = 0.2", "strength = -1.0", "`strength`"),
        ("strength = 0.2", "templates = 3", "`templates`"),
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


def test_one_set_of_variants_for_each_network(recipe_file):
    text = RECIPE.replace('weights = "weights.npz"\n', "").replace('"squeezenet', '"{network}')
    text = text.replace('"ordinary"', '"{network}"').replace('"interpretable"', '"{network}_new"')
    text += '[networks.squeezenet]\nweights = ["a.npz", "imagenet"]\n'
    text += "[networks.vgg16]\ntraining.batch_size = 4"
    recipe_file.write_text(text)
    recipe = recipes.read_recipe(recipe_file)
    variants = recipe.variants
    assert [v.name for v in variants] == ["squeezenet", "squeezenet_new", "vgg16", "vgg16_new"]
    assert [v.network for v in variants][1::2] == [
        "squeezenet_interpretable",
        "vgg16_interpretable",
    ]
    assert [v.radius_from for v in variants] == ["", "squeezenet", "", "vgg16"]
    assert [v.weights for v in variants] == [("a.npz", "imagenet")] * 2 + [()] * 2
    assert [recipe.training_of(v).batch_size for v in variants] == [16, 16, 4, 4]
    assert variants[3].rule.strength == 0.2


def test_what_a_network_and_a_variant_say_of_the_training_goes_together(recipe_file):
    text = RECIPE.replace('"squeezenet', '"{network}').replace('"ordinary"', '"{network}"')
    text = text.replace('"interpretable"', '"{network}_new"\ntraining = { epochs = 3 }')
    recipe_file.write_text(text + "[networks.squeezenet]\ntraining = { batch_size = 4 }")
    recipe = recipes.read_recipe(recipe_file)
    found = [recipe.training_of(v) for v in recipe.variants]
    assert [(training.epochs, training.batch_size) for training in found] == [(1, 4), (3, 4)]
    assert found[1].learning_rates == {"fire9": 0.1}


@pytest.mark.parametrize(
    "section", [_format.Data, _format.Network, _format.Training, _format.Variant]
)
def test_every_key_is_described(section):
    for field in dataclasses.fields(section):
        assert len(field.metadata["description"]) > 5, field.name
        default = field.default
        if "within" in field.metadata:
            assert field.metadata["within"].holds(default), field.name
        if "choices" in field.metadata:
            chosen = default if isinstance(default, tuple) else (default,)
            assert set(chosen) <= set(field.metadata["choices"]), field.name


def test_a_rule_s_templates_change_where_a_variant_says_so(recipe_file):
    recipe_file.write_text(RECIPE.replace("strength = 0.2", "templates = { beta = 2.0 }"))
    rule = recipes.read_recipe(recipe_file).variants[1].rule
    default = FilterLoss.parse("default")
    changed = {**default.templates.get_config(), "beta": 2.0}
    assert rule == dataclasses.replace(default, templates=changed)

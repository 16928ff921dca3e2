"""What tells runs apart: their recipe, data and weights."""

import numpy as np
import pytest
from small_recipe import BASELINES, RECIPE

from keras_icnn import FilterLoss
from keras_icnn.recipes import read_recipe
from keras_icnn.recipes._digests import data_digest, file_digest, rule_digest, run_digest


def test_digests_tell_data_and_weights_apart(tmp_path, numbered_splits):
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


@pytest.fixture
def digest(recipe_file):
    """The digest of a variant's runs in a recipe with a text replaced."""

    def of(variant, old="", new="", text=RECIPE):
        assert old in text
        recipe_file.write_text(text.replace(old, new, 1) if old else text)
        recipe = read_recipe(recipe_file)
        return run_digest(recipe, recipe.variant(variant))

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[data]", "# About the images.\n[data]"),
        ("title = ", "title    =    "),
        ("creatures on SqueezeNet", "another title"),
        ("seeds = [0]", "seeds = [0, 1, 2]"),
        # Every category is a run of its own.
        ('["fox"]', '["fox", "cat"]'),
        # What holds anyway.
        ("epochs = 1", 'epochs = 1\nschedule = "cosine"'),
        ('rule = "default", ', ""),
        ("head_scale = 10.0", "head_scale = 10"),
    ],
)
def test_what_does_not_matter_to_a_run(digest, old, new):
    for variant in ("ordinary", "interpretable"):
        assert digest(variant, old, new) == digest(variant)


def test_other_variants_do_not_matter_to_a_run(digest):
    for variant in ("ordinary", "interpretable"):
        assert digest(variant, text=RECIPE + BASELINES) == digest(variant)
    assert digest("interpretable") != digest("ordinary")
    only = RECIPE[: RECIPE.rindex("[[variant]]")]
    assert digest("ordinary", text=only) == digest("ordinary")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs = 1", "epochs = 2"),
        ("fire9 = 0.1", "fire9 = 0.2"),
        ("head_scale = 10.0", "head_scale = 11.0"),
        ("n_train = 40", "n_train = 41"),
        ('["train", "validation"]', '["train"]'),
        # The ordinary network gives the other its radius.
        ("extra_layer = true, new_filters = 8", "extra_layer = true, new_filters = 9"),
    ],
)
def test_what_matters_to_every_run(digest, old, new):
    for variant in ("ordinary", "interpretable"):
        assert digest(variant, old, new) != digest(variant)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("strength = 0.2", "strength = 0.3"),
        ("interpret_top = false, new_filters = 8", "interpret_top = false, new_filters = 9"),
        ('radius_from = "ordinary"', "radius = 9.0"),
        ('radius_from = "ordinary"', 'radius_from = "ordinary"\ntraining = { batch_size = 8 }'),
    ],
)
def test_what_matters_to_a_variant_s_runs(digest, old, new):
    assert digest("interpretable", old, new) != digest("interpretable")
    assert digest("ordinary", old, new) == digest("ordinary")


def test_the_categories_of_one_network_matter_together(digest):
    text = RECIPE.replace('"single-category"', '"multi-category"')
    several = text.replace('["fox"]', '["fox", "cat"]')
    assert digest("ordinary", text=several) != digest("ordinary", text=text)


def test_rules_are_told_apart_however_they_are_written():
    assert rule_digest("default") == rule_digest(FilterLoss.parse("default"))
    rules = ("default", "paper", "official", None, FilterLoss(strength=0.5))
    assert len({rule_digest(rule) for rule in rules}) == 5

"""The recipes for VGG-16 and the one-tower AlexNet: what is frozen, what is trained, one run."""

import dataclasses

import numpy as np
import pytest
import small_data_sets

from keras_icnn import FilterLoss, recipes, zoo
from keras_icnn.recipes._data import read_images
from keras_icnn.recipes._networks import build, weights_of
from keras_icnn.recipes._paper_tables import recipes_folder

# Network, the last frozen layer with its filters, the top convolution.
NETWORKS = {
    "vgg16": ("block5_conv2", 512, "block5_conv3"),
    "alexnet_v2": ("conv4", 256, "conv5"),
}
RULES = {
    "paper_rule": "paper",
    "official_rule": "official",
    "one_part": "one_part",
    "interpretable": "default",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Both data sets in small, and weights as initialized, in half precision."""
    root = tmp_path_factory.mktemp("data")
    small_data_sets.cub200(root)
    (root / "CUB_200_2011").rename(root / "cub200")
    small_data_sets.animal_part(root, names=("bird", "horse"))
    (root / "weights").mkdir()
    for network in NETWORKS:
        model = zoo.create_model(network, include_top=False)
        arrays = {
            f"{layer.name}/{name}": np.asarray(value, "float16")
            for layer in model.layers
            if layer.weights
            for name, value in zip(("kernel", "bias"), layer.get_weights(), strict=True)
        }
        recipe = shipped(f"{network}_birds")
        np.savez(root / recipe.network.weights, **arrays)
    return root


def shipped(name, **arguments):
    recipe = recipes.read_recipe(recipes_folder() / f"{name}.toml")
    merged = {**recipe.data.arguments, **arguments}
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, arguments=merged))


@pytest.mark.medium
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("task", ["{}_birds", "{}_animals", "table5_{}"])
def test_the_last_convolution_and_what_is_new_are_trained(data, network, task):
    frozen, filters, top = NETWORKS[network]
    recipe = shipped(task.format(network))
    if recipe.data.categories:
        known = dataclasses.replace(recipe.data, categories=("bird", "horse"))
        recipe = dataclasses.replace(recipe, data=known)
    images = read_images(recipe.data, data, {})
    archive = np.load(data / recipe.network.weights)
    # The paper's table has no column for the rule of one part.
    rules = [name for name in RULES if name != "one_part" or "table5" not in recipe.name]
    assert [v.name for v in recipe.variants] == ["ordinary_extra", *rules]
    for variant in recipe.variants:
        built = build(recipe, variant, images, data)
        # 14 x 14 units of VGG-16, 13 x 13 of AlexNet.
        assert built.frozen.output_shape[-1] == filters and built.frozen.output_shape[1] in (13, 14)
        assert not built.frozen.trainable_weights
        layers = {layer.name for layer in built.trained.layers if layer.trainable_weights}
        new = "extra_conv" if variant.name == "ordinary_extra" else "interpretable_conv"
        assert {top, new, "predictions"} <= layers
        assert frozen in [layer.name for layer in built.frozen.layers]
        assert top not in [layer.name for layer in built.frozen.layers]
        for layer in (frozen, top):
            kernel = built.model.get_layer(layer).kernel
            np.testing.assert_array_equal(kernel, archive[f"{layer}/kernel"])
        assert built.trained.output_shape == (None, 1)
        if variant.name in RULES:
            assert variant.rule == FilterLoss.parse(RULES[variant.name])
            assert built.model.get_layer(new).filter_loss == variant.rule


def test_birds_have_all_landmarks_and_table_5_the_papers_three(data):
    names = read_images(shipped("vgg16_birds").data, data, {}).splits.landmark_names
    own = (data / "cub200" / "parts" / "parts.txt").read_text().splitlines()
    assert list(names) == [line.split(maxsplit=1)[1] for line in own]
    three = read_images(shipped("table5_vgg16").data, data, {}).splits.landmark_names
    assert list(three) == ["head", "back", "tail"]


@pytest.mark.slow
def test_a_recipe_fills_the_column_of_its_table(data, tmp_path):
    path = recipes_folder() / "table5_alexnet_v2.toml"
    result = recipes.reproduce("table5", data, tmp_path, recipes=[path], verbose=False)
    filled = {(r["network"], r["variant"]) for r in result.rows if r.get("value")}
    assert filled == {("alexnet_v2", "ordinary extra"), ("alexnet_v2", "interpretable")}
    assert len(list((tmp_path / "features").glob("*.npy"))) == 4
    assert "One-tower AlexNet, interpretable" in result.text


def test_the_papers_recipes_take_local_weights_before_they_fetch(tmp_path):
    (tmp_path / "weights").mkdir()
    names = ("animal_part_single", "animal_part_logistic", "cub200_single")
    names += ("pascal_part_single", "pascal_part_logistic", "pascal_part_softmax")
    vgg16 = {
        name: recipes.read_recipe(recipes_folder() / f"{name}.toml").variant("vgg16")
        for name in names
    }
    recipe = shipped("cub200_single")
    assert weights_of(recipe, vgg16["cub200_single"], tmp_path)[0] == "imagenet"
    npz = tmp_path / "weights" / "vgg16_imagenet_notop.npz"
    npz.write_bytes(b"not read")
    for variant in vgg16.values():
        assert weights_of(recipe, variant, tmp_path)[0] == str(npz)
    mat = tmp_path / "weights" / "imagenet-vgg-verydeep-16.mat"
    mat.write_bytes(b"not read")
    assert weights_of(recipe, vgg16["cub200_single"], tmp_path)[0] == str(mat)
    with pytest.raises(recipes.RecipeError, match=r"alexnet_single_tower.*not in the data folder"):
        weights_of(recipe, recipe.variant("alexnet_v2"), tmp_path)

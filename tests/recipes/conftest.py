"""A recipe on generated creatures, and the weights it names."""

import numpy as np
import pytest
import small_recipe


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "creatures.toml"
    path.write_text(small_recipe.RECIPE)
    return path


@pytest.fixture(scope="session")
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

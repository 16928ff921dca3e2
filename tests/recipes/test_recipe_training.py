"""What `[training]` means: optimizers, schedules, losses and training sets."""

import numpy as np
import pytest
from small_recipe import RECIPE


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


def test_learning_rates_of_layers_that_are_not_there_are_refused():
    import keras

    from keras_icnn.recipes._optimizers import LayerwiseAdamW

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="slow")])
    with pytest.raises(ValueError, match=r"`multipliers`.*'slwo'.*slow"):
        LayerwiseAdamW(multipliers={"slwo": 0.1}).build(model.trainable_variables)


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
    from keras_icnn.recipes._losses import summed_logistic

    y, z = np.array([[1.0, 0, 0]], "float32"), np.array([[2.0, -1, 0.5]], "float32")
    expected = np.log1p(np.exp(-2)) + np.log1p(np.exp(-1)) + np.log1p(np.exp(0.5))
    np.testing.assert_allclose(np.asarray(summed_logistic(y, z)), [expected], rtol=1e-5)


def test_a_variant_has_a_schedule_of_its_own(recipe_file):
    import keras

    from keras_icnn.recipes import read_recipe
    from keras_icnn.recipes._training import compile_network

    own = 'optimizer = "sgd", learning_rate = 1, epochs = 3, batch_size = 8'
    text = RECIPE.replace('name = "ordinary"', f'name = "ordinary"\ntraining = {{ {own} }}')
    recipe_file.write_text(text)
    recipe = read_recipe(recipe_file)
    ordinary, interpretable = map(recipe.training_of, recipe.variants)
    assert (ordinary.epochs, ordinary.batch_size, ordinary.learning_rate) == (3, 8, 1.0)
    assert ordinary.learning_rates == {"fire9": 0.1}
    assert interpretable == recipe.training
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="fire9_dense")(inputs))
    compile_network(model, recipe, recipe.variants[0], 48)
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


@pytest.mark.medium
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


@pytest.mark.medium
def test_a_detector_for_each_landmark_is_that_landmark_s_own():
    """Side by side in one model they answer as they do alone; rarely seen ones are left out."""
    from types import SimpleNamespace

    import keras

    from keras_icnn.recipes._supervised_detector import train_detector
    from keras_icnn.recipes._training import train_supervised

    rng = np.random.default_rng(0)
    centers = np.stack(np.meshgrid(np.arange(4) * 16.0, np.arange(4) * 16.0), axis=-1)
    maps = rng.normal(size=(12, 4, 4, 3)).astype("float32")
    landmarks = rng.uniform(0, 48, (12, 3, 2))
    landmarks[::3, 0] = np.nan
    landmarks[1:, 1] = np.nan
    dataset = SimpleNamespace(landmarks=landmarks)
    built, field = SimpleNamespace(frozen=None), SimpleNamespace(centers=centers)
    features = SimpleNamespace(of=lambda frozen, images: maps)
    variant = SimpleNamespace(feature_scale=0.5)

    def trained(places):
        keras.utils.set_random_seed(0)
        return train_supervised(built, field, places, variant, dataset, features=features)

    together = trained([0, 1, 2]).predict(maps, verbose=0)
    assert together.shape == (12, 4, 4, 2)
    np.testing.assert_allclose(together.sum(axis=(1, 2)), 1, rtol=1e-5)
    keras.utils.set_random_seed(0)
    for channel, k in enumerate((0, 2)):
        known = np.isfinite(landmarks[:, k, 0])
        alone = train_detector(maps[known], landmarks[known, k], centers, scale=0.5)
        np.testing.assert_allclose(
            together[..., [channel]], alone.predict(maps, verbose=0), rtol=1e-4, atol=1e-6
        )
    with pytest.raises(ValueError, match=r"`landmarks`.*2 images"):
        trained([1])

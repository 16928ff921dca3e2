"""The networks of a recipe: their weights, built, cut, pooled and frozen as `[network]` says."""

from dataclasses import dataclass
from pathlib import Path

from keras_icnn.recipes._digests import file_digest
from keras_icnn.recipes._format import RecipeError, mistakes_of
from keras_icnn.recipes._read_recipe import resolve


@dataclass(frozen=True)
class Built:
    """A network: whole, the part that is trained, and the frozen part below it (or None)."""

    model: object
    trained: object
    frozen: object


def weights_of(recipe, variant, folder):
    """What weights a variant begins with, and their digest.

    Args:
        recipe: `Recipe`.
        variant: One of its `Variant`s.
        folder: The data folder.

    Returns:
        A path, `"imagenet"` or None, and the sha256 of the file, `"imagenet"` or `""`.

    Raises:
        RecipeError: For a file that is not there.
    """
    if variant.kind == "untrained":
        return None, ""
    shared = recipe.network.weights
    given = variant.weights or ((shared,) if shared else ())
    for name in given:
        if name == "imagenet":
            return name, name
        if name == given[-1] or (Path(folder) / name).is_file():
            path = str(resolve(folder, name, f"`weights` of variant '{variant.name}'"))
            return path, file_digest(path)
    return None, ""


def build(recipe, variant, images, folder):
    """Builds the network of a variant.

    Args:
        recipe: `Recipe`.
        variant: One of its `Variant`s.
        images: `Images`.
        folder: The data folder.

    Returns:
        `Built`.

    Raises:
        RecipeError: For what the zoo refuses, and layers that are not there.
    """
    network = recipe.network
    weights, _ = weights_of(recipe, variant, folder)
    arguments = _arguments(recipe, variant, images, weights)
    with mistakes_of(f"[[variant]] '{variant.name}'"):
        model = _whole(network, variant, arguments)
    if network.head == "pooled":
        model = _with_linear_head(model, network.head_scale, images.outputs, variant.name)
    if variant.kind == "untrained":
        return Built(model, model, None)
    if network.fixed_normalization:
        _fix_normalization(model, network.top)
    if not network.frozen_until:
        return Built(model, model, None)
    if weights is None:
        raise RecipeError("`frozen_until` in [network] needs pretrained `weights`.")
    return _split(model, network.frozen_until, variant.name)


def find_layer(model, name):
    """A layer of a network by its name.

    Raises:
        RecipeError: With the names there are, when it has none of this name.
    """
    if name not in [layer.name for layer in model.layers]:
        raise RecipeError(
            f"Network '{model.name}' has no layer '{name}'. It has: "
            f"{', '.join(layer.name for layer in model.layers)}"
        )
    return model.get_layer(name)


def _arguments(recipe, variant, images, weights):
    """The builder's arguments: those of all recipes, of `[network]`, then of the variant."""
    arguments = {
        "input_shape": (*images.splits.image_size, 3),
        "classes": images.outputs,
        "weights": weights,
        "include_preprocessing": True,
        "classifier_activation": None,
        # What is frozen is said by `frozen_until`.
        "fine_tune": "all",
        **recipe.network.arguments,
        **variant.arguments,
    }
    if variant.filter_loss:
        arguments["filter_loss"] = variant.rule
    if recipe.network.head == "pooled":
        arguments.update(include_top=False, pooling="avg")
    return arguments


def _whole(network, variant, arguments):
    from keras_icnn import zoo

    if network.top:
        return _cut(network.top, variant, arguments)
    return zoo.create_model(variant.network, **arguments)


def _cut(top, variant, arguments):
    """The network up to `top`, made what the variant's name and arguments say, and pooled."""
    import keras

    from keras_icnn import zoo
    from keras_icnn.models._conversion import layer_arguments, transform

    base = {k: arguments.pop(k) for k in ("input_shape", "weights", "include_preprocessing")}
    for idle in ("include_top", "pooling", "classifier_activation", "fine_tune"):
        arguments.pop(idle, None)
    classes = arguments.pop("classes")
    whole = zoo.create_model(variant.base_network, include_top=False, **base)
    model = keras.Model(whole.inputs, find_layer(whole, top).output)
    interpretable = None
    if variant.is_interpretable:
        names = ("background_class", "filter_loss", "mask")
        given = {k: arguments.pop(k) for k in names if k in arguments}
        interpretable = layer_arguments(classes, **given)
    extra = arguments.pop("extra_layer", interpretable is not None)
    layers = None if arguments.pop("interpret_top", True) else ()
    model = transform(
        model,
        name=variant.name,
        layers=layers,
        extra_layer=extra,
        interpretable=interpretable,
        **arguments,
    )
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(model.output)
    return _model_class(model)(model.inputs, pooled, name=variant.name)


def _model_class(model):
    """The class for a model that is made of this one's layers."""
    import keras

    from keras_icnn import InterpretableModel

    return InterpretableModel if isinstance(model, InterpretableModel) else keras.Model


def _with_linear_head(model, scale, outputs, name):
    import keras

    pooled = keras.layers.Rescaling(scale, name="head_scale")(model.output)
    logits = keras.layers.Dense(outputs, name="predictions")(pooled)
    return _model_class(model)(model.inputs, logits, name=name)


def _fix_normalization(model, top):
    """Leaves batch normalization up to a layer as the weights have it."""
    import keras

    for layer in keras.Model(model.inputs, find_layer(model, top).output).layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _split(model, name, variant):
    """Freezes a network up to a layer, and makes models of what lies below and above its output."""
    import keras

    cut = find_layer(model, name).output
    frozen = keras.Model(model.inputs, cut)
    for layer in frozen.layers:
        layer.trainable = False
    return Built(model, _model_class(model)(cut, model.output, name=variant), frozen)

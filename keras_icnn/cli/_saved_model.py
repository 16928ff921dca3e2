"""The saved model that a verb is about, and how its images are prepared."""

import errno
import functools
import os


def load_model(path):
    """A saved model, the package's own classes in it included.

    Raises:
        FileNotFoundError: where there is none.
        ValueError: when it cannot be read.
    """
    import keras

    from keras_icnn._files.limits import check_file

    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, "there is no such model", path)
    try:
        check_file(path)
        # Keras's older format knows registered classes by their bare names only.
        classes = _own_classes(keras) if os.fspath(path).endswith((".h5", ".hdf5")) else None
        return keras.saving.load_model(path, custom_objects=classes, compile=False)
    except Exception as error:  # A damaged file fails in as many ways as it can be damaged.
        raise ValueError(
            f"'{path}' cannot be read as a model: it must be a .keras file of networks made of "
            "layers of Keras and of this package, and complete. Received: "
            f"{type(error).__name__}: {error}"
        ) from error


def shipped_model():
    """The trained network that comes with the package; says what it knows."""
    from keras_icnn import zoo

    model = zoo.create_model("mobilenet_v2_interpretable", weights="animals")
    names = ", ".join(name.replace("_", " ") for name in model.class_names)
    print(
        f"The network that comes with the package knows {len(model.class_names)} animals: {names}."
    )
    return model


def _own_classes(keras):
    """The package's classes by their bare names."""
    package = "keras_icnn>"
    registered = keras.saving.get_custom_objects().items()
    return {k.removeprefix(package): v for k, v in registered if k.startswith(package)}


def preprocessing_of(network, model):
    """The preprocessing of a network of the zoo as a function of images; None without a name.

    Raises:
        ValueError: for a model that prepares its images itself.
    """
    if not network:
        return None
    from keras_icnn import zoo

    inside = [layer.name for layer in model.layers if type(layer).__name__ == "ImagePreprocessing"]
    if inside:
        raise ValueError(
            f"The model prepares its images itself, in layer '{inside[0]}': images would be "
            f"prepared twice. Leave --preprocess {network} out."
        )

    return functools.partial(zoo.preprocess_input, network)

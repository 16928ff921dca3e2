"""A network of the zoo's kind that trains in a second, and folders of images as they are found."""

import keras
import numpy as np
from PIL import Image

import keras_icnn as icnn
from keras_icnn.zoo import _registry


def register(monkeypatch):
    """Makes `tiny` and `tiny_interpretable` known for one test."""
    monkeypatch.setattr(_registry, "_BUILDERS", dict(_registry._BUILDERS))

    @icnn.zoo.register_model
    def tiny(weights, input_shape, classes, include_preprocessing, extra_layer, fine_tune):
        inputs, x = _below(weights, input_shape, include_preprocessing)
        x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="extra_conv")(x)
        return keras.Model(inputs, _head(x, classes), name="tiny")

    @icnn.zoo.register_model
    def tiny_interpretable(
        weights,
        input_shape,
        classes,
        include_preprocessing,
        fine_tune,
        class_names,
        background_class=None,
    ):
        inputs, x = _below(weights, input_shape, include_preprocessing)
        x = icnn.InterpretableConv(
            6,
            3,
            padding="same",
            num_classes=classes,
            background_class=background_class,
            normalization="batch",
            name="interpretable_conv",
        )(x)
        return icnn.InterpretableModel(
            inputs, _head(x, classes), name="tiny_interpretable", class_names=class_names
        )


def _below(weights, input_shape, include_preprocessing):
    assert weights is None and include_preprocessing
    inputs = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255)(inputs)
    return inputs, keras.layers.Conv2D(4, 5, strides=4, padding="same", activation="relu")(x)


def _head(x, classes):
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(classes, "softmax", name="predictions")(x)


def class_folders(root, each=10, classes=("blue", "red"), size=24):
    """Noisy images of one color a class."""
    rng = np.random.default_rng(0)
    for channel, name in zip((2, 0), classes, strict=True):
        (root / name).mkdir(parents=True)
        for i in range(each):
            image = rng.integers(0, 120, (size, size, 3), "uint8")
            image[..., channel] += 100
            Image.fromarray(image).save(root / name / f"{i:02}.png")
    return root


def add_odd_files(root, name="red"):
    """One file of every kind that a folder may hold: usable ones, and others.

    Returns:
        (names of the usable ones, names of those that are left out and listed).
    """
    folder = root / name
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (20, 30, 3), "uint8")
    plain = Image.fromarray(pixels)
    plain.save(folder / "x.jfif", format="JPEG")
    plain.convert("CMYK").save(folder / "cmyk.jpg")
    plain.convert("L").save(folder / "gray.JPG")
    plain.convert("P").save(folder / "palette.gif")
    plain.convert("RGBA").save(folder / "alpha.png")
    plain.save(folder / "photo.webp")
    Image.fromarray(rng.integers(0, 65536, (20, 30), "uint16")).save(folder / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.save(folder / "turned.jpg", exif=exif)
    usable = ["x.jfif", "cmyk.jpg", "gray.JPG", "palette.gif", "alpha.png", "photo.webp"]
    usable += ["deep.png", "turned.jpg"]

    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    (folder / "text.png").write_text("no image")
    (folder / "noending").write_text("no image")
    Image.fromarray(rng.integers(0, 256, (80, 80, 3), "uint8")).save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / ".DS_Store").write_bytes(b"hidden, so not told")
    (root / "empty").mkdir()
    (root / "readme.md").write_text("no image")
    (root / "__MACOSX" / name).mkdir(parents=True)
    (root / "__MACOSX" / name / "._00.png").write_bytes(b"no image")
    left_out = ["phone.heic", "zero.jpg", "notes.txt", "text.png", "noending", "cut.jpg"]
    return usable, [*left_out, "empty", "readme.md", "__MACOSX"]

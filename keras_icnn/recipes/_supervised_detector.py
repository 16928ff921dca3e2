"""A detector of one landmark trained with annotations: what filters without them compete with."""

import numpy as np


def train_detector(
    features,
    landmarks,
    centers,
    *,
    scale=1.0,
    filters=64,
    dropout=0.3,
    sigma=16.0,
    epochs=15,
    batch_size=32,
    learning_rate=1e-3,
    weight_decay=1e-2,
):
    """Two 3x3 convolutions on frozen features, trained to point at a landmark.

    A softmax over units is fitted, by cross-entropy, to a Gaussian around the landmark. The peak
    of its output is then measured as any filter's.

    Args:
        features: float `[images, h, w, channels]`, of images on which the landmark is annotated.
        landmarks: float `[images, 2]`, (x, y) pixels.
        centers: float `[h, w, 2]`, (x, y) pixel of each unit's center.
        scale: What features are multiplied by, so that they are about 1.
        filters, dropout, sigma, epochs, batch_size, learning_rate, weight_decay: Of the detector
            and its training with AdamW; `sigma` in pixels.

    Returns:
        A Keras model, features to maps `[images, h, w, 1]` that sum to 1.

    Raises:
        ValueError: If there are fewer than 2 images, or a landmark is missing.
    """
    import keras

    landmarks = np.asarray(landmarks, "float64")
    if len(landmarks) < 2 or not np.isfinite(landmarks).all():
        raise ValueError(
            "`landmarks` of a supervised detector must be known on at least 2 images. Received: "
            f"{len(landmarks)} images, {int(np.isnan(landmarks).any(axis=-1).sum())} without it"
        )
    model = _network(features.shape[1:], scale, filters, dropout)
    model.compile(
        keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay),
        keras.losses.CategoricalCrossentropy(),
    )
    model.fit(
        np.asarray(features, "float32"),
        _wanted(landmarks, centers, sigma).astype("float32"),
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
    )
    maps = keras.layers.Reshape((*features.shape[1:3], 1))(model.output)
    return keras.Model(model.input, maps, name="supervised_detector")


def side_by_side(detectors):
    """Detectors on the same features as one model, whose maps have a channel for each of them."""
    import keras

    if len(detectors) == 1:
        return detectors[0]
    features = keras.Input(detectors[0].input_shape[1:])
    for number, detector in enumerate(detectors):
        detector.name = f"{detector.name}_{number}"
    maps = keras.layers.Concatenate()([detector(features) for detector in detectors])
    return keras.Model(features, maps, name="supervised_detectors")


def _network(shape, scale, filters, dropout):
    """Two 3x3 convolutions and a softmax over units."""
    import keras

    height, width, _ = shape
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(scale)(inputs)
    x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Conv2D(1, 3, padding="same")(x)
    x = keras.layers.Reshape((height * width,))(x)
    return keras.Model(inputs, keras.layers.Softmax()(x))


def _wanted(landmarks, centers, sigma):
    """A Gaussian around each landmark, over units: float `[images, h * w]`, rows that sum to 1."""
    units = np.asarray(centers, "float64").reshape(-1, 2)
    distance = ((units[None] - landmarks[:, None]) ** 2).sum(axis=-1)
    # Relative to the nearest unit: far landmarks must not leave a row of zeros.
    distance -= distance.min(axis=1, keepdims=True)
    wanted = np.exp(-distance / (2 * sigma**2))
    return wanted / wanted.sum(axis=1, keepdims=True)

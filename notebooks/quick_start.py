# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quick start
#
# An ordinary network that tells images of a fox from images without one, and the same network with
# interpretable filters: each is pushed to fire on one part of the fox, from the class labels alone.
# The images are generated, so nothing has to be downloaded. About three minutes on two CPU cores.

# %%
# %matplotlib inline
import os

import keras
import numpy as np
from keras import layers

import keras_icnn as icnn

# The project's tests run this notebook in a small setting, whose figures mean nothing.
SMALL = bool(os.environ.get("KERAS_ICNN_SMALL"))
keras.utils.set_random_seed(0)

# %% [markdown]
# ## Images
#
# Class 0 is the background: clutter, often with a body that has no head.

# %%
data = icnn.datasets.creatures(
    n_train=96 if SMALL else 1200,
    n_validation=0,
    n_test=32 if SMALL else 300,
    image_size=(96, 96),
    species=["fox"],
    scale=(0.45, 0.6),
).cache()
train = data.train.batches(32, shuffle=True, seed=0, flip=True)
data.train, data.class_names

# %% [markdown]
# ## An ordinary network
#
# It is trained first, as the paper begins with a pretrained one: the push that makes filters interpretable
# is a share of the task's gradient, and in a network that has learned nothing it would act on noise.

# %%
x = inputs = keras.Input((96, 96, 3))
x = layers.Rescaling(1 / 127.5, -1)(x)
for filters, kernel, stride in ((16, 5, 2), (32, 3, 2), (48, 3, 2), (64, 3, 1), (64, 3, 1)):
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.95)(x)
    x = layers.Activation("relu")(x)
x = layers.Flatten()(layers.MaxPooling2D(2)(x))
x = layers.Dropout(0.5)(x)
ordinary = keras.Model(inputs, layers.Dense(1)(x), name="ordinary")


def fit(model, epochs, rate):
    steps = len(train) * epochs
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(rate, steps)),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
    )
    if isinstance(model, icnn.InterpretableModel):
        icnn.adapt_parts(model, train)  # new filters start from clusters of the training data
    return model.fit(train, epochs=epochs, shuffle=False, verbose=2)


fit(ordinary, 1 if SMALL else 8, 2e-3)

# %% [markdown]
# ## The interpretable one
#
# `make_interpretable` keeps the weights and adds a layer whose filters are pushed. `fit` works as ever; it
# logs the filter loss, `-MI(X; T)`, which falls as maps come to fit the part templates.

# %%
interpretable = icnn.make_interpretable(
    ordinary, num_classes=2, background_class=0, new_filters=32, name="interpretable"
)
fit(interpretable, 1 if SMALL else 8, 1e-3)

# %% [markdown]
# ## Is it better?
#
# Every measure stands beside detectors that know nothing ("center") or next to nothing ("one bit": whether
# the head is on the left). R2 tells how much of a part's movement a filter's peak follows: 1 is exactly,
# 0 no better than a fixed place.

# %%
report_ordinary = icnn.metrics.evaluate(ordinary, data.test, parts=False)
report = icnn.metrics.evaluate(interpretable, data.test, parts=False)
print(report.summary(report_ordinary))

# %% [markdown]
# ## Look
#
# The twelve images on which the best filter of either network is strongest.

# %%
for model, measured in ((ordinary, report_ordinary), (interpretable, report)):
    best = int(np.nanargmax(measured.filters["r2"]))
    display(icnn.visualize.filter_gallery(model, data.test, filter=best))

# %% [markdown]
# ## Save
#
# A `.keras` file loads wherever `keras_icnn` is imported.

# %%
interpretable.save("parts.keras")
again = keras.saving.load_model("parts.keras")
images, _ = data.test.batches(8)[0]
np.testing.assert_array_equal(
    again.predict_on_batch(images), interpretable.predict_on_batch(images)
)
os.remove("parts.keras")

# %% [markdown]
# Next: [fine-tune a pretrained network on your own images](fine_tuning.ipynb), or
# [look inside](looking_inside.ipynb).

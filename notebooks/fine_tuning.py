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
# # Fine-tuning on your own images
#
# A network pretrained on ImageNet, and a folder of class folders:
#
# ```
# photos/
#   cat/    1.jpg 2.jpg ...
#   horse/  1.jpg 2.jpg ...
# ```
#
# Class labels are all that is needed; no part is annotated. A hundred images a class are a fair beginning.

# %%
# %matplotlib inline
import os
import tempfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import keras_icnn as icnn

# The project's tests run this notebook in a small setting, without pretrained weights.
SMALL = bool(os.environ.get("KERAS_ICNN_SMALL"))
# "imagenet" is downloaded; without a network, the path of a file of weights does as well.
WEIGHTS = None if SMALL else os.environ.get("MOBILENET_V2_WEIGHTS", "imagenet")
keras.utils.set_random_seed(0)

# %% [markdown]
# ## Images
#
# Put the path of your own folder here. Without one, generated images are written to a temporary folder, so
# that the notebook runs anywhere.

# %%
PHOTOS = None

if PHOTOS is None:
    temporary = tempfile.TemporaryDirectory()
    PHOTOS = Path(temporary.name)
    n = 40 if SMALL else 400
    for i, sample in enumerate(
        icnn.datasets.creatures(
            n, 0, 0, (160, 160), species=["cat", "hare"], scale=(0.45, 0.6)
        ).train
    ):
        name = ("background", "cat", "hare")[sample.label]
        (PHOTOS / name).mkdir(exist_ok=True)
        Image.fromarray(sample.image).save(PHOTOS / name / f"{i}.jpg")

SIZE = (96, 96) if SMALL else (160, 160)
data = icnn.datasets.folder(PHOTOS, image_size=SIZE, validation_split=0.25, seed=0)
data.class_names, len(data.train), len(data.validation)

# %% [markdown]
# ## The network
#
# MobileNetV2 with a new layer of 64 interpretable filters. Only the top is trained: on few images, what the
# lower layers learned on ImageNet is better than what they could learn here.

# %%
model = icnn.zoo.mobilenet_v2_interpretable(
    weights=WEIGHTS,
    input_shape=(*SIZE, 3),
    classes=len(data.class_names),
    new_filters=64,
    fine_tune="top",
    class_names=data.class_names,
)
f"{sum(layer.trainable for layer in model.layers)} of {len(model.layers)} layers are trained"

# %%
epochs = 1 if SMALL else 8
train = data.train.batches(16, shuffle=True, seed=0, flip=True, workers=2)
validation = data.validation.batches(16)
model.compile(
    keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(1e-3, epochs * len(train))),
    "sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
icnn.adapt_parts(model, train)  # new filters start from clusters of the training data
history = model.fit(
    train,
    validation_data=validation,
    epochs=epochs,
    shuffle=False,  # the batches know their own order
    callbacks=[train.follow_epochs(), keras.callbacks.TerminateOnNaN()],
    verbose=2,
)

# %% [markdown]
# ## What the filters stand for
#
# Each filter has a target category: the class whose images it answers to most.

# %%
layer = model.get_layer("interpretable_conv")
targets = layer.target_categories()
{name: int((targets == c).sum()) for c, name in enumerate(data.class_names)}

# %% [markdown]
# ## Look at them
#
# Without annotated parts there is no measure of whether a filter follows one, so look. Held-out images only:
# on images it was trained on any network looks good.

# %%
strongest = []
for c in range(len(data.class_names)):
    mine = np.flatnonzero(targets == c)
    if len(mine):
        strongest.append(int(mine[0]))
for f in strongest:
    display(icnn.visualize.filter_gallery(model, data.validation, filter=f, n=6))

# %%
icnn.visualize.part_heatmap(model, data.validation, n=6)

# %% [markdown]
# All filters and images on one page, to open in a browser:

# %%
path = icnn.visualize.report(
    model, data.validation, Path(tempfile.gettempdir()) / "own_pictures.html"
)
print(path, f"{path.stat().st_size / 1e6:.1f} MB")
path.unlink()  # keep yours

# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exporting and serving
#
# An interpretable network is a Keras model: it is exported with `model.export`, and what is exported runs where
# `keras_icnn` is not installed.

# %%
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_icnn as icnn

keras.utils.set_random_seed(0)
folder = tempfile.TemporaryDirectory()
out = Path(folder.name)

# %% [markdown]
# A network with its preprocessing inside, so that who calls it sends images as they are, 0 to 255. (Untrained
# here: only the way out is shown.)

# %%
model = icnn.zoo.squeezenet_interpretable(
    weights=None, input_shape=(96, 96, 3), classes=3, new_filters=32, include_preprocessing=True
)
images = icnn.datasets.creatures(0, 0, 8, (96, 96)).test.batches(8)[0][0]
expected = model.predict_on_batch(images)

# %% [markdown]
# ## SavedModel
#
# What TensorFlow Serving and most other servers take. It has two end points: `serve`, the predictions, and
# `explain`, which also tells where each filter fired and which filters decided. `verify` runs the artifact
# beside the network and raises an error where they differ.

# %%
model.export(out / "saved", verbose=False)
print(icnn.export.verify(model, out / "saved").summary())

# %%
loaded = tf.saved_model.load(str(out / "saved"))
print(np.abs(loaded.serve(images).numpy() - expected).max())
{name: tuple(value.shape) for name, value in loaded.explain(images).items()}

# %% [markdown]
# With TensorFlow Serving in its container the folder is served as version 1 of a model:
#
# ```bash
# docker run -p 8501:8501 -v "$PWD/saved:/models/parts/1" -e MODEL_NAME=parts tensorflow/serving
# curl -d '{"instances": [...]}' http://localhost:8501/v1/models/parts:predict
# ```

# %% [markdown]
# ## ONNX
#
# Needs `pip install "keras-icnn[export]"`.

# %%
try:
    import onnxruntime
    import tf2onnx
except ImportError:
    print('ONNX needs: pip install "keras-icnn[export]"')
else:
    model.export(out / "parts.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(out / "parts.onnx")
    (name,) = (i.name for i in session.get_inputs())
    print(np.abs(session.run(None, {name: images})[0] - expected).max())
    print(icnn.export.verify(model, out / "parts.onnx").summary())

# %%
folder.cleanup()

"""What only a new process shows: resuming, and importing without TensorFlow."""

import os
import subprocess
import sys

import keras
import pytest

pytestmark = pytest.mark.core

TRAIN = """
import sys
import keras, numpy as np
import keras_icnn as icnn

keras.utils.set_random_seed(7)
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.experimental.enable_op_determinism()
# Goes on from the saved model `start`, or begins; saves what there is after half the steps, and
# after all.
start, half, end = sys.argv[1:]
rng = np.random.default_rng(0)
x = rng.random((60, 12, 12, 3)).astype("float32")
y = rng.integers(0, 3, 60)
if not start:
    i = keras.Input((12, 12, 3))
    # On PyTorch dropout draws from the process's own generator.
    rate = 0.0 if keras.backend.backend() == "torch" else 0.4
    t = keras.layers.Dropout(rate)(i)
    t = icnn.InterpretableConv(6, 3, num_classes=3, normalization="batch")(t)
    t = keras.layers.Dropout(rate)(keras.layers.GlobalAveragePooling2D()(t))
    model = icnn.InterpretableModel(i, keras.layers.Dense(3)(t))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
else:
    model = keras.saving.load_model(start)
for k in range(3 if start else 0, 6):
    model.train_on_batch(x[k * 10 : k * 10 + 10], y[k * 10 : k * 10 + 10])
    if k == 2:
        model.save(half)
values = [keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(v)) for v in model.weights]
np.savez(end, *values)
"""

IMPORT = """
import importlib.machinery, sys

class WithoutTensorFlow(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            return None
        return super().find_spec(name, path, target)

found = sys.meta_path.index(importlib.machinery.PathFinder)
sys.meta_path[found] = WithoutTensorFlow
import keras_icnn as icnn
import keras_icnn.cli, keras_icnn.recipes, keras_icnn.datasets, keras_icnn.metrics, keras_icnn.zoo
import keras, numpy as np
i = keras.Input((8, 8, 3))
t = icnn.InterpretableConv(4, 3, num_classes=2)(i)
m = icnn.InterpretableModel(i, keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(t)))
m.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
m.fit(np.ones((4, 8, 8, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
assert "tensorflow" not in sys.modules
"""


def run(code, *arguments):
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.mark.medium
def test_interrupted_training_ends_bit_identical(tmp_path):
    import numpy as np

    half, ends = tmp_path / "half.keras", [tmp_path / f"{name}.npz" for name in ("whole", "parts")]
    run(TRAIN, "", half, ends[0])
    run(TRAIN, half, half, ends[1])
    whole, parts = map(np.load, ends)
    assert len(whole.files) > 10
    for name in whole.files:
        assert np.array_equal(whole[name], parts[name]), name


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="needs another backend")
def test_trains_where_tensorflow_is_not_installed():
    run(IMPORT)

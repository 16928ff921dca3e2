"""Reading data sets needs neither TensorFlow nor Keras."""

import subprocess
import sys
from pathlib import Path

import keras_icnn

_SCRIPT = """
import sys, types
package = types.ModuleType("keras_icnn")  # an empty one: only the data sets are looked at
package.__path__ = [{path!r}]
sys.modules["keras_icnn"] = package
import keras_icnn.datasets as datasets
assert len(datasets.creatures(2, 0, 0).train[0].image) == 64
assert not {{"tensorflow", "keras"}} & set(sys.modules), "imported"
try:
    datasets.cub400
except AttributeError:
    print("fine")
"""


def test_datasets_import_neither_keras_nor_tensorflow():
    script = _SCRIPT.format(path=str(Path(keras_icnn.__file__).parent))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr

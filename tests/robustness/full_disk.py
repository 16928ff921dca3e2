"""Writes every kind of file where there is no room for it; tells how each ended.

`python tests/robustness/full_disk.py FOLDER LIMIT` lets no file grow beyond LIMIT bytes; without
LIMIT, FOLDER should lie on a file system with room for about 100 kB.
"""

import json
import resource
import sys
from pathlib import Path

import numpy as np


def table(path, n):
    from keras_icnn._files.csv_file import write_csv

    write_csv(path, [{"a": k, "text": "x" * 50} for k in range(10 * n)])


def results(path, n):
    from keras_icnn.recipes._store import Results

    found = Results(path, ("a",))
    found.add(*({"a": k, "text": "x" * 50} for k in range(10 * n)))


def network(n):
    import keras

    model = keras.Sequential([keras.Input((n,)), keras.layers.Dense(32)])
    model.compile("sgd", "mse")
    return model


def checkpoint(path, n):
    from keras_icnn._files.whole_file import replacing

    with replacing(path) as temporary:
        network(n).save(temporary)


def backup(path, n):
    import keras_icnn as icnn

    callback = icnn.callbacks.Backup(path)
    callback.set_model(network(n))
    callback.on_epoch_end(0, {"loss": 1.0})


def features(path, n):
    from keras_icnn.recipes._feature_cache import FeatureCache

    class Pictures:
        files = ("a", "b")

        def __len__(self):
            return 2

        def batches(self, size):
            return [(np.zeros((2, 4, 4, 3), "float32"), None)]

    class Network:
        def predict_on_batch(self, images):
            return np.random.default_rng(0).random((len(images), 4, 4, n), "float32")

    cache = FeatureCache(path.parent, Network(), "key", batch_size=2, verbose=False)
    cache._write(Pictures(), path, "pictures")


def figure(path, n):
    from keras_icnn import _figure

    drawing, axes = _figure.new_figure(n / 40, 2, 1, 1)
    axes[0, 0].imshow(np.random.default_rng(0).random((40, n)), interpolation="nearest")
    _figure.save(drawing, path)


WRITERS = {
    "table": ("a.csv", table),
    "results": ("results.csv", results),
    "checkpoint": ("a.keras", checkpoint),
    "backup": ("a.npz", backup),
    "features": ("a.npy", features),
    "figure": ("a.png", figure),
}


def main():
    folder = Path(sys.argv[1])
    for name, (file, write) in WRITERS.items():
        path = folder / file
        write(path, 40)
        before = path.read_bytes()
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        if len(sys.argv) > 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), unlimited[1]))
        try:
            write(path, 2000)
            told = "written"
        except OSError as error:
            told = f"OSError: {error}"
        except BaseException as error:
            told = f"UNCLEAR {type(error).__name__}: {error}"
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        same = path.read_bytes() == before
        path.unlink()
        left = sorted(p.name for p in folder.iterdir())
        print(json.dumps({"name": name, "told": told, "same": same, "left": left}), flush=True)


if __name__ == "__main__":
    main()

"""Damages files of every kind the package reads, at random, and opens them.

`python tests/robustness/fuzz.py 1000` damages each kind of file 1000 times, by cutting it short,
flipping bits, and removing, repeating or blanking stretches. A file must open, or be refused by an
error that names it. How each kind ended is printed, one line of JSON a kind.
"""

import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import hostile
import numpy as np


def pixels(size=24):
    y, x = np.mgrid[:size, :size]
    return np.stack([x * 10, y * 10, (x + y) * 5], -1).astype("uint8")


def picture(ending, **options):
    def make(path):
        from PIL import Image

        Image.fromarray(pixels()).save(path, **options)

    return f"a.{ending}", make, hostile.image


def table(path):
    rows = [
        "z/1.jpg,zebra,test,60 50,20 10,100.5 180,31 40",
        "a/1.jpg,ape,train,,,4 4,20 20",
        "n/1.jpg,negative,validation,,,,",
    ]
    for row in rows:
        picture_of = path.parent / row.split(",")[0]
        picture_of.parent.mkdir(exist_ok=True)
        picture_of.touch()
    path.write_text(hostile.CSV + "\n".join(rows) + "\n")


def recipe(path):
    path.write_text(
        'seeds = [0]\n[data]\nreader = "creatures"\ncategories = ["fox"]\n'
        "arguments = { n_train = 8, seed = 1 }\n[training]\nepochs = 2\nlearning_rate = 1e-3\n"
        '[[variant]]\nname = "a"\nnetwork = "squeezenet"\n'
        'filter_loss = { rule = "default", strength = 0.2 }\n'
    )


def results(path):
    path.write_text("kind,seed,r2\nnetwork,0,0.5\nnetwork,1,-0.25\n")


def net():
    rng = np.random.default_rng(0)
    layer = {
        "type": "conv",
        "name": "conv1",
        "stride": 1,
        "pad": 0,
        "weights": [
            rng.standard_normal((3, 3, 2, 4)).astype("float32"),
            np.ones((1, 4), "float32"),
        ],
    }
    return {
        "layers": [layer, {"type": "relu", "name": "relu1"}],
        "mean": np.ones((2, 2, 3), "float32"),
    }


def mat5(path):
    from scipy.io import savemat

    def cell(items):
        found = np.empty((1, len(items)), object)
        for k, item in enumerate(items):
            found[0, k] = item
        return found

    layers = [{k: cell(v) if k == "weights" else v for k, v in x.items()} for x in net()["layers"]]
    normalization = {"averageImage": net()["mean"]}
    content = {"layers": cell(layers), "meta": {"normalization": normalization}}
    savemat(path, content, do_compression="packed" in path.name)


def mat73(path):
    sys.path.insert(0, str(Path(__file__).parents[1] / "zoo"))
    import matconvnet_files

    matconvnet_files.write_v73(path, net())


def npz(path):
    np.savez_compressed(path, **{"a/kernel": np.ones((3, 4), "float32"), "a/bias": np.ones(4)})


def keras_model(path):
    hostile.network().save(path)


def keras_weights(path):
    hostile.network().save_weights(path)


def backup(path):
    import keras_icnn as icnn

    model = hostile.network()
    model.compile("sgd", "mse")
    x, y = np.ones((4, 4), "float32"), np.ones((4, 2), "float32")
    callback = icnn.callbacks.Backup(path, delete=False)
    model.fit(x, y, verbose=0, callbacks=[callback])


def features(path):
    np.save(path, np.ones((4, 2, 2, 3), "float16"))


def read_features(path):
    from keras_icnn.recipes._feature_cache import FeatureCache

    # None: it is made anew.
    return FeatureCache._read(path, 4)


KINDS = {
    "BMP": picture("bmp"),
    "GIF": picture("gif"),
    "JPEG": picture("jpg"),
    "PNG": picture("png"),
    "TIFF": picture("tif", compression="tiff_lzw"),
    "WebP": picture("webp"),
    "MATLAB v5": ("a.mat", mat5, hostile.mat),
    "MATLAB v5, packed": ("packed.mat", mat5, hostile.mat),
    "MATLAB v7.3": ("a.mat", mat73, hostile.mat),
    ".npz weights": ("a.npz", npz, hostile.npz),
    ".keras": ("a.keras", keras_model, hostile.weights),
    ".weights.h5": ("a.weights.h5", keras_weights, hostile.weights),
    "annotations.csv": ("annotations.csv", table, lambda path: hostile.table(path.parent)),
    "results.csv": ("results.csv", results, hostile.results),
    "recipe": ("a.toml", recipe, hostile.recipe),
    "backup": ("a.npz", backup, hostile.backup),
    "cached features": ("a.npy", features, read_features),
}


def damaged(content, rng):
    """`content` with one kind of damage."""
    content = bytearray(content)
    start = int(rng.integers(len(content)))
    length = int(rng.integers(1, 32))
    kind = rng.integers(6)
    if kind == 0:
        del content[start:]
    elif kind == 1:
        del content[start : start + length]
    elif kind == 2:
        content[start:start] = content[start : start + length]
    elif kind == 3:
        content[start : start + length] = bytes(len(content[start : start + length]))
    elif kind == 4:
        content[start : start + length] = b"\xff" * len(content[start : start + length])
    else:
        for place in rng.integers(len(content), size=int(rng.integers(1, 9))):
            content[place] ^= 1 << int(rng.integers(8))
    return bytes(content)


def fuzz(kind, times, seed=0):
    """How `times` damaged files of one kind ended."""
    name, make, read = KINDS[kind]
    rng = np.random.default_rng(seed)
    result = {"kind": kind, "opened": 0, "refused": 0, "unclear": [], "slowest": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path(folder) / "in" / name
        path.parent.mkdir()
        make(path)
        whole = path.read_bytes()
        before = {p for p in Path(folder).rglob("*")}
        for number in range(times):
            path.write_bytes(damaged(whole, rng))
            started = time.monotonic()
            try:
                read(path)
                result["opened"] += 1
            except (ValueError, OSError) as error:
                result["refused"] += 1
                if name not in str(error):
                    result["unclear"].append(f"{number}: does not name the file: {error}"[:200])
            except BaseException as error:
                result["unclear"].append(f"{number}: {type(error).__name__}: {error}"[:200])
            result["slowest"] = max(result["slowest"], time.monotonic() - started)
        if {p for p in Path(folder).rglob("*")} != before:
            result["unclear"].append("files came into being")
        os.chdir("/")
    return result


def main():
    import keras  # noqa: F401

    times = int(sys.argv[1])
    chosen = sys.argv[2:] or list(KINDS)
    hostile.network()
    hostile.limit_memory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in chosen:
            print(json.dumps(fuzz(kind, times)), flush=True)


if __name__ == "__main__":
    main()

"""Kills training processes at random moments, and compares what they end with.

    python tests/robustness/kills.py --kills 100

Three ways to train, the same number of kills each: `fit` with `keras_icnn.callbacks.Backup`,
`keras-icnn train` and `keras-icnn reproduce`. A process is started, killed by SIGKILL after a
random share of the processor time that an epoch takes, or (every third) in the moment a file is
being written, and started again until the run is complete; then the next run begins. After each
kill every file it left is read to the end. Each complete run must have left the same weights and
results as one that was left alone.
"""

import argparse
import contextlib
import csv
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import small_data_sets

RECIPE = """
title = "kills"
seeds = [0]
[data]
reader = "folder"
path = "pictures"
task = "multi-category"
measure_on = "validation"
[data.arguments]
image_size = [64, 64]
validation_split = 0.5
[network]
head = "pooled"
[training]
epochs = 2
batch_size = 4
[[variant]]
name = "ordinary"
network = "squeezenet"
arguments = { extra_layer = true, new_filters = 8 }
[[variant]]
name = "interpretable"
network = "squeezenet_interpretable"
arguments = { interpret_top = false, new_filters = 8 }
"""

TABLE_RECIPE = """
seeds = [0]
[data]
reader = "cub200"
path = "CUB_200_2011"
negatives = "animal_part/negatives"
task = "single-category"
arguments = { species = false, image_size = [64, 64] }
train_on = ["train"]
[network]
head = "pooled"
[training]
epochs = 2
batch_size = 8
optimizer = "sgd"
schedule = "geometric"
positive_share = 0.75
[[variant]]
name = "ordinary"
network = "squeezenet"
arguments = { extra_layer = true, new_filters = 8 }
[[variant]]
name = "interpretable"
network = "squeezenet_interpretable"
radius_from = "ordinary"
arguments = { interpret_top = false, new_filters = 8 }
"""


# --- what is trained ----------------------------------------------------------------------------


def fit(folder):
    """A small network by `fit`: an interpretable layer, its statistics, an optimizer with state."""
    import keras

    import keras_icnn as icnn
    from keras_icnn._files.whole_file import remove_leftovers_of, replacing

    keras.utils.set_random_seed(0)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (24, 16, 16, 3)).astype("uint8")
    data = icnn.datasets.PartDataset(
        image=images.__getitem__,
        labels=rng.integers(0, 3, 24),
        files=map(str, range(24)),
        class_names=["a", "b", "c"],
        image_size=(16, 16),
    )
    batches = data.batches(8, shuffle=True, seed=3, flip=True)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    if keras.backend.backend() != "torch":  # which draws from the process's own generator
        x = keras.layers.Dropout(0.2, seed=5)(x)
    x = icnn.InterpretableConv(
        8, 3, num_classes=len(data.class_names), normalization="batch", name="parts"
    )(x)
    outputs = keras.layers.Dense(len(data.class_names))(keras.layers.GlobalAveragePooling2D()(x))
    model = icnn.InterpretableModel(inputs, outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(
        batches,
        epochs=6,
        shuffle=False,
        verbose=0,
        callbacks=[batches.follow_epochs(), icnn.callbacks.Backup(folder / "backup.npz")],
    )
    remove_leftovers_of(folder / "final.npz")
    with replacing(folder / "final.npz") as temporary:
        np.savez(temporary, *model.get_weights())


def train(folder):
    """`keras-icnn train` on a folder of pictures: two networks, trained whole and measured."""
    _command("train", folder.parent / "kills.toml", folder)


def reproduce(folder):
    """`keras-icnn reproduce`: a table of the paper on a small data set in the format of CUB-200."""
    recipe = folder.parent / "table.toml"
    _command("reproduce", "table5", folder, "--recipe", recipe)
    if not (folder / "table5.csv").is_file():
        sys.exit("no table")


def _command(verb, what, folder, *more):
    from keras_icnn import cli

    argv = ["--debug", verb, what, "--data", folder.parent, "--out", folder, *more]
    code = cli.main([str(word) for word in argv])
    if code:
        sys.exit(code)
    (folder / "final").touch()


def pictures(folder):
    from PIL import Image

    (folder / "kills.toml").write_text(RECIPE)
    (folder / "table.toml").write_text(TABLE_RECIPE)
    small_data_sets.cub200(folder)
    rng = np.random.default_rng(0)
    for name in ("coarse", "fine"):
        (folder / "pictures" / name).mkdir(parents=True, exist_ok=True)
        for k in range(4):
            size = 4 if name == "coarse" else 32
            noise = rng.integers(0, 255, (size, size, 3)).astype("uint8")
            image = Image.fromarray(noise).resize((32, 32), Image.Resampling.NEAREST)
            image.save(folder / "pictures" / name / f"{k}.png")


WORK = {"fit": fit, "train": train, "reproduce": reproduce}


# --- what it leaves -----------------------------------------------------------------------------


def check_files(folder):
    """Reads every file that has its final name to its end."""
    read = 0
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                for name in archive.files:
                    _ = archive[name]
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    raise ValueError(f"{path} is damaged")
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if None in row or None in row.values():
                        raise ValueError(f"{path} is damaged")
        read += 1
    return read


def outcome(folder):
    """What a run ended with, to be compared: arrays and tables, without times."""
    found = {}
    if (folder / "final.npz").exists():
        with np.load(folder / "final.npz") as archive:
            found = {name: archive[name] for name in archive.files}
    for path in sorted(folder.rglob("*.keras")):
        with (
            zipfile.ZipFile(path) as archive,
            archive.open("model.weights.h5") as stream,
            h5py.File(stream, "r") as file,
        ):
            arrays = {}
            file.visititems(lambda name, item, arrays=arrays: arrays.update({name: item}))
            for name, item in arrays.items():
                if isinstance(item, h5py.Dataset):
                    found[f"{path.name}/{name}"] = np.array(item)
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                {k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)
            ]
        found[str(path.relative_to(folder))] = np.array(json.dumps(rows))
    return found


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# --- processes ----------------------------------------------------------------------------------


class Child:
    """A process that trains: forked where the backend allows it, which saves importing it."""

    def __init__(self, kind, folder, fork):
        self._process = None
        if not fork:
            command = [sys.executable, __file__, "--work", kind, str(folder)]
            with open(folder.parent / "log.txt", "ab") as log:
                self._process = subprocess.Popen(command, stdout=log, stderr=log)
            self.pid = self._process.pid
            return
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                log = os.open(folder.parent / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(log, 1)
                os.dup2(log, 2)
                WORK[kind](folder)
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def processor_time(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ended(self):
        """The exit code, or None while it runs."""
        if self._process is not None:
            return self._process.poll()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return None if pid == 0 else os.waitstatus_to_exitcode(status)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        while self.ended() is None:
            time.sleep(0.001)


def disturbed(kind, folder, longest, aim, rng, fork):
    """Starts a process and kills it; None where it came to its end before.

    Otherwise, whether it left a file half written.
    """
    earlier = set(folder.rglob(".*.tmp*"))
    child = Child(kind, folder, fork)
    after = rng.uniform(0, longest)
    writing = False
    while (code := child.ended()) is None:
        if aim:
            # The first file that is being written after that time.
            writing = bool(set(folder.rglob(".*.tmp*")) - earlier)
        spent = child.processor_time()
        if spent >= after and (writing or not aim or spent > 2 * longest):
            child.kill()
            return bool(set(folder.rglob(".*.tmp*")) - earlier)
        time.sleep(0.0005 if aim else 0.005)
    if code:
        raise RuntimeError(f"{kind} failed with {code}: see {folder.parent / 'log.txt'}")
    return None


def experiment(kind, kills, root, rng, fork):
    """Kills `kills` processes of one kind; returns figures."""
    root.mkdir(parents=True)
    pictures(root)
    alone = root / "alone"
    alone.mkdir()
    child = Child(kind, alone, fork)
    spent = 0.0
    while (code := child.ended()) is None:
        spent = child.processor_time()
        time.sleep(0.005)
    if code:
        raise RuntimeError(f"{kind} failed with {code}: see {root / 'log.txt'}")
    expected = outcome(alone)
    print(
        f"{kind}: undisturbed run, {spent:.1f} s of processor time, {len(expected)} arrays, tables",
        flush=True,
    )
    result = {"kind": kind, "kills": 0, "while writing": 0, "runs": 0, "same": 0, "files read": 0}
    while result["kills"] < kills:
        folder = root / f"run{result['runs']}"
        folder.mkdir()
        while True:
            left = kills - result["kills"]
            aim = left % 3 == 1
            # No kills left: the last run may come to its end.
            longest = spent if left else float("inf")
            half = disturbed(kind, folder, longest, aim, rng, fork)
            if half is None:
                break
            result["kills"] += 1
            result["while writing"] += half
            result["files read"] += check_files(folder)
            print(f"{kind}: {result}", flush=True)
        result["runs"] += 1
        result["same"] += same(expected, outcome(folder))
        if any(folder.rglob("*.tmp*")) or any(folder.rglob("backup*/*")):
            raise RuntimeError(f"{folder} holds leftovers")
        print(f"{kind}: {result}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, default=Path("runs/kills"), help="must not exist")
    parser.add_argument("--only", choices=tuple(WORK))
    parser.add_argument("--fork", action="store_true", help="import once (not with TensorFlow)")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        WORK[arguments.work[0]](Path(arguments.work[1]))
        return 0
    if arguments.fork:
        # What training would import, in each process anew.
        work = ("recipes._run", "recipes._training")
        for name in (*work, "callbacks", "datasets", "metrics", "zoo"):
            importlib.import_module(f"keras_icnn.{name}")
        # Keras asks for it, to tell its data sets from others.
        with contextlib.suppress(ImportError):
            _ = importlib.import_module("tensorflow").data.Dataset

    rng = random.Random(arguments.seed)
    started = time.monotonic()
    results = []
    kinds = [arguments.only] if arguments.only else list(WORK)
    for kind in kinds:
        kills = -(-arguments.kills // len(kinds))
        root = (arguments.root / kind).resolve()
        results.append(experiment(kind, kills, root, rng, arguments.fork))
    for result in results:
        print(json.dumps(result))
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if all(r["same"] == r["runs"] for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())

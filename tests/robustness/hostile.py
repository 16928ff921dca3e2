"""Hostile files: each is made, opened with the package's reader, and how it ended is told.

`python tests/robustness/hostile.py` prints what the table of docs/use/robustness.md tells, one line
of JSON a file. The process limits its own memory first, so that a reader which takes what a file
declares ends in an error.
"""

import json
import os
import resource
import socket
import struct
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

# Beside what the libraries take.
MEMORY = 4 << 30
# Where an archive tries to write by an absolute path.
OUTSIDE = Path(tempfile.gettempdir()) / "escaped"


# --- making them --------------------------------------------------------------------------------


def png(width, height, rows=0, extra=b""):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + 3 * width) * rows), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def text_bomb():
    packed = b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)
    body = b"zTXt" + packed
    return png(4, 4, 4, struct.pack(">I", len(packed)) + body + struct.pack(">I", zlib.crc32(body)))


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(executed) (w) file closefile\n"


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind, dimensions, body, name=b""):
    return element(
        14,
        element(6, struct.pack("<II", kind, 0))
        + element(5, struct.pack(f"<{len(dimensions)}i", *dimensions))
        + element(1, name)
        + body,
    )


def matlab(*elements):
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements)


def packed(data, zeros=0):
    packer = zlib.compressobj(9)
    found = packer.compress(data)
    found += b"".join(packer.compress(bytes(1 << 20)) for _ in range(zeros >> 20))
    found += packer.flush()
    return struct.pack("<II", 15, len(found)) + found


def nested(depth):
    # From the inside out, with the lengths that a level needs.
    head = matrix(1, (1, 1), b"")[8:]
    inner = matrix(6, (1, 1), element(9, bytes(8)))
    lengths = [len(inner) + k * (len(head) + 8) for k in range(depth)]
    front = b"".join(struct.pack("<II", 14, len(head) + n) + head for n in reversed(lengths))
    return matlab(front + inner)


def zeros(n):
    head = matrix(9, (1, 1), b"", b"net")[8:] + struct.pack("<II", 9, n)
    return matlab(packed(struct.pack("<II", 14, len(head) + n) + head, n))


def hdf5(path, fill):
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def shape_bomb(file):
    file.create_dataset("layers", (1 << 20, 1 << 20), "f4", chunks=(64, 64), compression="gzip")


def circle(file):
    refs = file.create_dataset("layers", (2,), h5py.ref_dtype)
    refs[0] = refs[1] = refs.ref


def branches(file):
    last = file.create_dataset("x0", data=np.zeros(3))
    for k in range(1, 60):
        refs = file.create_dataset(f"x{k}" if k < 59 else "layers", (2,), h5py.ref_dtype)
        refs[0] = refs[1] = last.ref
        last = refs


def group_in_itself(file):
    file["layers/inner"] = file["/"]


def leads_away(file):
    file["layers"] = h5py.ExternalLink("/etc/hostname", "/")


def values_elsewhere(file):
    file.create_dataset("layers", (8,), "u1", external=[("/etc/hostname", 0, 8)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("layers", layout)


def archive(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            # A pair is a beginning and how many zeros follow: too many to make at once.
            begin, zeros = content if isinstance(content, tuple) else (content, 0)
            with file.open(name, "w") as member:
                member.write(begin.encode() if isinstance(begin, str) else begin)
                for _ in range(zeros >> 20):
                    member.write(bytes(1 << 20))
    return path


def npy(dtype, shape, content=b""):
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + content


# A pickle that makes a file when it is loaded.
PICKLE = b"cposix\nsystem\n(S'touch executed'\ntR."


def keras_file(path, config, **members):
    metadata = {"keras_version": "3.15.1", "date_saved": ""}
    return archive(
        path,
        {"metadata.json": json.dumps(metadata), "config.json": json.dumps(config), **members},
    )


def sequential(*layers):
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": list(layers)},
        "registered_name": None,
    }


def layer(name, **config):
    return {
        "module": "keras.layers",
        "class_name": name,
        "config": {"name": name.lower(), **config},
        "registered_name": None,
    }


INPUT = layer("InputLayer", batch_shape=[None, 4], dtype="float32")


def lambda_layer():
    import keras

    function = keras.layers.Lambda(lambda x: x).get_config()["function"]
    return layer("Lambda", function=function, arguments={})


def led_out(where):
    path = where / "a.keras"
    network().save(path)
    with zipfile.ZipFile(path, "a") as file:
        for name in ("assets/../../../escaped", str(OUTSIDE), "../escaped"):
            file.writestr(name, "x")
    return path


def sparse_file(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


# --- opening them -------------------------------------------------------------------------------


def image(path):
    from keras_icnn.datasets._image_files import read_image

    return read_image(path, (32, 32))


def folder(path):
    from keras_icnn.datasets import folder

    data = folder(path, image_size=(8, 8), validation_split=0)
    return data.train[0]


def mat(path):
    from keras_icnn.zoo._matconvnet import read_matconvnet

    return read_matconvnet(path)


def npz(path):
    from keras_icnn.zoo._weights import load_npz

    return load_npz(path)


def network():
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="d")])


def weights(path):
    from keras_icnn.zoo._weights import load_keras

    return load_keras(os.fspath(path), [network])


def table(path):
    from keras_icnn.datasets import animal_part

    return animal_part(path)


def recipe(path):
    from keras_icnn.recipes import read_recipe

    return read_recipe(path)


def results(path):
    from keras_icnn.recipes._store import Results

    return Results(path, ("kind",))


def backup(path):
    import keras_icnn as icnn

    model = network()
    model.compile("sgd", "mse")
    callback = icnn.callbacks.Backup(path)
    callback.set_model(model)
    callback.on_train_begin()


# --- the cases ----------------------------------------------------------------------------------

CSV = "file,name,split,head_center,head_size,front_legs_center,front_legs_size\n"


def written(name, content):
    def make(where):
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content() if callable(content) else content)
        return path

    return make


def made(name, fill):
    return lambda where: hdf5(where / name, fill)


def zipped(name, members, method=zipfile.ZIP_DEFLATED):
    return lambda where: archive(where / name, members(), method)


def annotations(content):
    def make(where):
        (where / "annotations.csv").write_bytes(content)
        return where

    return make


def class_folder(put):
    def make(where):
        (where / "class").mkdir()
        put(where / "class" / "a.png")
        return where

    return make


def fields(**changes):
    row = {"file": "a.jpg", "name": "cat", "split": "train", **changes}
    return annotations((CSV + ",".join([*row.values(), "", "", "", ""]) + "\n").encode())


HUGE = 10**15
CASES = {
    "PNG that declares 50,000 x 50,000 pixels": (written("a.png", png(50_000, 50_000)), image),
    "PNG of 12,000 x 12,000 pixels in 400 kB": (
        written("a.png", lambda: png(12_000, 12_000, 12_000)),
        image,
    ),
    "PNG with 100 MB of packed comment": (written("a.png", text_bomb), image),
    "PostScript program named .png": (written("a.png", POSTSCRIPT), image),
    "named pipe among the pictures": (class_folder(os.mkfifo), folder),
    "socket among the pictures": (
        class_folder(lambda p: socket.socket(socket.AF_UNIX).bind(os.path.relpath(p))),
        folder,
    ),
    "link to /dev/zero among the pictures": (
        class_folder(lambda p: p.symlink_to("/dev/zero")),
        folder,
    ),
    "link to itself among the pictures": (class_folder(lambda p: p.symlink_to(p)), folder),
    ".mat (v5): 400 MB of zeros in 400 kB": (written("a.mat", lambda: zeros(400 << 20)), mat),
    ".mat (v5): cells nested 100,000 deep": (written("a.mat", lambda: nested(100_000)), mat),
    ".mat (v5): a cell array that declares 2 billion cells": (
        written("a.mat", matlab(matrix(1, (46_000, 46_000), b"", b"net"))),
        mat,
    ),
    ".mat (v5): an array of negative size": (
        written("a.mat", matlab(matrix(1, (-4, 3), b"", b"net"))),
        mat,
    ),
    ".mat (v5): a MATLAB object": (
        written("a.mat", matlab(matrix(17, (1, 1), bytes(64), b"net"))),
        mat,
    ),
    ".mat (v7.3): an array that declares 4 TB": (made("a.mat", shape_bomb), mat),
    ".mat (v7.3): references in a circle": (made("a.mat", circle), mat),
    ".mat (v7.3): references that branch 2^59 times": (made("a.mat", branches), mat),
    ".mat (v7.3): a group inside itself": (made("a.mat", group_in_itself), mat),
    ".mat (v7.3): a link to another file": (made("a.mat", leads_away), mat),
    ".mat (v7.3): values in another file": (made("a.mat", values_elsewhere), mat),
    ".mat (v7.3): a virtual array": (made("a.mat", virtual), mat),
    ".npz: an array that declares 4 PB": (
        zipped("a.npz", lambda: {"c/kernel.npy": npy("<f4", (HUGE,))}),
        npz,
    ),
    ".npz: 400 MB of zeros in 400 kB": (
        zipped("a.npz", lambda: {"c/kernel.npy": (npy("<f4", (100 << 20,)), 400 << 20)}),
        npz,
    ),
    ".npz: a pickle that runs a program": (
        zipped("a.npz", lambda: {"c/kernel.npy": npy("|O", (1,), PICKLE)}),
        npz,
    ),
    ".npz: names that lead out of the folder": (
        zipped("a.npz", lambda: {"../../escaped.npy": npy("<f4", (1,), bytes(4))}),
        npz,
    ),
    ".npz: a header of a million brackets": (
        zipped("a.npz", lambda: {"c/kernel.npy": npy("[" * 60_000, (1,))}),
        npz,
    ),
    ".keras: a Lambda layer with code": (
        lambda where: keras_file(where / "a.keras", sequential(INPUT, lambda_layer())),
        weights,
    ),
    ".keras: a class named os.system": (
        lambda where: keras_file(
            where / "a.keras",
            {
                "module": "os",
                "class_name": "system",
                "config": {"command": "touch executed"},
                "registered_name": None,
            },
        ),
        weights,
    ),
    ".keras: a function of subprocess as an activation": (
        lambda where: keras_file(
            where / "a.keras",
            sequential(
                INPUT,
                layer(
                    "Dense",
                    units=2,
                    activation={
                        "module": "subprocess",
                        "class_name": "function",
                        "config": "getoutput",
                        "registered_name": "function",
                    },
                ),
            ),
        ),
        weights,
    ),
    ".keras: a layer of 10^15 units": (
        lambda where: keras_file(where / "a.keras", sequential(INPUT, layer("Dense", units=HUGE))),
        weights,
    ),
    ".keras: members that lead out of the folder": (led_out, weights),
    ".keras: 400 MB of zeros in 400 kB": (
        lambda where: keras_file(
            where / "a.keras", sequential(INPUT), **{"model.weights.h5": (b"", 400 << 20)}
        ),
        weights,
    ),
    ".keras: settings nested 100,000 deep": (
        lambda where: archive(
            where / "a.keras",
            {"metadata.json": "{}", "config.json": "[" * 100_000 + "]" * 100_000},
        ),
        weights,
    ),
    ".weights.h5: an array that declares 4 TB": (made("a.weights.h5", shape_bomb), weights),
    ".weights.h5: a link to another file": (made("a.weights.h5", leads_away), weights),
    ".h5: a group inside itself": (made("a.h5", group_in_itself), weights),
    "annotations.csv: a picture outside the folder": (fields(file="../../etc/passwd"), table),
    "annotations.csv: an absolute path": (fields(file="/etc/passwd"), table),
    "annotations.csv: a cell of a megabyte": (fields(name="x" * 1_000_000), table),
    "annotations.csv: not UTF-8": (annotations(CSV.encode() + b"\xff\xfe\0"), table),
    "annotations.csv: 1 TB (sparse)": (
        lambda where: sparse_file(where / "annotations.csv", 1 << 40).parent,
        table,
    ),
    "annotations.csv: a million columns": (annotations(b"a," * 1_000_000), table),
    "recipe: a key of 200,000 parts": (written("a.toml", b"a." * 200_000 + b"b = 1"), recipe),
    "recipe: arrays nested 100,000 deep": (written("a.toml", b"a = " + b"[" * 100_000), recipe),
    "recipe: a number of 100,000 digits": (written("a.toml", b"a = " + b"9" * 100_000), recipe),
    "recipe: 1 TB (sparse)": (lambda where: sparse_file(where / "a.toml", 1 << 40), recipe),
    "recipe: not UTF-8": (written("a.toml", b"\xff\xfe\0"), recipe),
    "results.csv: not UTF-8": (written("results.csv", b"kind\n\xff\xfe\0"), results),
    "results.csv: lines cut short": (written("results.csv", b"kind,b\nx"), results),
    "backup: a pickle that runs a program": (
        zipped("a.npz", lambda: {"about.npy": npy("|O", (1,), PICKLE)}),
        backup,
    ),
    "backup: an array that declares 4 PB": (
        zipped("a.npz", lambda: {"about.npy": npy("<f4", (HUGE,))}),
        backup,
    ),
}


def limit_memory():
    """Lets this process take `MEMORY` more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def attempt(name, root):
    """Makes and opens one file; how it ended, and all that came into being besides."""
    make, read = CASES[name]
    where = root / "deep" / "inside"
    where.mkdir(parents=True)
    os.chdir(where)
    path = make(where)
    before = {p for p in root.rglob("*") if not p.is_socket()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = read(path)
        told = f"opened: {type(value).__name__}"
    except (ValueError, OSError) as error:
        told = f"{type(error).__name__}: {error}"
    except BaseException as error:  # an error that is none of the package's
        told = f"UNCLEAR {type(error).__name__}: {error}"
    seconds = time.monotonic() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    new = {
        str(p.relative_to(root)) for p in root.rglob("*") if not p.is_socket() and p not in before
    }
    new |= {str(OUTSIDE)} if OUTSIDE.exists() else set()
    os.chdir("/")
    told = " ".join(told.replace(str(path), "PATH").replace(str(where), "FOLDER").split())
    return {"told": told, "seconds": seconds, "grown": grown >> 10, "new": sorted(new)}


def main():
    import keras  # noqa: F401

    network()  # loads what the libraries load late
    chosen = [name for name in CASES if not sys.argv[1:] or sys.argv[1] in name]
    # Made before memory is limited: some are larger unpacked than a reader may take.
    for name in chosen:
        with tempfile.TemporaryDirectory() as root:
            soft, hard = resource.getrlimit(resource.RLIMIT_AS)
            del soft
            make, read = CASES[name]
            files = {}

            def made_once(where, make=make, hard=hard, files=files):
                files["path"] = make(where)
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                limit = pages * resource.getpagesize() + MEMORY
                resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
                return files["path"]

            CASES[name] = (made_once, read)
            result = attempt(name, Path(os.path.realpath(root)))
            CASES[name] = (make, read)
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        print(json.dumps({"name": name, **result}), flush=True)


if __name__ == "__main__":
    main()

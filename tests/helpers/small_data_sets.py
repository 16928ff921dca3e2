"""Small generated data sets in the formats of the paper's three, below one data folder."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
from mat_files import struct_array

_SEED = 0


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def _noise(rng, size):
    return rng.integers(0, 60, (*size, 3), "uint8")


def negatives(root, count=10):
    rng = np.random.default_rng(_SEED)
    for i in range(count):
        save(root / "animal_part" / "negatives" / f"{i}.png", _noise(rng, (70, 60)))


def cub200(root, birds=16, background=10):
    """Birds of two species, a bright square as their back, head and tail; negatives beside."""
    rng = np.random.default_rng(_SEED)
    folder = root / "CUB_200_2011"
    tables = {name: "" for name in ("images", "image_class_labels", "bounding_boxes")}
    tables |= {"train_test_split": "", "parts/part_locs": "", "classes": "1 001.A\n2 002.B\n"}
    tables["parts/parts"] = "1 back\n2 beak\n3 tail\n"
    for i in range(1, birds + 1):
        name = f"00{1 + i % 2}.{'AB'[i % 2]}/{i}.png"
        x, y = rng.integers(20, 80, 2)
        picture = _noise(rng, (100, 100))
        picture[y - 8 : y + 8, x - 8 : x + 8] = 250
        save(folder / "images" / name, picture)
        tables["images"] += f"{i} {name}\n"
        tables["image_class_labels"] += f"{i} {1 + i % 2}\n"
        tables["bounding_boxes"] += f"{i} 0.0 0.0 100.0 100.0\n"
        tables["train_test_split"] += f"{i} {i <= birds // 2:d}\n"
        for part in (1, 2, 3):
            tables["parts/part_locs"] += f"{i} {part} {x + part}.0 {y}.0 1\n"
    for name, text in tables.items():
        (folder / f"{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(text)
    negatives(root, background)


def pascal_part(root, animals=("cat", "cow"), each=10):
    """Pictures of one animal each: a bright head on a gray torso with a neck."""
    import scipy.io

    rng = np.random.default_rng(_SEED)
    folder = root / "pascal_part"
    (folder / "Annotations_Part").mkdir(parents=True)
    for animal in animals:
        for i in range(each):
            picture = _noise(rng, (90, 120))
            left = int(rng.integers(5, 40))
            boxes = {
                "head": (left, 10, left + 20, 30),
                "neck": (left + 16, 20, left + 26, 40),
                "torso": (left + 20, 20, left + 70, 60),
            }
            masks = {}
            for value, (name, (x0, y0, x1, y1)) in zip((250, 90, 130), boxes.items(), strict=True):
                picture[y0:y1, x0:x1] = value
                masks[name] = np.zeros((90, 120), "uint8")
                masks[name][y0:y1, x0:x1] = 1
            save(folder / "JPEGImages" / f"{animal}{i}.jpg", picture)
            parts = struct_array([{"part_name": n, "mask": m} for n, m in masks.items()])
            whole = np.maximum.reduce(list(masks.values()))
            rows = [{"class": animal, "class_ind": 1.0, "mask": whole, "parts": parts}]
            anno = {"imname": f"{animal}{i}", "objects": struct_array(rows)}
            scipy.io.savemat(folder / "Annotations_Part" / f"{animal}{i}.mat", {"anno": anno})
    negatives(root)


def animal_part(root, names=("bird", "domestic_cat"), each=6):
    """The compact layout: 224 x 224 pictures with a head, split in turns, and its negatives."""
    rng = np.random.default_rng(_SEED)
    folder = root / "animal_part"
    lines = [
        "file,wnid,name,split,source_box,head_center,head_size,front_legs_center,front_legs_size"
    ]
    for name in (*names, "negative"):
        for i in range(each):
            x, y = rng.integers(30, 190, 2)
            picture = _noise(rng, (224, 224))
            boxes = ",,,"
            if name != "negative":
                picture[y - 20 : y + 20, x - 20 : x + 20] = 250
                boxes = f"{x} {y},40 40,{224 - x} {y},30 30"
            file = f"{name}/{i}.jpg"
            save(folder / file, picture)
            split = ("test", "train")[i % 2] if i < each - 1 else "validation"
            lines.append(f"{file},,{name},{split},,{boxes}")
    (folder / "annotations.csv").write_text("\n".join(lines) + "\n")


def squeezenet_weights(root, size=64):
    """SqueezeNet as initialized, in place of ImageNet's weights."""
    import keras

    from keras_icnn import zoo

    keras.utils.set_random_seed(_SEED)
    model = zoo.squeezenet(weights=None, include_top=False, input_shape=(size, size, 3))
    arrays = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            arrays[f"{layer.name}/kernel"], arrays[f"{layer.name}/bias"] = kernel, bias
    (root / "weights").mkdir(parents=True, exist_ok=True)
    np.savez(root / "weights" / "squeezenet.npz", **arrays)

"""Images that EXIF data turn: with annotations as they are stored, without turned."""

import numpy as np
import pytest
import small_data_sets
from mat_files import write_mat
from PIL import Image

from keras_icnn.datasets import animal_part, cub200, folder, pascal_part

_ORIENTATION = 0x0112
_CLOCKWISE = 6  # To be turned by 90 degrees.


def turn_all(root):
    """Marks the images below a folder as turned; their pixels stay."""
    files = [f for f in sorted(root.rglob("*")) if f.suffix in (".jpg", ".png")]
    assert files
    for file in files:
        mark(file)


def mark(file):
    exif = Image.Exif()
    exif[_ORIENTATION] = _CLOCKWISE
    with Image.open(file) as image:
        image.load()
    image.save(file, exif=exif, **({"quality": 95} if file.suffix == ".jpg" else {}))


def brightest(image):
    """(x, y) of the center of the bright square."""
    rows, columns = np.nonzero(np.asarray(image)[..., 0] > 180)
    return np.array([columns.mean(), rows.mean()])


def compact(root):
    small_data_sets.animal_part(root)
    turn_all(root)
    return animal_part(root / "animal_part"), "head"


def published(root):
    """One frog: a dot at (40, 50) of the stored image, cut out by 112 x 56 pixels from (10, 20)."""
    base = root / "n01639765_obj" / "img"
    box = {"xmin": 11, "ymin": 21, "xmax": 122, "ymax": 76}
    write_mat(base / "data.mat", "v5", "samples", [{"obj": {"bndbox": box}, "class": 1.0}] * 2)
    # Rows first, from 1: the dot is twice as wide and four times as high in the crop.
    center = np.array([[121.5 + 1], [60.5 + 1]])
    truth = {"obj": {"bndbox": box}, "pHW_center": center, "pHW_scale": np.array([[40.0], [20.0]])}
    write_mat(root / "n01639765" / "truth_part01.mat", "v5", "truth", [truth] * 2)
    pixels = np.zeros((120, 160, 3), "uint8")
    pixels[46:55, 36:45] = 255
    for i in (1, 2):
        small_data_sets.save(base / "img" / f"{i:05d}.jpg", pixels)
    turn_all(base)
    return animal_part(root), "head"


def birds(root, **options):
    small_data_sets.cub200(root)
    turn_all(root / "CUB_200_2011")
    return cub200(root / "CUB_200_2011", image_size=(64, 64), landmarks="all", **options), "back"


def whole_birds(root):
    return birds(root, crop=False)


def pascal(root):
    pytest.importorskip("scipy.io")
    small_data_sets.pascal_part(root)
    turn_all(root / "pascal_part" / "JPEGImages")
    return pascal_part(root / "pascal_part"), "head"


READERS = {
    "Animal-Part": compact,
    "Animal-Part as published": published,
    "CUB-200-2011": birds,
    "CUB-200-2011, whole images": whole_birds,
    "Pascal-Part": pascal,
}


@pytest.mark.parametrize("reader", READERS)
def test_annotations_are_of_the_stored_pixels(tmp_path, reader):
    splits, landmark = READERS[reader](tmp_path)
    seen = 0
    for _, data in splits.items():
        for sample in data:
            point = sample.landmarks[list(data.landmark_names).index(landmark)]
            if np.isnan(point).any():
                continue
            np.testing.assert_allclose(
                brightest(sample.image), point, atol=0.02 * max(data.image_size)
            )
            if landmark in data.part_names:
                mask = sample.parts[list(data.part_names).index(landmark)]
                np.testing.assert_allclose(
                    brightest(mask[..., None] * 255), point, atol=0.02 * max(data.image_size)
                )
            seen += 1
    assert seen >= 2


def test_images_without_annotations_are_turned(tmp_path):
    pixels = np.zeros((48, 64, 3), "uint8")
    pixels[6:11, 36:41] = 255
    for i in range(2):
        small_data_sets.save(tmp_path / "frog" / f"{i}.png", pixels)
    turn_all(tmp_path)
    data = folder(tmp_path, image_size=(64, 48), validation_split=0).train
    # Clockwise: what was `y` from the top is so far from the right side.
    np.testing.assert_allclose(brightest(data.image(0)), (47 - 8, 38))


def test_negatives_beside_annotated_images_are_turned(tmp_path):
    small_data_sets.cub200(tmp_path)
    negatives = tmp_path / "animal_part" / "negatives"
    pixels = np.zeros((64, 64, 3), "uint8")
    pixels[6:11, 36:41] = 255
    for file in negatives.iterdir():
        small_data_sets.save(file, pixels)
    turn_all(negatives)
    data = cub200(tmp_path / "CUB_200_2011", negatives=negatives, image_size=(64, 64)).test
    found = data.image(int(np.flatnonzero(data.labels == 0)[0]))
    np.testing.assert_allclose(brightest(found), (63 - 8, 38))

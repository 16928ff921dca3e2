"""Small generated data sets, and where the real one is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_icnn import datasets

_HEADER = "file,wnid,name,split,source_box,head_center,head_size,front_legs_center,front_legs_size"
_ROWS = (
    "z/1.jpg,n2,zebra,test,,60 50,20 10,100.5 180,31 40",
    "z/2.jpg,n2,zebra,train,,,,,",
    "a/1.jpg,n1,ape,test,,4 4,20 20,,",
    "a/2.jpg,n1,ape,validation,,,,10 220,6 8",
    "negatives/1.jpg,,negative,train,,,,,",
    "negatives/2.jpg,,negative,test,,,,,",
)


class AnimalPartFolder:
    """The compact layout with six pictures; tests spoil one thing and read it again."""

    def __init__(self, root):
        self.root = root
        self.rows = list(_ROWS)
        self.header = _HEADER
        for k, row in enumerate(_ROWS):
            file = root / row.split(",")[0]
            file.parent.mkdir(exist_ok=True)
            Image.new("RGB", (224, 224), (40 * k, 100, 200)).save(file)
        self.write()

    def write(self):
        self.csv.write_text("\n".join([self.header, *self.rows]) + "\n", encoding="utf-8")

    @property
    def csv(self):
        return self.root / "annotations.csv"


@pytest.fixture
def animal_part_folder(tmp_path):
    return AnimalPartFolder(tmp_path)


@pytest.fixture(scope="session")
def real_animal_part():
    path = Path(__file__).parents[2] / ".." / "shared" / "data" / "animal_part"
    if not path.is_dir():
        pytest.skip("the Animal-Part data set is not at ../shared/data/animal_part")
    return datasets.animal_part(path)


@pytest.fixture
def numbered():
    """Ten 4 x 6 pictures; picture i has the value 10 i in column 0 and 10 i + c in column c."""

    def image(i):
        row = 10 * i + np.arange(6, dtype="uint8")
        return np.repeat(np.tile(row, (4, 1))[:, :, None], 3, 2)

    def parts(i):
        masks = np.zeros((2, 4, 6), bool)
        masks[0, 1, i % 6] = True
        return masks

    landmarks = np.full((10, 2, 2), np.nan)
    landmarks[:, 0] = [[i % 6, 1] for i in range(10)]
    return datasets.PartDataset(
        image=image,
        parts=parts,
        labels=[0, 1, 2, 0, 1, 2, 0, 1, 2, 0],
        landmarks=landmarks,
        files=[f"{i}.png" for i in range(10)],
        class_names=["none", "cat", "dog"],
        landmark_names=["head", "tail"],
        part_names=["head", "tail"],
        image_size=(4, 6),
    )

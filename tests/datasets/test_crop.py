"""Objects cut out by their boxes: images, points and masks."""

import numpy as np
import pytest
from PIL import Image

from keras_icnn.datasets._crop import Crop


def test_points_and_masks_move_with_the_picture(tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "a.png"
    for size in ((30, 40), (64, 91), None):
        y, x = int(rng.integers(12, 50)), int(rng.integers(21, 70))
        picture, mask = np.zeros((60, 80, 3), "uint8"), np.zeros((1, 60, 80), bool)
        picture[y - 1 : y + 2, x - 1 : x + 2] = 255
        mask[0, y - 1 : y + 2, x - 1 : x + 2] = True
        Image.fromarray(picture).save(file)
        crop = Crop((20, 11, 72, 53), (60, 80), size, "box")
        image = crop.image(file)[..., 0].astype(float)
        assert image.shape == crop.size == (size or (42, 52))
        point = crop.points([[x, y]])[0]
        rows, columns = np.indices(image.shape)
        centre = [(image * columns).sum() / image.sum(), (image * rows).sum() / image.sum()]
        np.testing.assert_allclose(point, centre, atol=0.3)
        at = np.argwhere(crop.masks(mask)[0]).mean(axis=0)[::-1]
        np.testing.assert_allclose(point, at, atol=0.8)


def test_boxes_are_rounded_outward_and_clipped():
    crop = Crop((-3.5, 2.2, 30.1, 99), (50, 40), None, "box")
    assert crop.box == (0, 2, 31, 50) and crop.size == (48, 31) and crop.area == 48 * 31
    assert np.isnan(crop.points([[31, 10]])).all() and crop.points([[30, 49]]).tolist() == [
        [30, 47]
    ]
    for box in ((40, 0, 50, 10), (5, 5, 5, 9), (9, 5, 5, 9)):
        with pytest.raises(ValueError, match="box must cover pixels of the 40 x 50 image"):
            Crop(box, (50, 40), None, "box")
    with pytest.raises(ValueError, match="four finite numbers"):
        Crop((0, float("nan"), 5, 5), (50, 40), None, "box")

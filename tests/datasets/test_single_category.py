"""What the single-category protocol trains on; crops."""

import numpy as np
import pytest
from PIL import Image

from keras_icnn.datasets import single_category
from keras_icnn.datasets._alternating_split import alternating_split
from keras_icnn.datasets._crop import Crop


def test_every_second_annotated_picture_is_held_out():
    annotated = [1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0]
    # Annotated: 0 2 3 7 8, so 0 3 8 are for test; of 1 2 4 5 6 7 9 10 11 the fifth is 6.
    expected = ["train"] * 12
    for i in (0, 3, 8):
        expected[i] = "test"
    expected[6] = "validation"
    assert alternating_split(annotated) == expected


def test_three_positives_a_negative_each_beside_its_mirror_image(numbered):
    task = numbered.select(["none", "cat"])  # pictures 0 1 3 4 6 7 9, of which 0 3 6 9 negative
    train = single_category(task)
    assert train.labels.tolist() == [1] * 12 + [0] * 4
    assert train.files[:6] == ["1.png", "1.png", "4.png", "4.png", "7.png", "7.png"]
    assert train.files[6:12] == train.files[:6] and train.files[12:] == [
        f"{i}.png" for i in (0, 3, 6, 9)
    ]
    assert (train.image(1) == train.image(0)[:, ::-1]).all()
    assert train.landmarks[1, 0].tolist() == [5 - 1, 1]
    assert (train.part_masks(1) == train.part_masks(0)[:, :, ::-1]).all()


def test_without_flips_the_scarcer_side_is_repeated(numbered):
    task = numbered.select(["none", "cat", "dog"])
    train = single_category(task, flips=False, positive_share=0.9)
    assert (train.labels > 0).sum() == 36 and (train.labels == 0).sum() == 4
    few = task.subset([0, 1, 2, 4, 5, 7, 8])  # one negative, six positives
    train = single_category(few, flips=False)
    assert (train.labels > 0).sum() == 6 and train.files[6:] == ["0.png", "0.png"]


def test_single_category_needs_both_sides(numbered):
    for one_side in (numbered.select(["none"]), numbered.subset([1, 2])):
        with pytest.raises(
            ValueError, match="`train` of single_category must hold images of its class 0"
        ):
            single_category(one_side)
    with pytest.raises(ValueError, match="`positive_share`"):
        single_category(numbered, positive_share=1)


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

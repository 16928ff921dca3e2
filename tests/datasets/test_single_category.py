"""What the single-category task trains on."""

import pytest

from keras_icnn.datasets import single_category


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

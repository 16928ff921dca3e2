"""`Sample`, `PartDataset` and `PartSplits` on ten pictures known by heart."""

import threading

import numpy as np
import pytest

from keras_icnn.datasets import PartDataset, PartSplits


def test_sample_holds_picture_label_landmarks_masks_and_file(numbered):
    sample = numbered[4]
    assert sample.image.dtype == np.uint8 and sample.image.shape == (4, 6, 3)
    assert sample.image[2, :, 1].tolist() == [40, 41, 42, 43, 44, 45]
    assert sample.label == 1 and sample.file == "4.png"
    assert sample.landmarks.dtype == np.float32
    assert sample.landmarks[0].tolist() == [4, 1] and np.isnan(sample.landmarks[1]).all()
    assert sample.parts.dtype == bool and np.argwhere(sample.parts).tolist() == [[0, 1, 4]]


def test_it_is_a_sequence_of_images(numbered):
    assert len(numbered) == 10
    assert [s.file for s in numbered] == [f"{i}.png" for i in range(10)]
    assert numbered[-1].file == numbered[np.int64(9)].file == "9.png"
    for outside in (10, -11):
        with pytest.raises(IndexError, match="data set of 10 images"):
            numbered[outside]


def test_slices_subsets_and_take_give_data_sets(numbered):
    odd = numbered[1::2]
    assert isinstance(odd, PartDataset)
    assert odd.files == ["1.png", "3.png", "5.png", "7.png", "9.png"]
    assert odd.labels.tolist() == [1, 0, 2, 1, 0]
    again = odd.subset([-1, 0, 0])
    assert again.files == ["9.png", "1.png", "1.png"]
    assert again[0].image[0, 0, 0] == 90 and again.part_masks(0)[0, 1, 3]
    assert again.landmarks[:, 0, 0].tolist() == [3, 1, 1]
    assert numbered.take(3).files == ["0.png", "1.png", "2.png"]
    assert len(numbered.take(99)) == 10 and len(numbered.take(0)) == 0


def test_select_relabels_in_the_order_given_and_keeps_the_samples_order(numbered):
    chosen = numbered.select(classes=["dog", "none"])
    assert chosen.class_names == ["dog", "none"]
    assert chosen.files == ["0.png", "2.png", "3.png", "5.png", "6.png", "8.png", "9.png"]
    assert chosen.labels.tolist() == [1, 0, 1, 0, 1, 0, 1]
    assert chosen[1].image[0, 0, 0] == 20
    assert numbered.select([2, 0]).labels.tolist() == chosen.labels.tolist()
    assert numbered.class_names == ["none", "cat", "dog"]  # not changed in place


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["cow"], r"There is no 'cow'. Choose from \['none', 'cat', 'dog'\]"),
        ([3], "There is no 3"),
        (["cat", 1], "must be different classes.*Remove the repetition"),
        ("cat", "must be a list of class names"),
        ([], "not empty"),
    ],
)
def test_select_explains_wrong_classes(numbered, classes, message):
    with pytest.raises(ValueError, match=message):
        numbered.select(classes)


def test_concatenate_appends_pictures_masks_and_annotations(numbered):
    both = numbered[8:].concatenate(numbered[:2].flipped())
    assert both.files == ["8.png", "9.png", "0.png", "1.png"]
    assert both.labels.tolist() == [2, 0, 0, 1]
    assert [int(both.image(i)[0, 0, 0]) for i in range(4)] == [80, 90, 5, 15]
    assert np.argwhere(both.part_masks(3)).tolist() == [[0, 1, 4]]
    assert both.landmarks[:, 0, 0].tolist() == [2, 3, 5, 4]
    with pytest.raises(ValueError, match=r"same `class_names`.*Use `select`"):
        numbered.concatenate(numbered.select(["cat"]))


def test_flipping_mirrors_picture_landmarks_and_masks(numbered):
    for sample in (numbered.flipped()[7], numbered[7].flipped()):
        assert sample.image[0, :, 0].tolist() == [75, 74, 73, 72, 71, 70]
        assert sample.landmarks[0].tolist() == [4, 1]  # 6 - 1 - 7 % 6
        assert np.argwhere(sample.parts).tolist() == [[0, 1, 4]]
    np.testing.assert_array_equal(numbered.flipped().flipped()[7].image, numbered[7].image)


def _counting(size=(2, 2)):
    reads = []

    def image(i):
        reads.append(i)
        return np.full((2, 2, 3), i, "uint8")

    data = PartDataset(
        image=image,
        labels=[0] * 5,
        files=list("abcde"),
        class_names=["a"],
        part_names=["head"],
        image_size=size,
    )
    return data, reads


def test_pictures_are_decoded_only_when_asked_for():
    data, reads = _counting()
    chosen = data[1:4].select(["a"])
    assert chosen.part_masks(0).shape == (1, 2, 2) and not chosen.part_masks(0).any()
    assert chosen.landmarks.shape == (3, 0, 2)
    assert reads == []
    chosen.image(0), chosen.image(0)
    assert reads == [1, 1]  # nothing is kept


def test_cache_decodes_once_also_for_selections_and_threads():
    data, reads = _counting()
    cached = data.cache()
    cached.image(2), cached[2:].image(0), cached.select(["a"])[2]
    threads = [threading.Thread(target=cached.image, args=(2,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reads == [2]
    data.image(2)
    assert reads == [2, 2]  # the original keeps nothing


def test_a_picture_of_another_size_is_named():
    data, _ = _counting(size=(4, 4))
    with pytest.raises(ValueError, match=r"'b' must be 4 x 4 pixels.*\(2, 2, 3\)"):
        data.image(1)


def test_pictures_may_differ_in_size_but_not_in_batches():
    data, _ = _counting(size=None)
    assert data[0].image.shape == (2, 2, 3) and data[0].parts.shape == (1, 2, 2)
    with pytest.raises(ValueError, match="`batches` needs images of one size"):
        data.batches(2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 2]}, "positions in `class_names`, 0 to 1"),
        ({"files": ["a"]}, "Argument `files` of PartDataset must have one entry a label, here 2"),
        ({"landmarks": np.zeros((2, 3, 2))}, r"`landmarks` of PartDataset must have.*\(2, 1, 2\)"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, message):
    arguments = {
        "image": None,
        "labels": [0, 1],
        "files": ["a", "b"],
        "class_names": ["x", "y"],
        "landmark_names": ["head"],
        "image_size": (2, 2),
    }
    with pytest.raises(ValueError, match=message):
        PartDataset(**arguments | change)


def test_splits_give_what_they_have_and_explain_what_they_lack(numbered):
    splits = PartSplits(train=numbered[:6], validation=numbered[6:], note="Read another.")
    assert splits.class_names == ["none", "cat", "dog"] and splits.image_size == (4, 6)
    assert splits.part_names == splits.landmark_names == ["head", "tail"]
    assert [(name, len(data)) for name, data in splits.items()] == [("train", 6), ("validation", 4)]
    assert not hasattr(splits, "test")
    with pytest.raises(AttributeError, match=r"no `test` split. It has: train, validation. Read"):
        _ = splits.test
    chosen = splits.select(["none", "dog"])
    assert chosen.train.labels.tolist() == [0, 1, 0, 1]
    assert chosen.validation.files == ["6.png", "8.png", "9.png"]
    with pytest.raises(ValueError, match="at least one split"):
        PartSplits()

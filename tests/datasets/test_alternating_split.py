"""Which images are held out in data sets that come without a split."""

from keras_icnn.datasets._alternating_split import alternating_split


def test_every_second_annotated_picture_is_held_out():
    annotated = [1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0]
    # Annotated: 0 2 3 7 8, so 0 3 8 are for test; of 1 2 4 5 6 7 9 10 11 the fifth is 6.
    expected = ["train"] * 12
    for i in (0, 3, 8):
        expected[i] = "test"
    expected[6] = "validation"
    assert alternating_split(annotated) == expected

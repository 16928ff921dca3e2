"""Images of every depth are read by the range of their pixels, or refused by name."""

import numpy as np
import pytest
from PIL import Image

from keras_icnn.datasets._image_files import read_image

RAMP = np.linspace(0, 1, 60 * 40).reshape(60, 40)


def saved(array, path):
    Image.fromarray(array).save(path)
    return str(path)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bits_are_read_by_their_high_byte(tmp_path, name):
    values = np.round(RAMP * 65535).astype("uint16")
    image = read_image(saved(values, tmp_path / name))
    assert (image == (values >> 8)[..., None]).all()
    cut = read_image(str(tmp_path / name), box=(3, 5, 13, 25))
    assert (cut == (values >> 8)[5:25, 3:13, None]).all()


def test_floating_point_from_0_to_1_is_read_as_such(tmp_path):
    image = read_image(saved(RAMP.astype("float32"), tmp_path / "x.tif"))
    assert (image == np.round(RAMP.astype("float32") * 255)[..., None]).all()


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (RAMP.astype("float32") * 255, "floating-point numbers beyond 0 to 1"),
        (np.where(RAMP > 0.5, np.nan, RAMP).astype("float32"), "floating-point"),
        (-RAMP.astype("float32"), "floating-point"),
        ((RAMP * 1e6).astype("int32"), "32-bit integers"),
    ],
)
def test_pixels_of_unknown_range_are_refused_with_the_file_s_name(tmp_path, array, kind):
    path = saved(array, tmp_path / "x.tif")
    with pytest.raises(OSError, match=rf"x\.tif.*{kind}.*8 or 16 bits"):
        read_image(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_modes_of_eight_bits_give_what_pillow_gives(tmp_path, mode):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (8, 9, 3), "uint8")).convert(mode)
    path = tmp_path / "x.tif"
    image.save(path)
    with Image.open(path) as stored:
        expected = np.asarray(stored.convert("RGB"))
    assert (read_image(str(path)) == expected).all()


def test_a_turned_image_of_sixteen_bits_is_turned(tmp_path):
    values = (RAMP * 65535).astype("uint16")
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by 90 degrees, clockwise.
    Image.fromarray(values).save(tmp_path / "x.png", exif=exif)
    expected = np.rot90(values >> 8, -1)
    assert (read_image(str(tmp_path / "x.png")) == expected[..., None]).all()


def test_transparent_pixels_are_white(tmp_path):
    pixels = np.zeros((1, 3, 4), "uint8")
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = [0, 255, 51]
    image = Image.fromarray(pixels)
    image.save(tmp_path / "alpha.png")
    # A fifth of (200, 0, 0) and four fifths of white.
    expected = [[255, 255, 255], [200, 0, 0], [244, 204, 204]]
    np.testing.assert_array_equal(read_image(str(tmp_path / "alpha.png"))[0], expected)
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([9, 9, 9, 0, 0, 250])
    palette.putpixel((0, 0), 0)
    palette.save(tmp_path / "palette.png", transparency=0)
    found = read_image(str(tmp_path / "palette.png"))[0]
    assert found.tolist() == [[255, 255, 255], [0, 0, 250]]
    image.convert("LA").save(tmp_path / "gray.png")
    assert read_image(str(tmp_path / "gray.png"))[0, 0].tolist() == [255] * 3


def test_a_transparent_value_of_sixteen_bits_is_none_of_eight(tmp_path):
    Image.fromarray(np.array([[300, 65535]], "uint16")).save(tmp_path / "x.png", transparency=300)
    assert read_image(str(tmp_path / "x.png"))[0, :, 0].tolist() == [1, 255]

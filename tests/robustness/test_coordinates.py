"""A bright dot at a known pixel comes back at its place from everything that moves coordinates.

`(0, 0)` is the center of the upper left pixel. Odd and even sizes, boxes across the edge, padding
on one side only: wherever half a pixel, or a side, can get lost.
"""

import base64

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import keras_icnn as icnn
from keras_icnn.datasets import PartDataset, animal_part, cub200, pascal_part
from keras_icnn.datasets._crop import Crop
from keras_icnn.metrics._resizing import move_points, resize_image, resize_masks
from keras_icnn.visualize._report_data import Recorder

SIZES = [(20, 26), (21, 27), (40, 33), (17, 50)]


def dotted(size, place, radius=1):
    """uint8 `[height, width, 3]`: black, with a bright square around (x, y)."""
    image = np.zeros((*size, 3), "uint8")
    x, y = place
    image[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1] = 255
    return image


def seen(image):
    """(x, y) of the center of what is bright."""
    light = np.asarray(image)[..., 0].astype("float64")
    rows, columns = np.indices(light.shape)
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


# --- data sets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", SIZES)
def test_resizing(size, target):
    place = (11, 8)
    image = resize_image(dotted(size, place), target)
    # The dot is three pixels wide, so a smaller image still shows all of it.
    moved = move_points(np.array([[place]], "float64"), size, target)[0, 0]
    np.testing.assert_allclose(moved, seen(image), atol=0.3)
    masks = resize_masks(dotted(size, place, 2)[None, ..., 0] > 0, target)
    np.testing.assert_allclose(moved, seen(masks[0][..., None]), atol=0.75)


# Inside, across the left upper edge, across the right lower edge; whole and broken numbers.
BOXES = [(4, 3, 24, 18), (-6, -4, 19, 17), (5.4, 2.7, 60, 70)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("target", [None, (31, 30), (64, 77)])
def test_crops(tmp_path, box, target):
    place, stored = (12, 9), (21, 28)
    save(tmp_path / "a.png", dotted(stored, place))
    crop = Crop(box, stored, target, "box")
    np.testing.assert_allclose(
        crop.points([place])[0], seen(crop.image(tmp_path / "a.png")), atol=0.3
    )
    mask = crop.masks(dotted(stored, place)[None, ..., 0] > 0)[0]
    np.testing.assert_allclose(crop.points([place])[0], seen(mask[..., None]), atol=0.75)


@pytest.mark.parametrize("width", [26, 27])
def test_flipping(width):
    place = (5, 9)
    image = dotted((20, width), place)
    data = PartDataset(
        image=lambda i: image,
        labels=[0],
        files=["a"],
        class_names=["a"],
        image_size=(20, width),
        parts=lambda i: image[None, ..., 0] > 0,
        landmarks=[[place]],
        landmark_names=["dot"],
        part_names=["dot"],
    )
    for sample in (data[0], data[0].flipped(), data.flipped()[0], data.flipped().flipped()[0]):
        np.testing.assert_allclose(sample.landmarks[0], seen(sample.image))
        np.testing.assert_allclose(sample.landmarks[0], seen(sample.parts[0][..., None]))
    loaders = [data.batches(1, seed=seed, flip=True) for seed in range(12)]
    found = {tuple(seen(loader[0][0][0]).round(3).tolist()) for loader in loaders}
    assert found == {place, (width - 1 - place[0], place[1])}


@pytest.mark.parametrize("target", [(48, 48), (61, 50), None])
def test_birds(tmp_path, target):
    tables = {"images": "", "image_class_labels": "", "bounding_boxes": "", "train_test_split": ""}
    places = [(30, 40), (63, 55), (70, 31)]
    boxes = ["3.0 5.0 60.0 70.0", "20.5 11.2 80.0 90.0", "-4.0 -3.0 90.0 64.0"]
    locations = ""
    for i, (place, box) in enumerate(zip(places, boxes, strict=True), 1):
        save(tmp_path / "images" / f"001.A/{i}.png", dotted((85, 91), place))
        tables["images"] += f"{i} 001.A/{i}.png\n"
        tables["image_class_labels"] += f"{i} 1\n"
        tables["bounding_boxes"] += f"{i} {box}\n"
        tables["train_test_split"] += f"{i} {i % 2}\n"
        locations += f"{i} 1 {place[0]}.0 {place[1]}.0 1\n"
    tables |= {"classes": "1 001.A\n", "parts/parts": "1 back\n", "parts/part_locs": locations}
    for name, text in tables.items():
        (tmp_path / f"{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.txt").write_text(text)
    data = cub200(tmp_path, image_size=target, landmarks=["back"], validation_split=0)
    samples = [*data.train, *data.test]
    assert len(samples) == 3
    for sample in samples:
        np.testing.assert_allclose(sample.landmarks[0], seen(sample.image), atol=0.5)


@pytest.mark.parametrize("target", [(48, 48), (61, 50), None])
def test_pascal_parts(tmp_path, target):
    scipy = pytest.importorskip("scipy.io")
    from small_data_sets import struct_array

    (tmp_path / "Annotations_Part").mkdir()
    for i, (x, y) in enumerate([(30, 40), (63, 55)]):
        head = dotted((85, 91), (x, y), 3)[..., 0] // 255
        torso = np.zeros_like(head)
        # To the edge of the image, as objects that are cut off.
        torso[y - 30 :, x - 25 :] = 1
        save(tmp_path / "JPEGImages" / f"cat{i}.png", dotted((85, 91), (x, y), 3))
        (tmp_path / "JPEGImages" / f"cat{i}.png").rename(tmp_path / "JPEGImages" / f"cat{i}.jpg")
        parts = struct_array(
            [{"part_name": "head", "mask": head}, {"part_name": "torso", "mask": torso}]
        )
        rows = [{"class": "cat", "class_ind": 1.0, "mask": torso, "parts": parts}]
        anno = {"imname": f"cat{i}", "objects": struct_array(rows)}
        scipy.savemat(tmp_path / "Annotations_Part" / f"cat{i}.mat", {"anno": anno})
    found = pascal_part(tmp_path, image_size=target)
    samples = [
        (s, dataset)
        for dataset in (getattr(found, name, ()) for name in ("train", "validation", "test"))
        for s in dataset
    ]
    assert len(samples) == 2
    for sample, dataset in samples:
        head = dataset.landmark_names.index("head")
        np.testing.assert_allclose(sample.landmarks[head], seen(sample.image), atol=0.5)
        mask = sample.parts[dataset.part_names.index("head")]
        np.testing.assert_allclose(sample.landmarks[head], seen(mask[..., None]), atol=0.75)


def test_animal_parts(tmp_path):
    lines = [
        "file,wnid,name,split,source_box,head_center,head_size,front_legs_center,front_legs_size"
    ]
    for i, (x, y) in enumerate([(31, 40), (222, 1)]):
        save(tmp_path / "cat" / f"{i}.png", dotted((224, 224), (x, y)))
        lines.append(f"cat/{i}.png,,cat,train,,{x} {y},3 3,,")
    (tmp_path / "annotations.csv").write_text("\n".join(lines) + "\n")
    for sample in animal_part(tmp_path).train:
        np.testing.assert_allclose(sample.landmarks[0], seen(sample.image), atol=0.5)
        np.testing.assert_allclose(seen(sample.parts[0][..., None]), seen(sample.image), atol=0.5)


# --- networks -----------------------------------------------------------------------------------


def center(filters, size, **options):
    """A convolution that passes on the middle of its window."""
    layer = layers.Conv2D(filters, size, use_bias=False, **options)

    def call(x):
        y = layer(x)
        kernel = np.zeros(layer.kernel.shape, "float32")
        kernel[size // 2, size // 2, :, :] = 1.0
        layer.kernel.assign(kernel)
        return y

    return call


def asymmetric(x):
    x = layers.ZeroPadding2D(((2, 0), (1, 3)))(x)
    x = center(2, 3)(x)
    x = layers.Cropping2D(((0, 1), (2, 0)))(x)
    return layers.MaxPooling2D(2)(x)


NETWORKS = {
    "same": lambda x: center(2, 3, padding="same")(x),
    "valid": lambda x: center(2, 5)(x),
    "pooled": lambda x: layers.MaxPooling2D(2)(center(2, 3, padding="same")(x)),
    "pooled same": lambda x: layers.MaxPooling2D(3, 3, padding="same")(center(2, 3)(x)),
    "asymmetric": asymmetric,
    "dilated": lambda x: center(2, 3, dilation_rate=2, padding="same")(x),
    "nested": lambda x: nested(x),
}


def nested(x):
    inner = keras.Input(x.shape[1:])
    return keras.Model(inner, asymmetric(inner), name="backbone")(x)


@pytest.mark.parametrize("size", [(20, 26), (21, 27)])
@pytest.mark.parametrize("kind", NETWORKS)
def test_peaks_of_a_network(kind, size):
    """Within half a unit of the dot: the peaks, the explanation's parts, the report's page."""
    inputs = keras.Input((*size, 3))
    maps = NETWORKS[kind](layers.Rescaling(1 / 255)(inputs))
    maps = icnn.InterpretableFilters(num_classes=2, name="parts")(maps)
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalMaxPooling2D()(maps))
    model = keras.Model(inputs, outputs)
    places = [(6, 7), (13, 10), (14, 11)]
    images = np.stack([dotted(size, place, 0) for place in places]).astype("float32")
    reader = icnn.metrics.MapReader(model, batch_size=3)
    found = reader.maps(images)
    half = np.array(found.field.stride[::-1]) / 2
    peaks, _ = icnn.metrics.peaks_of(found.after, found.field.centers)
    recorder = Recorder(reader, np.arange(len(images)), 2)
    recorder(images)
    page = recorder.packed(found.field)
    units = np.frombuffer(base64.b64decode(page["units"]), "<u2").reshape(len(images), -1)
    for i, place in enumerate(places):
        assert (np.abs(peaks[i] - place) <= half + 1e-6).all()
        assert (np.abs(found.peak(i, 0) - place) <= half + 1e-6).all()
        part = icnn.explain(model, images[i], reference=False).parts[0]
        assert (np.abs(np.array([part.x, part.y]) - place) <= half + 1e-6).all()
        # As the page reads it: shares of width and height, from the edge of the first pixel.
        row, column = divmod(int(units[i, 0]), len(page["x"]))
        shown = np.array([page["x"][column] * size[1], page["y"][row] * size[0]]) - 0.5
        assert (np.abs(shown - place) <= half + 0.01).all()


def test_images_of_other_sizes_are_compared_in_their_own_pixels():
    """The peaks follow a dot exactly, in images that are twice and three times the input."""
    size, rng = (16, 20), np.random.default_rng(0)
    inputs = keras.Input((*size, 3))
    maps = layers.AveragePooling2D(2)(layers.Rescaling(1 / 255)(inputs))
    maps = icnn.InterpretableFilters(num_classes=2, mask=False, name="parts")(maps)
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalMaxPooling2D()(maps))
    images, places = [], []
    for i in range(24):
        scale = 2 + i % 2
        # A unit of the map is two pixels of the input: a dot that is one unit.
        row, column = rng.integers(1, 7), rng.integers(1, 9)
        image = np.zeros((size[0] * scale, size[1] * scale, 3), "uint8")
        top, left = 2 * scale * row, 2 * scale * column
        image[top : top + 2 * scale, left : left + 2 * scale] = 255
        images.append(image)
        places.append((left + scale - 0.5, top + scale - 0.5))
    data = PartDataset(
        image=lambda i: images[i],
        labels=np.arange(24) % 2,
        files=[str(i) for i in range(24)],
        class_names=["a", "b"],
        image_size=None,
        landmarks=np.array(places)[:, None],
        landmark_names=["dot"],
    )
    report = icnn.metrics.evaluate(keras.Model(inputs, outputs), data, parts=False)
    assert report.values["r2"] > 0.999


def test_left_and_right_change_places_in_the_mirror():
    """As in an image of the mirrored animal: its left eye is where its right one was."""
    names = ["nose", "left eye", "Right Eye", "left paw"]
    masks = np.zeros((4, 10, 20), bool)
    points = np.array([[10.0, 5], [6, 3], [13, 4], [2, 8]])
    for mask, (x, y) in zip(masks, points.astype(int), strict=True):
        mask[y, x] = True
    data = PartDataset(
        image=lambda i: np.zeros((10, 20, 3), "uint8"),
        labels=[0],
        files=["a"],
        class_names=["a"],
        image_size=(10, 20),
        parts=lambda i: masks,
        landmarks=points[None],
        landmark_names=names,
        part_names=names,
    )
    expected = [[9, 5], [6, 4], [13, 3], [17, 8]]
    for sample in (data.flipped()[0], data[0].flipped(names, names)):
        assert sample.landmarks.tolist() == expected
        assert [seen(mask[..., None]).tolist() for mask in sample.parts] == expected
    again = data.flipped().flipped()[0]
    assert again.landmarks.tolist() == points.tolist() and (again.parts == masks).all()

"""Scenes of generated creatures: composition of an image, and its drawing."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from keras_icnn.datasets._creature_body import SPECIES, Body, ellipse, ribbon, turned

_OVERSAMPLING = 2  # drawn larger and averaged, against jagged edges
_MARGIN = 0.08  # of the image, between its edge and every landmark


class Scene:
    """One image, composed but not drawn: cheap, and enough for its landmarks.

    Args:
        rng: NumPy generator, the image's own.
        species: A name in `SPECIES`, or `None`: clutter only.
        image_size: `(height, width)`.
        scale: Smallest and largest torso length, as shares of the image's shorter side.

    Attributes:
        landmarks: float `[4, 2]`, pixels; NaN without a creature.
    """

    def __init__(self, rng, species, image_size, scale):
        self._rng = rng
        self._scale = scale
        self._size = np.array(image_size[::-1], float)  # x, y as everywhere below
        self._unit = self._size.min()
        self._body = None
        self._shapes = []
        self.landmarks = np.full((4, 2), np.nan)
        self._ground, self._fur = _colors(rng)
        if species is not None:
            self._place(Body(rng, SPECIES[species], self._fur).whole())

    def _compose(self):
        """All shapes, those behind first; on the first call, so that landmarks stay cheap."""
        if self._shapes:
            return
        rng = self._rng
        self._clutter(rng.integers(3, 8))
        if self._body is None:
            self._clutter(rng.integers(1, 4))
            if rng.random() < 0.6:
                species = SPECIES[rng.choice(sorted(SPECIES))]
                self._place(Body(rng, species, self._fur).headless())
        if self._body is not None:
            self._shapes += self._body
        self._grass(rng.integers(0, 5))

    def draw(self):
        """uint8 `[height, width, 3]`. Call it once: it draws the noise from the generator."""
        self._compose()
        rng, (width, height) = self._rng, self._size.astype(int)
        numbers = self._numbers()
        lookup = np.zeros((256, 3), "uint8")
        colors = [color for _, color, _ in self._shapes]
        lookup[1 : len(colors) + 1] = np.clip(colors, 0, 255)
        image = np.array(_averaged(lookup[numbers]), "float32")
        behind = np.array(_averaged((numbers == 0).view("uint8") * 255), "float32") / 255
        texture = _smooth(rng, 7, 10, (height, width)) + _smooth(rng, 3, 10, (height, width))
        image += behind[:, :, None] * (self._ground.astype("float32") + texture)
        # Light: a gain, a slope across the image, and soft stains of color.
        across = np.linspace(-1, 1, width, dtype="float32") * rng.uniform(-0.2, 0.2)
        down = np.linspace(-1, 1, height, dtype="float32") * rng.uniform(-0.2, 0.2)
        light = (1 + across + down[:, None]) * rng.uniform(0.8, 1.15)
        image *= light[:, :, None]
        image += _smooth(rng, 4, 6, (height, width))
        image += rng.standard_normal(image.shape, "float32") * rng.uniform(2, 6)
        return np.clip(image, 0, 255).astype("uint8")

    def masks(self):
        """bool `[4, height, width]`: the pixels of which the part covers at least half."""
        self._compose()
        parts = np.zeros(256, "uint8")
        parts[1 : len(self._shapes) + 1] = [part for _, _, part in self._shapes]
        k = _OVERSAMPLING
        drawn = parts[self._numbers()]
        wanted = np.arange(1, 5, dtype="uint8")[:, None, None]
        covered = sum(
            (drawn[row::k, column::k] == wanted).view("uint8")
            for row in range(k)
            for column in range(k)
        )
        return covered * 2 >= k * k

    def _numbers(self):
        """uint8 map, oversampled: 0 or 1 + the number of the topmost shape."""
        k = _OVERSAMPLING
        width, height = self._size.astype(int) * k
        image = Image.new("L", (int(width), int(height)), 0)
        draw = ImageDraw.Draw(image)
        for number, (polygon, _, _) in enumerate(self._shapes, 1):
            # Pixel centers: 0 of the image lies between 0 and 1 of the oversampled one.
            points = polygon * k + (k - 1) / 2
            draw.polygon(points.ravel().tolist(), fill=number)
        return np.asarray(image)

    def _place(self, body):
        """Puts a body anywhere, as long as every landmark is in the image."""
        rng = self._rng
        scale = self._unit * np.exp(rng.uniform(*np.log(self._scale)))
        side = rng.choice((-1.0, 1.0))
        tilt = rng.uniform(-0.22, 0.22)

        def placed(points):
            return turned(points, tilt) * (side * scale, scale)

        known = placed(body.centers)
        low = self._size * _MARGIN - known.min(0)
        high = self._size * (1 - _MARGIN) - 1 - known.max(0)
        origin = low + rng.random(2) * np.maximum(high - low, 0)
        if body.has_head:
            self.landmarks = known + origin
        polygons = [p for p, _, _ in body.shapes]
        ends = np.cumsum([len(p) for p in polygons])
        moved = np.split(placed(np.concatenate(polygons)) + origin, ends[:-1])
        self._body = [
            (p, color, part if body.has_head else 0)
            for p, (_, color, part) in zip(moved, body.shapes, strict=True)
        ]

    def _clutter(self, n):
        """Blobs, sticks and leaves, many in the color of a fur, some striped or spotted."""
        rng = self._rng
        for _ in range(n):
            center = self._size * rng.random(2)
            size = self._unit * rng.uniform(0.04, 0.17)
            color = self._fur * rng.uniform(0.6, 1.2) if rng.random() < 0.3 else _color(rng)
            angle = rng.uniform(0, 2 * np.pi)
            shapes = [(turned(p, angle), c) for p, c in _object(rng, color)]
            self._shapes += [(p * size + center, c, 0) for p, c in shapes]

    def _grass(self, n):
        rng = self._rng
        for _ in range(n):
            foot = self._size * (rng.random(), rng.uniform(0.75, 1.05))
            tip = foot + self._unit * np.array([rng.uniform(-0.08, 0.08), -rng.uniform(0.1, 0.25)])
            width = self._unit * 0.03
            self._shapes.append((ribbon([foot, tip], [width, width / 3]), _color(rng), 0))


def _object(rng, color):
    """Polygons and colors of one piece of clutter, about 2 across."""
    kind = rng.integers(6)
    if kind == 0:  # blob
        return [(ellipse(0, 0, 1, rng.uniform(0.4, 1)), color)]
    if kind == 1:  # leaf, or an ear
        return [(np.array([[-0.5, 0.4], [0.5, 0.4], [0.0, -1.1]]), color)]
    if kind == 2:  # stick, or a leg
        return [(ribbon([[-1.4, 0], [0, rng.uniform(-0.4, 0.4)], [1.4, 0]], [0.35] * 3), color)]
    if kind == 3:  # striped blob
        stripes = [[[x, -0.5], [x, 0.3]] for x in (-0.5, 0.0, 0.5)]
        body = [(ellipse(0, 0, 1.2, 0.6), color)]
        return body + [(ribbon(s, [0.2, 0.1]), color * 0.4) for s in stripes]
    if kind == 4:  # blob with a light dot
        dot = ellipse(*rng.uniform(-0.4, 0.4, 2), 0.25, 0.25)
        return [(ellipse(0, 0, 1, 0.8), color), (dot, 0.4 * color + 147)]
    box = np.array([[-1, -0.6], [1, -0.6], [1, 0.6], [-1, 0.6]])
    return [(box, color)]


def _color(rng):
    hue, saturation, value = rng.random(3).tolist()
    color = colorsys.hsv_to_rgb(hue, 0.1 + 0.5 * saturation, 0.25 + 0.7 * value)
    return 255 * np.array(color)


def _colors(rng):
    """Ground and fur: any two colors that differ in brightness."""
    ground = _color(rng)
    while True:
        fur = _color(rng)
        if abs(fur.mean() - ground.mean()) > 50:
            return ground, fur


def _averaged(pixels):
    return Image.fromarray(pixels).reduce(_OVERSAMPLING)


def _smooth(rng, n, deviation, size):
    """float32 `[height, width, 3]`: normal values on an n x n grid, interpolated."""
    grid = rng.standard_normal((n, n, 3), "float32") * (deviation / 2)
    coarse = Image.fromarray(np.clip(128 + grid, 0, 255).astype("uint8"))
    fine = coarse.resize((int(size[1]), int(size[0])), Image.Resampling.BICUBIC)
    return (np.asarray(fine, "float32") - 128) * 2

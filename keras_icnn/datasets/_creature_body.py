"""Bodies of the generated creatures: polygons with colors and part numbers.

A body is drawn in its own units: the torso is about 1 long and centered on the origin, x points
where the creature looks, y points down. `_creature_scene.py` places it in an image.
"""

from dataclasses import dataclass

import numpy as np

HEAD, TORSO, LEGS, TAIL = 1, 2, 3, 4  # 0 is everything else
PART_NAMES = ("head", "torso", "legs", "tail")

_HEAD_SIZE = 1.25  # large, as in drawings for children: seen also in small images

_ANGLES = np.linspace(0, 2 * np.pi, 18, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
_TRIANGLE = np.array([[-0.5, 0.15], [0.5, 0.15], [0.0, -1.0]])


@dataclass(frozen=True)
class Species:
    """What tells one species from another; lengths in torso lengths."""

    skull: tuple = (0.19, 0.17)
    muzzle: str = "short"
    top: str = "ears"  # what stands on the head
    neck: float = 0.3
    torso: tuple = (0.48, 0.2)
    leg: float = 0.4
    leg_width: float = 0.09
    tail: str = "thin"
    coat: str = "plain"


SPECIES = {
    "cat": Species(top="ears", tail="thin", coat="stripes", neck=0.24),
    "deer": Species(
        (0.2, 0.125), "long", "antlers", 0.46, (0.46, 0.19), 0.58, 0.07, "stub", "spots"
    ),
    "elephant": Species((0.22, 0.21), "trunk", "fan", 0.22, (0.5, 0.29), 0.38, 0.16, "thin"),
    "fox": Species((0.18, 0.15), "pointed", "tall ears", 0.28, (0.48, 0.18), 0.36, 0.08, "bushy"),
    "hare": Species((0.17, 0.16), "short", "long ears", 0.24, (0.42, 0.24), 0.3, 0.09, "puff"),
    "ram": Species((0.19, 0.145), "long", "horns", 0.26, (0.47, 0.25), 0.34, 0.08, "stub", "wool"),
}


def ellipse(x, y, rx, ry, angle=0.0):
    """Polygon `[points, 2]` of an ellipse turned by `angle` (radians)."""
    return turned(_CIRCLE * (rx, ry), angle) + np.array((x, y))


def turned(points, angle):
    """`points` turned about the origin by `angle` (radians)."""
    if not angle:
        return points
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def ribbon(points, widths):
    """Polygon around the line through `points` `[points, 2]`, `widths` wide at each of them."""
    points = np.asarray(points, float)
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    half = np.array(widths) / 2 / (np.hypot(along[:, 0], along[:, 1]) + 1e-9)
    side = np.empty_like(points)
    side[:, 0], side[:, 1] = -along[:, 1] * half, along[:, 0] * half
    return np.concatenate([points + side, (points - side)[::-1]])


def curve(start, angle, length, bend, n=5):
    """Line `[n, 2]` of a given length whose direction turns by `bend` radians in all."""
    angles = angle + bend * np.arange(n - 1) / max(n - 2, 1)
    line = np.empty((n, 2))
    line[0] = start
    line[1:, 0], line[1:, 1] = np.cos(angles), np.sin(angles)
    line[1:] *= length / (n - 1)
    return line.cumsum(0)


class Body:
    """Shapes in drawing order, and the centers of the parts.

    Attributes:
        shapes: List of (polygon `[points, 2]`, RGB 0..255, part number).
        centers: float `[4, 2]`, in the order of `PART_NAMES`; the origin for a part not drawn.
        has_head: Whether this is a whole creature.
    """

    def __init__(self, rng, species, fur):
        self._rng = rng
        self._kind = species
        self._fur = np.asarray(fur)
        self._light = 0.4 * self._fur + 0.6 * 245
        self._dark = 0.4 * self._fur
        self.shapes = []
        self.centers = np.zeros((4, 2))
        self.has_head = False

    def _add(self, polygon, color, part):
        self.shapes.append((polygon, color, part))

    def whole(self):
        """Draws every part, those behind first."""
        rng, kind = self._rng, self._kind
        rx, ry = np.array(kind.torso) * rng.uniform(0.9, 1.1, 2)
        self._legs(rx, ry, far=True)
        self._tail(rx, ry)
        lift = rng.uniform(-0.35, 1.15)  # from grazing to looking up
        neck = kind.neck * rng.uniform(0.85, 1.2)
        base = np.array([0.72 * rx, -0.35 * ry])
        center = base + neck * np.array([np.cos(lift), -np.sin(lift)]) + (0.12, 0)
        self._torso(rx, ry)
        self._add(ribbon([base - (0.08, 0), center], [1.1 * ry, 0.16]), self._fur * 0.95, TORSO)
        self._legs(rx, ry, far=False)
        self._head(center, rng.uniform(-0.3, 0.35))
        return self

    def headless(self):
        """Torso and legs only: what a background may hold to deceive."""
        rx, ry = np.array(self._kind.torso) * self._rng.uniform(0.8, 1.2, 2)
        self._legs(rx, ry, far=True)
        self._torso(rx, ry)
        self._legs(rx, ry, far=False)
        return self

    def _legs(self, rx, ry, far):
        rng, kind = self._rng, self._kind
        shade = 0.62 if far else 0.9
        offset = 0.1 if far else 0.0
        length = kind.leg * rng.uniform(0.9, 1.15)
        color = (self._dark if kind.coat == "wool" else self._fur) * shade
        middle = np.zeros(2)
        for x in (-0.68 * rx + offset, 0.62 * rx + offset):
            hip = np.array([x, 0.45 * ry])
            line = curve(hip, np.pi / 2 + rng.uniform(-0.4, 0.4), length + 0.55 * ry, 0.0, 3)
            line[-1, 0] = 0.5 * (line[-1, 0] + hip[0])
            w = kind.leg_width
            self._add(ribbon(line, [1.35 * w, w, w]), color, LEGS)
            # The upper part of a leg is hidden by the torso.
            middle += hip + 0.6 * (line[-1] - hip)
        self.centers[LEGS - 1] += middle / 4

    def _torso(self, rx, ry):
        rng, coat = self._rng, self._kind.coat
        if coat == "wool":
            bumps = 1 + 0.09 * np.sin(9 * _ANGLES + rng.uniform(0, 6))[:, None]
            self._add(_CIRCLE * (rx, ry) * bumps, self._fur, TORSO)
            for x, y in rng.uniform(-0.6, 0.6, (5, 2)):
                self._add(ellipse(x * rx, y * ry, 0.07, 0.06), self._light, TORSO)
            return
        self._add(ellipse(0, 0, rx, ry), self._fur, TORSO)
        if coat == "plain":
            self._add(ellipse(0, 0.55 * ry, 0.7 * rx, 0.38 * ry), self._light * 0.9, TORSO)
        elif coat == "stripes":
            for x in np.linspace(-0.75, 0.7, 5) + rng.uniform(-0.06, 0.06):
                half = ry * np.sqrt(1 - x * x)
                line = [[x * rx, -half], [x * rx + 0.03, 0.35 * half]]
                self._add(ribbon(line, [0.075, 0.03]), self._dark, TORSO)
        elif coat == "spots":
            for a, r in zip(rng.uniform(0, 6.28, 7), rng.uniform(0.2, 0.8, 7), strict=True):
                x, y = r * rx * np.cos(a), r * ry * np.sin(a)
                self._add(ellipse(x, y, 0.045, 0.04), self._light, TORSO)

    def _tail(self, rx, ry):
        rng, kind = self._rng, self._kind.tail
        start = np.array([-0.93 * rx, -0.3 * ry])
        up = rng.uniform(-0.5, 0.9)
        if kind == "puff":
            center = start - (0.05, 0.02)
            self._add(ellipse(*center, 0.11, 0.1), self._light, TAIL)
            self.centers[TAIL - 1] = center
            return
        if kind == "bushy":
            line = curve(start, np.pi + up, 0.55 * rng.uniform(0.9, 1.15), rng.uniform(-0.7, 0.7))
            self._add(ribbon(line, [0.07, 0.15, 0.22, 0.2, 0.03]), self._fur * 0.92, TAIL)
            self._add(ribbon(line[-2:], [0.19, 0.03]), self._light, TAIL)
        elif kind == "thin":
            line = curve(start, np.pi + up, 0.55 * rng.uniform(0.9, 1.15), rng.uniform(-1.6, 1.6))
            self._add(ribbon(line, [0.075, 0.07, 0.06, 0.06, 0.055]), self._fur * 0.85, TAIL)
        else:
            line = curve(start, np.pi + up, 0.2, 0.0, 3)
            self._add(ribbon(line, [0.1, 0.1, 0.04]), self._light * 0.95, TAIL)
        self.centers[TAIL - 1] = line.mean(0)

    def _head(self, center, tilt):
        kind, rng = self._kind, self._rng
        rx, ry = np.array(kind.skull) * rng.uniform(0.92, 1.12)
        color = self._dark * 1.2 if kind.coat == "wool" else self._fur * 1.06

        def add(polygon, fill):
            self._add(turned(polygon * _HEAD_SIZE, tilt) + center, fill, HEAD)

        self._top(add, rx, ry, behind=True)
        if kind.muzzle == "trunk":
            line = curve(np.array([0.8 * rx, 0.2 * ry]), 1.0, 0.5, rng.uniform(0.2, 1.2))
            add(ribbon(line, [0.16, 0.12, 0.1, 0.085, 0.08]), color * 0.95)
        elif kind.muzzle == "pointed":
            nose = (rx + 0.2, 0.5 * ry)
            add(np.array([[0.3 * rx, -0.6 * ry], nose, [0.2 * rx, 0.95 * ry]]), color)
            add(np.array([[0.75 * rx, 0.55 * ry], nose, [0.2 * rx, 0.95 * ry]]), self._light)
            add(ellipse(*nose, 0.035, 0.035), self._dark * 0.4)
        elif kind.muzzle == "long":
            add(ellipse(0.85 * rx, 0.4 * ry, 0.15, 0.08, 0.35), color)
            add(ellipse(0.85 * rx + 0.11, 0.4 * ry + 0.05, 0.045, 0.055), self._dark * 0.5)
        add(ellipse(0, 0, rx, ry), color)
        if kind.muzzle == "short":
            add(ellipse(0.72 * rx, 0.35 * ry, 0.09, 0.075), self._light)
            add(ellipse(0.72 * rx + 0.07, 0.35 * ry - 0.02, 0.03, 0.03), self._dark * 0.4)
        self._top(add, rx, ry, behind=False)
        add(ellipse(0.38 * rx, -0.22 * ry, 0.05, 0.05), np.full(3, 240.0))
        add(ellipse(0.42 * rx, -0.22 * ry, 0.03, 0.035), np.full(3, 15.0))
        self.centers[HEAD - 1] = center
        self.has_head = True

    def _top(self, add, rx, ry, behind):
        """Ears, antlers and horns: the far one behind the skull, the near one before it."""
        top, rng = self._kind.top, self._rng
        x = 0.2 * rx if behind else -0.4 * rx
        fur = self._fur * (0.7 if behind else 0.95)
        if top in ("ears", "tall ears"):
            size = (0.15, 0.2) if top == "ears" else (0.16, 0.3)
            ear = turned(_TRIANGLE * size, -0.25) + np.array((x, -0.7 * ry))
            add(ear, fur)
            if not behind:
                add(ear * 0.55 + 0.45 * ear.mean(0), self._dark)
        elif top == "long ears":
            lean = rng.uniform(-0.9, -0.1)
            ear = turned(np.array([[0.0, -0.22]]), lean)[0]
            add(ellipse(x + ear[0], -0.7 * ry + ear[1], 0.07, 0.25, lean), fur)
            if not behind:
                add(ellipse(x + ear[0], -0.7 * ry + ear[1], 0.03, 0.18, lean), self._light)
        elif top == "antlers":
            bone = np.array([205.0, 185.0, 150.0]) * (0.75 if behind else 1)
            line = curve(np.array([x, -0.7 * ry]), -2.1 + rng.uniform(-0.15, 0.15), 0.42, 0.9)
            add(ribbon(line, [0.06, 0.055, 0.05, 0.045, 0.04]), bone)
            for k, a in ((1, -0.9), (2, -2.4), (3, -0.6)):
                add(ribbon(curve(line[k], a, 0.15, 0.0, 2), [0.05, 0.035]), bone)
            if not behind:
                add(ellipse(x - 0.08, -0.5 * ry, 0.09, 0.035, 0.4), fur)
        elif top == "horns" and not behind:
            bone = np.array([200.0, 180.0, 140.0])
            line = curve(np.array([0.1 * rx, -0.8 * ry]), -2.6, 0.72, -4.6, 8)
            add(ribbon(line, [0.1, 0.1, 0.1, 0.09, 0.085, 0.08, 0.06, 0.03]), bone)
            add(ribbon(line[2:5], [0.03, 0.03, 0.03]), bone * 0.6)
        elif top == "fan" and not behind:
            add(ellipse(-0.6 * rx, 0.1 * ry, 0.17, 0.23, rng.uniform(-0.3, 0.3)), fur * 0.72)
            add(ellipse(-0.6 * rx, 0.12 * ry, 0.11, 0.16), fur * 0.85)

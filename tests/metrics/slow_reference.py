"""The measures written a second time, as plain loops from their definitions."""

import math

import numpy as np


def _points(peaks, landmarks, strengths, image_size, f, k):
    """(strength, number, peak, landmark) of the images that contain landmark k."""
    height, width = image_size
    found = []
    for i in range(len(peaks)):
        if any(math.isnan(v) for v in landmarks[i][k]):
            continue
        fires = strengths[i][f] > 0
        peak = tuple(peaks[i][f]) if fires else ((width - 1) / 2, (height - 1) / 2)
        found.append((max(float(strengths[i][f]), 0.0), i, peak, tuple(landmarks[i][k])))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    return found


def instability(peaks, landmarks, strengths, image_size, top):
    """[filters][landmarks]."""
    diagonal = math.hypot(*image_size)
    table = []
    for f in range(len(peaks[0])):
        row = []
        for k in range(len(landmarks[0])):
            chosen = _points(peaks, landmarks, strengths, image_size, f, k)[:top]
            d = [math.dist(p, q) / diagonal for _, _, p, q in chosen]
            if len(d) < 2:
                row.append(math.nan)
                continue
            mean = sum(d) / len(d)
            row.append(math.sqrt(sum((x - mean) ** 2 for x in d) / (len(d) - 1)))
        table.append(row)
    return table


def _squares(points):
    total = 0.0
    for axis in (0, 1):
        values = [p[axis] for p in points]
        if values:
            mean = sum(values) / len(values)
            total += sum((v - mean) ** 2 for v in values)
    return total


def _r2(groups):
    residual = sum(_squares([(q[0] - p[0], q[1] - p[1]) for p, q in group]) for group in groups)
    total = sum(_squares([q for _, q in group]) for group in groups)
    return 1 - residual / total if total > 0 else math.nan


def tracking(peaks, landmarks, strengths, image_size, top, strongest, fewest, head):
    """Three tables [filters][landmarks]: all images, strongest, within facing."""
    heads = sorted(row[head][0] for row in landmarks if not math.isnan(row[head][0]))
    n = len(heads)
    median = (heads[(n - 1) // 2] + heads[n // 2]) / 2
    tables = ([], [], [])
    for f in range(len(peaks[0])):
        rows = ([], [], [])
        for k in range(len(landmarks[0])):
            chosen = _points(peaks, landmarks, strengths, image_size, f, k)[:top]
            pairs = [(p, q) for _, _, p, q in chosen]
            rows[0].append(_r2([pairs]) if len(pairs) > 1 else math.nan)
            firing = [(p, q) for s, _, p, q in chosen if s > 0][:strongest]
            rows[1].append(_r2([firing]) if len(firing) >= fewest else math.nan)
            left, right = [], []
            for _, i, p, q in chosen:
                x = landmarks[i][head][0]
                if not math.isnan(x):
                    (left if x < median else right).append((p, q))
            rows[2].append(_r2([left, right]) if len(left) + len(right) > 1 else math.nan)
        for table, row in zip(tables, rows, strict=True):
            table.append(row)
    return tables


def interpretability(maps, masks, centers, radius, share, iou):
    """[filters][parts]."""
    images, h, w, filters = maps.shape
    parts, height, width = masks.shape[1:]
    table = []
    for f in range(filters):
        values = sorted((max(float(v), 0.0) for v in maps[..., f].ravel()), reverse=True)
        threshold = values[int(share * len(values) + 1e-9)]
        hits, having = [0] * parts, [0] * parts
        for i in range(images):
            region = set()
            for a in range(h):
                for b in range(w):
                    if maps[i, a, b, f] > threshold:
                        cx, cy = centers[a, b]
                        for y in range(height):
                            for x in range(width):
                                if (x - cx) ** 2 + (y - cy) ** 2 <= radius**2:
                                    region.add((y, x))
            for k in range(parts):
                part = {(y, x) for y in range(height) for x in range(width) if masks[i, k, y, x]}
                if part:
                    having[k] += 1
                    hits[k] += len(region & part) / len(region | part) > iou
        table.append([hits[k] / having[k] if having[k] else math.nan for k in range(parts)])
    return table


def diversity(peaks, strengths, image_size):
    total, pairs = 0.0, 0
    for i in range(len(peaks)):
        for f in range(len(peaks[0])):
            for g in range(f):
                if strengths[i][f] > 0 and strengths[i][g] > 0:
                    total += math.dist(peaks[i][f], peaks[i][g])
                    pairs += 1
    return total / pairs / math.hypot(*image_size)


def r2(peaks, landmarks):
    """Plain R2 of answers [images, 2] to points [images, 2]: all images, in pixels."""
    residual, points = np.asarray(landmarks) - peaks, np.asarray(landmarks)
    return 1 - residual.var(axis=0).sum() / points.var(axis=0).sum()


def occlusion_radius(maps_of, images, centers, stride, patch):
    """The radius by occlusion: one image, filter and place of the patch at a time."""
    images = np.asarray(images, "float32")
    height, width = images.shape[1:3]
    rows = list(range(0, height - patch + 1, stride))
    columns = list(range(0, width - patch + 1, stride))
    filters = {}
    for image in images:
        plain = maps_of(image[None])[0]
        covered = {}
        for i, top in enumerate(rows):
            for j, left in enumerate(columns):
                covered[i, j] = image.copy()
                covered[i, j][top : top + patch, left : left + patch] = image.mean(axis=(0, 1))
        maps = dict(zip(covered, maps_of(np.stack(list(covered.values()))), strict=True))
        for f in range(plain.shape[-1]):
            y, x = np.unravel_index(plain[..., f].argmax(), plain.shape[:2])
            if plain[y, x, f] <= 0:
                continue
            row = np.argmin([abs(top + (patch - 1) / 2 - centers[y, x, 1]) for top in rows])
            column = np.argmin([abs(left + (patch - 1) / 2 - centers[y, x, 0]) for left in columns])
            for (i, j), found in maps.items():
                change = abs(found[y, x, f] - plain[y, x, f])
                filters.setdefault(f, {}).setdefault((i - row, j - column), []).append(change)
    radii = []
    for changes in filters.values():
        # Offsets that fewer than half of the images reach say little.
        enough = max(max(map(len, changes.values())) / 2, 1)
        means = [np.mean(c) if len(c) >= enough else 0.0 for c in changes.values()]
        if max(means) > 0:
            cells = sum(m >= max(means) / 2 for m in means)
            radii.append(math.sqrt(cells * stride * stride / math.pi))
    return float(np.median(radii))

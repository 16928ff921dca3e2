"""Round receptive fields as bit masks: unions and overlaps at image resolution, exactly."""

import numpy as np

_BITS = np.array([bin(i).count("1") for i in range(256)], dtype="uint8")
_CHUNK_BYTES = 32 << 20


def popcount(words):
    """Number of set bits over the last axis of a uint64 array."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(words).sum(axis=-1, dtype="int64")
    return _BITS[np.ascontiguousarray(words).view("uint8")].sum(axis=-1, dtype="int64")


def pack(masks):
    """Bool [..., height, width] to uint64 [..., words]; the last word is filled with zeros."""
    masks = np.asarray(masks, dtype=bool)
    bits = np.packbits(masks.reshape(*masks.shape[:-2], -1), axis=-1)
    packed = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // 8) * 8), "uint8")
    packed[..., : bits.shape[-1]] = bits
    return packed.view("uint64")


def disc(centre, radius, image_size):
    """Bool [height, width]: the pixels within `radius` of `centre` (x, y)."""
    height, width = (int(n) for n in image_size)
    y, x = np.ogrid[:height, :width]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def pack_discs(centers, radius, image_size):
    """Packed discs uint64 [n, words] around `centers` [n, 2]."""
    return np.stack([pack(disc(centre, radius, image_size)) for centre in centers])


def unions(packed, units, starts):
    """For every i the union of the packed discs `units[starts[i]:starts[i + 1]]`: [i, words]."""
    starts = np.asarray(starts)
    ends = np.append(starts[1:], len(units))
    result = np.empty((len(starts), packed.shape[1]), "uint64")
    step = max(1, _CHUNK_BYTES // (packed.shape[1] * 8))
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + step, side="right")))
        low = starts[first]
        words = packed[units[low : ends[last - 1]]]
        result[first:last] = np.bitwise_or.reduceat(words, starts[first:last] - low, axis=0)
        first = last
    return result


def overlaps(regions, parts):
    """Pixels that packed `regions` [n, words] and `parts` [p, words] share: [n, p]."""
    shared = np.zeros((len(regions), len(parts)), "int64")
    for k, part in enumerate(parts):
        words = np.flatnonzero(part)
        if len(words):
            inside = slice(words[0], words[-1] + 1)
            shared[:, k] = popcount(regions[:, inside] & part[inside])
    return shared


def iou(regions, parts):
    """Intersection over union of packed `regions` [n, words] and `parts` [p, words]: [n, p]."""
    both = overlaps(regions, parts)
    either = popcount(regions)[:, None] + popcount(parts)[None] - both
    return both / np.maximum(either, 1)

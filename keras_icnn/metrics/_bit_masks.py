"""Round receptive fields as bit masks: unions and overlaps at image resolution, exactly."""

import numpy as np

# In a temporary array: 64 KiB. What the C library maps and gives back each time costs more than
# the sums made of it.
_WORDS = 1 << 13
_BITS = np.array([bin(i).count("1") for i in range(256)], dtype="uint8")


def popcount(words):
    """Number of set bits over the last axis of a uint64 array."""
    if hasattr(np, "bitwise_count"):
        # Sums of narrow integers are the faster ones.
        narrow = "uint16" if 64 * words.shape[-1] < 2**16 else "int64"
        return np.bitwise_count(words).sum(axis=-1, dtype=narrow).astype("int64")
    return _BITS[np.ascontiguousarray(words).view("uint8")].sum(axis=-1, dtype="int64")


def pack(masks):
    """Bool [..., height, width] to uint64 [..., words]; the last word is filled with zeros."""
    masks = np.asarray(masks, dtype=bool)
    bits = np.packbits(masks.reshape(*masks.shape[:-2], -1), axis=-1)
    packed = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // 8) * 8), "uint8")
    packed[..., : bits.shape[-1]] = bits
    return packed.view("uint64")


def disc(center, radius, image_size):
    """Bool [height, width]: the pixels within `radius` of `center` (x, y)."""
    height, width = (int(n) for n in image_size)
    y, x = np.ogrid[:height, :width]
    return (x - center[0]) ** 2 + (y - center[1]) ** 2 <= radius**2


def pack_discs(centers, radius, image_size):
    """Packed discs uint64 [n, words] around `centers` [n, 2]."""
    height, width = (int(n) for n in image_size)
    y, x = np.ogrid[:height, :width]
    square, packed = np.empty((height, width)), []
    for center in centers:
        np.add((x - center[0]) ** 2, (y - center[1]) ** 2, out=square)
        packed.append(pack(square <= radius**2))
    return np.stack(packed)


def unions(packed, units, starts):
    """For every i the union of the packed discs `units[starts[i]:starts[i + 1]]`: [i, words]."""
    starts = np.asarray(starts)
    lengths = np.append(starts[1:], len(units)) - starts
    # Longest first: the unions that have a j-th disc are then the first ones. `reduceat` takes
    # five times as long.
    order = np.argsort(-lengths, kind="stable")
    result = np.empty((len(starts), packed.shape[1]), "uint64")
    step = 1 + _WORDS // packed.shape[1]
    for first in range(0, len(starts), step):
        mine = order[first : first + step]
        found = packed[units[starts[mine]]]
        for j in range(1, lengths[mine[0]]):
            some = starts[mine[lengths[mine] > j]]
            found[: len(some)] |= packed[units[some + j]]
        result[mine] = found
    return result


def overlaps(regions, parts):
    """Pixels that packed `regions` [n, words] and `parts` [p, words] share: [n, p]."""
    shared = np.zeros((len(regions), len(parts)), "int64")
    for k, part in enumerate(parts):
        words = np.flatnonzero(part)
        if len(words):
            inside = slice(words[0], words[-1] + 1)
            step = 1 + _WORDS // (words[-1] + 1 - words[0])
            for first in range(0, len(regions), step):
                some = regions[first : first + step, inside]
                shared[first : first + step, k] = popcount(some & part[inside])
    return shared


def iou(regions, parts):
    """Intersection over union of packed `regions` [n, words] and `parts` [p, words]: [n, p]."""
    both = overlaps(regions, parts)
    either = popcount(regions)[:, None] + popcount(parts)[None] - both
    return both / np.maximum(either, 1)

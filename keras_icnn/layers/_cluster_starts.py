"""Where new filters start from: clusters of a layer's input features, category by category.

What a filter of a new layer can learn in a few epochs depends on where it starts. In one pass over
the training data, `FeatureSample` keeps moments of the features and a bounded sample of places of
each category; `cluster_directions` then whitens them, keeps the most typical places of each image
of the category, and finds their clusters. Plain NumPy. Shapes: `N` images, `P` places,
`D` channels, `C` classes, `K` parts.
"""

from typing import NamedTuple

import numpy as np

# Largest number of features kept: 512 MB of float32.
_CAPACITY = 2**27
_ITERATIONS = 50


class FeatureSample:
    """Moments of all features, and places of some images of each class; memory is bounded.

    Args:
        classes: Number of classes.
        channels: D.
        places: P, places of a map.
        seed: Of the choice of images and places.
    """

    def __init__(self, classes, channels, places, seed):
        self._random = np.random.default_rng(seed)
        self.places = min(places, 64)
        share = _CAPACITY // (classes * channels * self.places)
        self.images = int(np.clip(share, 8, 512))
        self.kept = [[] for _ in range(classes)]
        self.count = np.zeros(classes, "int64")
        self.sums = np.zeros((classes, channels))
        self.other_images = np.zeros(classes, "int64")
        self._total = np.zeros(channels)
        self._products = np.zeros((channels, channels))
        self._features = 0

    def update(self, features, member):
        """Adds a batch.

        Args:
            features: float `[N, P, D]`.
            member: `[N, C]`, 1 for the classes of each image, else 0.

        Raises:
            ValueError: For features that are not finite.
        """
        features = np.asarray(features, "float32")
        sums = features.sum(axis=1, dtype="float64")
        if not np.isfinite(sums).all():
            raise ValueError(
                "The features that `adapt` was given hold NaN or infinite values. Check the "
                "weights of the layers below and the preprocessing."
            )
        flat = features.reshape(-1, features.shape[-1])
        self._total += sums.sum(axis=0)
        self._products += flat.T @ flat
        self._features += len(flat)
        self.sums += np.asarray(member, "float64").T @ (sums / features.shape[1])
        for image, classes in zip(features, member, strict=True):
            for c in np.flatnonzero(classes):
                self._keep(int(c), image)

    def _keep(self, c, image):
        # Reservoir sampling: every image of the class is kept with the same probability.
        self.count[c] += 1
        slot = self.count[c] - 1
        if slot >= self.images:
            slot = self._random.integers(self.count[c])
            if slot >= self.images:
                return
        chosen = self._random.choice(len(image), self.places, replace=False)
        places = image[np.sort(chosen)].copy()
        if slot < len(self.kept[c]):
            self.kept[c][slot] = places
        else:
            self.kept[c].append(places)

    def whitening(self):
        """The features' mean `[D]`, and the lower Cholesky factor of their covariance `[D, D]`."""
        mean = self._total / self._features
        covariance = self._products / self._features - np.outer(mean, mean)
        # A little of the mean variance on the diagonal: channels may be silent or copies.
        ridge = max(np.trace(covariance) / len(mean), np.finfo("float32").tiny) * 1e-3
        return mean, np.linalg.cholesky(covariance + ridge * np.eye(len(mean)))


class Clusters(NamedTuple):
    """Clusters of a category.

    Attributes:
        directions: float64 `[K, D]`: linear filters, each the discriminant of one cluster.
        sizes: int `[K]`, places of the sample in each.
    """

    directions: np.ndarray
    sizes: np.ndarray


def cluster_directions(sample, whitening, c, parts, share, seed):
    """Clusters of the most typical places of a class.

    Typical are the `share` of each image's places that a linear discriminant, the class against
    all other images, gives the highest values. Their whitened features are clustered by spherical
    k-means (Dhillon and Modha 2001) with k-means++ seeds (Arthur and Vassilvitskii 2007).

    Args:
        sample: `FeatureSample`.
        whitening: `sample.whitening()`, the same for all classes.
        c: The class.
        parts: K.
        share: Share of each image's places.
        seed: Of the first centers.

    Returns:
        `Clusters`.
    """
    mean, factor = whitening
    places = np.stack(sample.kept[c]).astype("float64")  # [N, P, D]
    white = np.linalg.solve(factor, (places - mean).reshape(-1, len(mean)).T).T
    white = white.reshape(places.shape)
    others = max(int(sample.count.sum() - sample.count[c]), 0)
    own = sample.sums[c] / sample.count[c]
    if others:
        rest = (sample.sums.sum(axis=0) - sample.sums[c]) / others
        axis = np.linalg.solve(factor, own - rest)
        score = white @ axis
    else:
        # Nothing to tell the class from: all places are as typical.
        score = np.zeros(white.shape[:2])
    n = max(round(share * white.shape[1]), 1)
    best = np.argsort(-score, axis=1, kind="stable")[:, :n]
    typical = np.take_along_axis(white, best[..., None], axis=1).reshape(-1, len(mean))
    centers, sizes = spherical_k_means(typical, parts, np.random.default_rng(seed))
    return Clusters(np.linalg.solve(factor.T, centers.T).T, sizes)


def spherical_k_means(points, k, random):
    """Clusters of directions.

    Args:
        points: float `[N, D]`.
        k: Number of clusters.
        random: NumPy generator.

    Returns:
        (centers `[k, D]` of length 1, sizes int `[k]`).
    """
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(length > 0, length, 1.0)
    centers = _first_centers(points, k, random)
    nearest = None
    for _ in range(_ITERATIONS):
        found = (points @ centers.T).argmax(axis=1)
        if nearest is not None and (found == nearest).all():
            break
        nearest = found
        for j in range(k):
            total = points[nearest == j].sum(axis=0)
            length = np.linalg.norm(total)
            # An empty cluster stays where it is.
            centers[j] = total / length if length > 0 else centers[j]
    return centers, np.bincount(nearest, minlength=k)


def _first_centers(points, k, random):
    centers = [points[random.integers(len(points))]]
    far = np.full(len(points), np.inf)
    for _ in range(k - 1):
        far = np.minimum(far, np.maximum(1.0 - points @ centers[-1], 0.0))
        total = far.sum()
        pick = (
            random.choice(len(points), p=far / total) if total > 0 else random.integers(len(points))
        )
        centers.append(points[pick])
    return np.array(centers)


def start_kernel(kernel, directions, share):
    """A kernel moved towards given directions, each filter's norm kept.

    Args:
        kernel: `[kh, kw, D, F]`.
        directions: `[F, D]`, NaN for filters that stay as they are. Every tap gets the same.
        share: 0: the kernel as it is; 1: the directions alone.

    Returns:
        Array of the kernel's shape.
    """
    norm = _norms(kernel)
    towards = np.broadcast_to(directions.T, kernel.shape)
    towards = towards * norm / _norms(towards)
    mixed = (1 - share) * kernel + share * towards
    mixed = mixed * norm / _norms(mixed)
    return np.where(np.isfinite(directions).all(axis=1), mixed, kernel)


def _norms(kernel):
    """The norm of each filter, 1 where it is 0: `[F]`."""
    norms = np.sqrt(np.square(kernel).sum(axis=(0, 1, 2)))
    return np.where(norms == 0, 1.0, norms)

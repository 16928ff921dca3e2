"""Outputs of frozen layers, computed once and kept on disk."""

import hashlib
import json
from pathlib import Path

import numpy as np

from keras_icnn import __version__
from keras_icnn._files.whole_file import file_name, replacing


class Features:
    """Features of the images of a recipe below its cut, for all networks that share the cut.

    Args:
        folder: Where the cached files go.
        data: `[data]` of the recipe.
        verbose: Whether to show progress.
    """

    def __init__(self, folder, data, *, verbose=True):
        self._folder = folder
        self._data = f"{data.reader} {data.path} {data.arguments}"
        self._verbose = verbose

    def of(self, frozen, dataset):
        """Outputs of the frozen layers, in the order of the images: float32.

        They are computed class by class, so that all tasks on the same images share them.

        Args:
            frozen: Keras model of the layers below the cut.
            dataset: `PartDataset`.
        """
        key = f"{network_digest(frozen)} {__version__} {self._data}"
        cache = FeatureCache(self._folder, frozen, key, verbose=self._verbose)
        features = None
        for label, name in enumerate(dataset.class_names):
            rows = np.flatnonzero(dataset.labels == label)
            if not len(rows):
                continue
            part = cache.get(dataset.subset(rows), name)
            if features is None:
                features = np.empty((len(dataset), *part.shape[1:]), "float32")
            features[rows] = part
        return features


def network_digest(model):
    """sha256 of what a network's outputs depend on; twins differ in the names of layers alone."""
    places = {op.name: f"#{i}" for i, op in enumerate(model.operations)}

    def nameless(value):
        if isinstance(value, dict):
            return {key: nameless(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [nameless(item) for item in value]
        return places.get(value, value) if isinstance(value, str) else value

    config = nameless({**model.get_config(), "name": None})
    digest = hashlib.sha256(json.dumps(config, default=str).encode())
    for value in model.get_weights():
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


class FeatureCache:
    """Feature maps of data sets, one `.npy` file a data set, as float16 where that holds them.

    Args:
        folder: Where the files go.
        model: Frozen network, images float32 `[batch, h, w, 3]` to maps.
        key: String that says what the features depend on besides the images.
        batch_size: Images a forward pass.
        verbose: Whether to show progress.
    """

    def __init__(self, folder, model, key, *, batch_size=32, verbose=True):
        self._folder = Path(folder)
        self._model = model
        self._key = key
        self._batch_size = batch_size
        self._verbose = verbose

    def get(self, dataset, name):
        """Features of a `PartDataset`, in its order: a read-only array on disk."""
        path = self._path(dataset, name)
        features = self._read(path, len(dataset))
        if features is None:
            self._write(dataset, path, name)
            features = self._read(path, len(dataset))
        return features

    @staticmethod
    def _read(path, images):
        """The features, or None where the file is missing or damaged: it is then made anew."""
        try:
            features = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception:  # A broken file fails in as many ways as it can be broken.
            return None
        whole = isinstance(features, np.ndarray) and features.dtype in ("float16", "float32")
        return features if whole and features.ndim > 1 and len(features) == images else None

    def _path(self, dataset, name):
        digest = hashlib.sha256(self._key.encode())
        for file in dataset.files:
            digest.update(file.encode() + b"\0")
        return self._folder / f"{file_name(name)}-{digest.hexdigest()[:16]}.npy"

    def _write(self, dataset, path, name):
        from tqdm import tqdm

        self._folder.mkdir(parents=True, exist_ok=True)
        batches = dataset.batches(self._batch_size)
        parts = []
        for i in tqdm(
            range(len(batches)),
            desc=f"features of {name}",
            disable=None if self._verbose else True,
            leave=False,
        ):
            parts.append(np.asarray(self._predict(batches[i][0]), "float32"))
        features = np.concatenate(parts)
        if np.abs(features).max(initial=0.0) < np.finfo("float16").max:
            features = features.astype("float16")
        with replacing(path) as temporary:
            np.save(temporary, features, allow_pickle=False)

    def _predict(self, images):
        # Batches of one size: a new size would be compiled anew.
        missing = self._batch_size - len(images)
        if missing:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        return self._model.predict_on_batch(images)[: self._batch_size - missing]

"""Downloads that keras.applications does not do."""

import contextlib
import os
import re

import keras


@contextlib.contextmanager
def named(network):
    """Around what keras.applications fetches: tells which file is missing, and who takes it.

    Args:
        network: The network's name.

    Raises:
        ValueError: When the file cannot be downloaded.
    """
    try:
        yield
    except Exception as error:  # Keras raises bare exceptions when a download fails.
        url = re.search(r"https?://\S+", str(error))
        if url is None:
            raise
        raise ValueError(
            f"The ImageNet weights of {network!r} cannot be downloaded. Fetch "
            f"{url.group().rstrip(':,.')} by other means and pass its path as `weights` "
            "(`--weights`), or pass `weights=None`. "
            f"Received: {type(error).__name__}: {error}"
        ) from error


def fetch(source, read):
    """Downloads a weights file into Keras's cache, checks it and reads it.

    A file that does not pass is removed: a broken download leaves nothing behind.

    Args:
        source: `Source` of the manifest.
        read: Function that reads the file at a path, and raises `ValueError` when it is broken.

    Returns:
        What `read` returns.

    Raises:
        ValueError: When the file cannot be downloaded, has another hash, or is broken.
    """
    file = os.path.basename(source.url)
    advice = (
        f"Fetch {source.url} by other means and pass its path as `weights`, or pass `weights=None`."
    )
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = os.path.join(home, "models", file)
    try:
        path = keras.utils.get_file(
            file,
            source.url,
            cache_dir=home,
            cache_subdir="models",
            file_hash=source.sha256,
            hash_algorithm="sha256",
        )
    except ValueError as error:  # The hash differs.
        _remove(path)
        raise ValueError(
            f"The download of {file!r} has another sha256 than the manifest: it is truncated or "
            f"has been changed. Try again. {advice} Expected: sha256={source.sha256}"
        ) from error
    except Exception as error:  # Keras raises bare exceptions when a download fails.
        _remove(path)
        raise ValueError(
            f"{file!r} cannot be downloaded. {advice} Received: {type(error).__name__}: {error}"
        ) from error
    try:
        return read(path)
    except ValueError as error:
        _remove(path)
        raise ValueError(
            f"The download of {file!r} is broken and has been removed from the cache. Try again. "
            f"{advice} Received: {error}"
        ) from error


def _remove(path):
    if os.path.exists(path):
        os.remove(path)

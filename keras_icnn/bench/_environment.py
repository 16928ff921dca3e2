"""What figures depend on besides the setting: backend, versions, kind of machine."""

import importlib.metadata as metadata
import os
import platform


def environment():
    """What the figures depend on besides the setting: backend, versions, kind of machine."""
    import keras

    import keras_icnn

    backend = keras.backend.backend()
    return {
        "backend": backend,
        "backend_version": metadata.version(backend),
        "keras": keras.__version__,
        "keras_icnn": keras_icnn.__version__,
        "python": platform.python_version(),
        "machine": _machine(backend),
    }


def _machine(backend):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kind = f"{cores} core{'s' if cores != 1 else ''}, {platform.machine()}"
    device = None
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        if devices:
            device = tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU")
    elif backend == "jax":
        import jax

        if jax.default_backend() != "cpu":
            device = jax.devices()[0].device_kind
    else:
        import torch

        if torch.cuda.is_available():
            device = torch.cuda.get_device_name()
    return f"{kind}, {device}" if device else kind

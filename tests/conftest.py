"""Settings of all tests: quiet backends with two logical devices."""

import atexit
import collections
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Read by JAX when it is imported, by nothing else.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")

# What tests of several folders import.
sys.path.insert(0, str(Path(__file__).parent / "helpers"))

import keras
import pytest

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # Has to happen before TensorFlow touches a device.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
elif keras.backend.backend() == "jax":
    import jax

    # Most of the time goes into compiling the same again: every model's `fit` is a new program to
    # JAX, and so is everything in a process that a test starts. Each process of pytest has a folder
    # of its own, since JAX writes its entries in place.
    compiled = tempfile.mkdtemp(prefix="compiled")
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    for setting, value in (
        ("jax_compilation_cache_dir", compiled),
        ("jax_persistent_cache_min_compile_time_secs", 0),
        ("jax_persistent_cache_min_entry_size_bytes", -1),
        # A quarter less time than with them.
        ("jax_disable_most_optimizations", True),
    ):
        jax.config.update(setting, value)
        os.environ[setting.upper()] = str(value)  # of the processes that tests start
    if jax.__version_info__ >= (0, 10):
        # The older code generator of XLA, which compiles small programs in two thirds of the time.
        # It is read when JAX first computes; a version that no longer knows it says so and ends.
        os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"


def pytest_collection_finish():
    """Collects garbage seldom, and nothing of the imports: a seventh less time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(tryfirst=True)  # Before fixtures of a whole module.
def pytest_runtest_setup(item):
    """Tests of a few steps run them as they are written: making a graph would take longer."""
    if keras.backend.backend() == "tensorflow":
        graphs = "KERAS_ICNN_GRAPHS" in os.environ or not item.get_closest_marker("few_steps")
        tf.config.run_functions_eagerly(not graphs)


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state and leaves no policy behind."""
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.hookimpl(trylast=True)  # After `-m` has chosen.
def pytest_collection_modifyitems(items):
    """Long files first, so that no worker is left alone with one; skips what needs TensorFlow."""
    long = collections.Counter()
    for item in items:
        long[item.path] += bool(item.get_closest_marker("medium"))
        long[item.path] += 10 * bool(item.get_closest_marker("slow"))
        if item.get_closest_marker("few_steps"):
            # Data sets are graphs all the same, and TensorFlow says so.
            item.add_marker(pytest.mark.filterwarnings("ignore:Even though the `tf.config"))
    items.sort(key=lambda item: -long[item.path])
    if keras.backend.backend() == "tensorflow":
        return
    for item in items:
        for mark in item.iter_markers("tensorflow_only"):
            item.add_marker(pytest.mark.skip(reason=f"TensorFlow only: {mark.args[0]}"))

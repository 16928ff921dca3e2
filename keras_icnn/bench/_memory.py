"""Peak memory of one step, each in a process of its own.

The peak is how far the resident memory of warm steps rises above what it was before the weights
and the batch were made. A tiny case of the same kind has run by then, so that imports and most of
what compilers keep are left out; what they use while they compile is given back to the system, and
the mark of the highest resident memory reset, before the steps that count. Backends pool memory, so
it does not show to look at single steps. Where the system cannot tell, nothing is measured.
"""

import ctypes
import dataclasses
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

from keras_icnn.bench._settings import LayerSetting, NetworkSetting

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_PROCESS = "import sys; from keras_icnn.bench import _memory; _memory.print_peak(sys.argv[1])"


def supported():
    """Whether this system can tell (Linux with glibc)."""
    return _STATUS.exists() and _CLEAR.exists() and hasattr(ctypes.CDLL(None), "malloc_trim")


def _status(name):
    """A figure of this process in bytes: `VmRSS`, resident now, or `VmHWM`, the highest."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"The system does not tell {name}.")


def _settle():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    # Unlike `ru_maxrss`, which a child inherits from its parent, this mark can be reset.
    _CLEAR.write_text("5", encoding="ascii")


def peak_of(build, repeats=3):
    """Peak bytes of the warm steps of what `build` returns, its data included.

    Args:
        build: Function without arguments that returns a step, a function without arguments.
        repeats: How many steps are observed.
    """
    _settle()
    before = _status("VmRSS")
    step = build()
    for _ in range(2):
        step()
    _settle()
    for _ in range(repeats):
        step()
    return _status("VmHWM") - before


def measure(kind, rule, setting, mode, phase="train"):
    """Peak bytes of one step, measured in a fresh process; None where it cannot be measured.

    Args:
        kind: `"layer"` or `"network"`.
        rule, setting, mode: As `_cases` takes them.
        phase: `"train"` or `"inference"`.
    """
    if not supported():
        return None
    import keras

    task = {
        "kind": kind,
        "rule": rule,
        "setting": dataclasses.asdict(setting),
        "mode": mode,
        "phase": phase,
    }
    environment = {
        **os.environ,
        "KERAS_BACKEND": keras.backend.backend(),
        # Else the C library moves this as arrays are freed, and the same case varies by a fifth.
        "MALLOC_MMAP_THRESHOLD_": str(128 * 1024),
    }
    result = subprocess.run(
        [sys.executable, "-c", _PROCESS, json.dumps(task)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(
            f"The process that measures the memory of rule '{rule}' failed with exit code "
            f"{result.returncode}. Leave memory out with `--no-memory`. Its last words:\n"
            f"{result.stderr[-2000:]}"
        )
    return json.loads(result.stdout.splitlines()[-1])["peak"]


def print_peak(task):
    """What the process of `measure` does, with a task as JSON."""
    from keras_icnn.bench import _cases as cases

    task = json.loads(task)
    index = int(task["phase"] != "train")
    rule, mode = task["rule"], task["mode"]
    tiny = LayerSetting(size=7, filters=8, batch=2)
    peak_of(lambda: cases.layer_steps(rule, tiny, mode)[index])
    if task["kind"] == "layer":
        setting, steps = LayerSetting(**task["setting"]), cases.layer_steps
    else:
        setting, steps = NetworkSetting(**task["setting"]), cases.network_steps
    print(json.dumps({"peak": peak_of(lambda: steps(rule, setting, mode)[index])}))

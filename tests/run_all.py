"""Runs the checks: style, spelling, import order, types, the tests on TensorFlow, the core on JAX
and PyTorch, the notebooks, the documentation.

What runs on TensorFlow only is marked `tensorflow_only`, and skipped elsewhere by that reason.

Tests print in the order they run; the last line says how many passed and failed over all runs.
`--fast` leaves out the tests marked medium, the other backends, the notebooks and the
documentation. `--slow` adds the tests marked slow: every network of the zoo, environments of their
own, several processes, the demo in full, every example of the pages. Smaller ones of their kind
always run. It also runs as graphs of TensorFlow what is marked few_steps.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# What calls the backend in a way of its own; the rest is NumPy, files and pages, or calls these.
ON_EVERY_BACKEND = (
    "tests/layers",
    "tests/models/test_adapt_parts.py",
    "tests/models/test_classifier_start.py",
    "tests/models/test_interpretable_model.py",
    "tests/models/test_processes.py",
    "tests/models/test_reading_changes_nothing.py",
    "tests/models/test_views.py",
    "tests/callbacks/test_backup.py",
    "tests/datasets/test_batches.py",
    "tests/zoo/test_lrn.py",
    "tests/zoo/test_grouped_conv.py",
    "tests/test_public_names.py",
)


def run(title, command, **environment):
    """Runs a command from the project's root; returns its exit code and its output."""
    print(f"\n== {title}: {' '.join(map(str, command))}", flush=True)
    started = time.monotonic()
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    code = process.wait()
    print(f"== {title}: exit code {code} after {time.monotonic() - started:.0f} s", flush=True)
    return code, "".join(lines)


def counts(output):
    """Passed, failed (with errors) and skipped tests of pytest's closing line."""
    found = {"passed": 0, "failed": 0, "error": 0, "skipped": 0}
    # Libraries may print after it, at exit.
    closing = [line for line in output.splitlines() if re.search(r"\d+ \w+.* in \d.*s\b", line)]
    for number, word in re.findall(
        r"(\d+) (passed|failed|error|skipped)", closing[-1] if closing else ""
    ):
        found[word] = int(number)
    return found["passed"], found["failed"] + found["error"], found["skipped"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--fast", action="store_true", help="quick tests, TensorFlow only")
    which.add_argument("--slow", action="store_true", help="the slow tests, too")
    given = parser.parse_args()
    fast = given.fast
    marked = "not slow and not medium" if fast else "" if given.slow else "not slow"
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # Two processes on two cores, one thread each: threads of both would fight for the cores.
    parallel = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    threads = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    graphs = {"KERAS_ICNN_GRAPHS": "1"} if given.slow else {}
    steps = [
        ("style", [BIN / "ruff", "check", "."], {}),
        ("format", [BIN / "ruff", "format", "--check", "."], {}),
        ("spelling", [BIN / "codespell"], {}),
        ("import order", [BIN / "lint-imports", "--no-logo"], {}),
        (
            # A folder of its own, so that pyright takes the package for an installed one, as users'
            # projects do.
            "types",
            [BIN / "pyright", "--project", "tests/types", "--pythonpath", sys.executable],
            {"PYTHONPATH": str(ROOT)},
        ),
        (
            "tests on TensorFlow",
            [*pytest, *parallel, *(["-m", marked] if marked else [])],
            {"KERAS_BACKEND": "tensorflow", **threads, **graphs},
        ),
    ]
    if not fast:
        steps += [
            *(
                (
                    f"tests on {name}",
                    [*pytest, *parallel, "-m", "not slow", *ON_EVERY_BACKEND],
                    {"KERAS_BACKEND": backend, **threads},
                )
                for name, backend in (("JAX", "jax"), ("PyTorch", "torch"))
            ),
            (
                "notebooks",
                [*pytest, *parallel, "--nbmake", "--nbmake-timeout=900", "notebooks"],
                {"KERAS_ICNN_SMALL": "1", "KERAS_BACKEND": "tensorflow", **threads},
            ),
            (
                "documentation",
                [BIN / "mkdocs", "build", "--strict", "--quiet"],
                # What the theme's authors say of another program's next version.
                {"NO_MKDOCS_2_WARNING": "1"},
            ),
        ]
    failures, total = [], [0, 0, 0]
    for title, command, environment in steps:
        code, output = run(title, command, **environment)
        if code:
            failures.append(title)
        if "pytest" in command:
            total = [a + b for a, b in zip(total, counts(output), strict=True)]
    if failures:
        print(f"\nFailed: {', '.join(failures)}")
    print(f"\ntests: {total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

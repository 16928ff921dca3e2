"""What the interpretable layer adds to a training step, in milliseconds of processor time.

    KERAS_BACKEND=tensorflow python benchmarks/layer_overhead.py

The benchmark (`keras-icnn bench`) divides two steps of which the convolution takes nineteen
twentieths, and a convolution's time moves by some percent from call to call. What the layer adds
does not depend on the convolution. So here the maps have the same size, but a 1 x 1 convolution of
four channels makes them, and the difference to the plain twin is measured; beside it the step of
the plain twin with its real convolution, which the difference is a share of. One thread on one
core; medians of steps taken in turns.
"""

import argparse
import os
import time


def one_thread():
    """Keeps this process to one core and one thread; before a backend is imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ["XLA_FLAGS"] = (
        "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 "
        + os.environ.get("XLA_FLAGS", "")
    )
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def medians(steps, rounds):
    """Median processor time of each step, in ms; the order of the steps turns every round."""
    import numpy as np

    seconds = {name: [] for name in steps}
    for number in range(rounds):
        for name in list(steps)[:: 1 if number % 2 else -1]:
            start = time.process_time()
            steps[name]()
            seconds[name].append(time.process_time() - start)
    return {name: 1e3 * float(np.median(values)) for name, values in seconds.items()}


def warm(step, times=3):
    """The step, compiled and run a few times."""
    for _ in range(times):
        step()
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=14, help="side of the maps")
    parser.add_argument("--filters", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rules", nargs="+", default=["default", "mask", "paper"])
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    one_thread()

    import keras

    from keras_icnn.bench._cases import layer_steps
    from keras_icnn.bench._settings import MODES, PLAIN, LayerSetting

    mode = MODES[keras.backend.backend()][0]
    size = {"size": args.size, "filters": args.filters, "batch": args.batch}
    light = LayerSetting(**size, channels=4, kernel_size=1)
    steps = {name: warm(layer_steps(name, light, mode)[0]) for name in (PLAIN, *args.rules)}
    found = medians(steps, args.rounds)
    real = {PLAIN: warm(layer_steps(PLAIN, LayerSetting(**size), mode)[0])}
    plain = medians(real, max(args.rounds // 4, 1))[PLAIN]
    print(f"{keras.backend.backend()}, {mode}: the plain layer's step takes {plain:.0f} ms")
    for name in args.rules:
        extra = found[name] - found[PLAIN]
        print(f"{name}: {extra:.1f} ms more, {1 + extra / plain:.3f} of the plain step")


if __name__ == "__main__":
    main()

"""Where the time of a training step goes, and, on TensorFlow, which arrays are alive at its peak.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/profile_step.py
    KERAS_BACKEND=jax taskset -c 0 python benchmarks/profile_step.py
    KERAS_BACKEND=tensorflow python benchmarks/profile_step.py

The layer is that of `keras-icnn bench`, beside its plain twin. Of each operation's times the least
of all rounds counts: what else the machine does can only add. One core, so that no time is spent
waiting for the other. An event can hold others (a convolution's on JAX), so sums say nothing.
"""

import argparse
import collections
import glob
import tempfile

import keras

from keras_icnn.bench import MODES, LayerSetting
from keras_icnn.bench import _cases as cases

_MIB = 2**20


def torch_times(step):
    """Milliseconds of each operation, `(name, how many before it in the step)`."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    seen, times = collections.Counter(), {}
    for event in sorted(profile.events(), key=lambda e: e.time_range.start):
        times[event.name, seen[event.name]] = event.self_cpu_time_total / 1e3
        seen[event.name] += 1
    return times


def jax_times(step):
    """Milliseconds of each fused kernel; XLA's dump of the optimized program tells what it does."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            step()
        (path,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        profile = jax.profiler.ProfileData.from_file(path)
    times = collections.Counter()
    for plane in profile.planes:
        for line in plane.lines:
            for event in line.events:
                if "fusion" in event.name and not event.name.startswith("end:"):
                    times[event.name, 0] += event.duration_ns / 1e6
    return times


def print_times(measure, rules, rounds, top):
    steps = {name: cases.layer_steps(name, LayerSetting(), mode())[0] for name in rules}
    least = {name: {} for name in steps}
    for _ in range(rounds + 1):  # the first compiles
        for name, step in steps.items():
            step()
            for key, ms in measure(step).items():
                least[name][key] = min(ms, least[name].get(key, ms))
    for name, times in least.items():
        sums = collections.Counter()
        for (operation, _), ms in times.items():
            sums[operation] += ms
        print(f"{name}: milliseconds of each operation")
        for operation, ms in sums.most_common(top):
            print(f"{ms:9.2f}  {operation}")


def memory_events(run):
    """`(bytes, address, operation)` of what TensorFlow's allocator gave and, bytes None, took."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, options)
        run()
        tf.profiler.experimental.stop()
        (path,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        space = xplane_pb2.XSpace()
        with open(path, "rb") as file:
            space.ParseFromString(file.read())
    events = []
    for plane in space.planes:
        names = plane.stat_metadata
        for line in plane.lines:
            for event in line.events:
                kind = plane.event_metadata[event.metadata_id].name
                if kind not in ("MemoryAllocation", "MemoryDeallocation"):
                    continue
                found = {names[s.metadata_id].name: s for s in event.stats}
                size = found["requested_bytes"].int64_value
                operation = "data"
                if "tf_op" in found:
                    operation = found["tf_op"].str_value or names[found["tf_op"].ref_value].name
                time = line.timestamp_ns * 1000 + event.offset_ps
                given = size if kind == "MemoryAllocation" else None
                address = found["addr"]
                address = address.int64_value or address.uint64_value
                events.append((time, given, address, operation))
    return [event[1:] for event in sorted(events, key=lambda e: e[0])]


def print_memory(rule):
    def run():
        step = cases.layer_steps(rule, LayerSetting(), mode())[0]
        for _ in range(4):
            step()

    alive, most, at_peak = {}, 0, {}
    for size, address, operation in memory_events(run):
        if size is None:
            alive.pop(address, None)
            continue
        alive[address] = size, operation
        now = sum(size for size, _ in alive.values())
        if now > most:
            most, at_peak = now, dict(alive)
    print(f"{rule}: {most / _MIB:.1f} MiB at the peak")
    for size, operation in sorted(at_peak.values(), reverse=True):
        if size > _MIB / 4:
            print(f"{size / _MIB:9.2f}  {operation}")


def mode():
    return MODES[keras.backend.backend()][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", nargs="+", default=["plain", "default", "mask"])
    parser.add_argument("--rounds", type=int, default=5, help="profiles of each rule's step")
    parser.add_argument("--top", type=int, default=25, help="operations to print")
    args = parser.parse_args()
    if keras.backend.backend() == "tensorflow":
        for rule in args.rules:
            print_memory(rule)
    else:
        measure = {"torch": torch_times, "jax": jax_times}[keras.backend.backend()]
        print_times(measure, args.rules, args.rounds, args.top)


if __name__ == "__main__":
    main()

"""Starts the processes of a distributed training, and starts all of them again when one dies.

Two processes on this machine:

    python launch.py --processes 2 --restarts 3 -- python train_jax.py --out run

One process on each of two machines, each command on its own machine:

    python launch.py --addresses 10.0.0.1:2222,10.0.0.2:2222 --index 0 -- python train_jax.py ...
    python launch.py --addresses 10.0.0.1:2222,10.0.0.2:2222 --index 1 -- python train_jax.py ...

Each process finds out who it is in the variables that Keras (`KERAS_DISTRIBUTION_...`, for JAX) and
TensorFlow (`TF_CONFIG`) read. Processes that train in step cannot go on without one of them: when
one ends with an error or is killed, the others are ended, too, and all begin again, from what the
training saved. Those on other machines notice by themselves, and their own launcher sees to them.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time

# How long a process that was asked to end may take.
GRACE = 10.0


def free_addresses(count):
    """Addresses of free ports on this machine."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def environment(addresses, index):
    """What tells a process where the others are, and which of them it is."""
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return os.environ | {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(addresses),
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(addresses)),
        "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        "TF_CONFIG": json.dumps(cluster),
    }


def run(command, addresses, indices):
    """Runs the processes until all have ended, or one has failed; returns an exit code."""
    processes = {}
    try:
        for index in indices:
            processes[index] = subprocess.Popen(command, env=environment(addresses, index))
            print(f"launch: process {index} has pid {processes[index].pid}", flush=True)
        while True:
            codes = {index: process.poll() for index, process in processes.items()}
            failed = {index: code for index, code in codes.items() if code}
            for index, code in failed.items():
                print(f"launch: process {index} ended with code {code}", flush=True)
            if failed or all(code == 0 for code in codes.values()):
                return next(iter(failed.values()), 0)
            time.sleep(0.1)
    finally:
        end(processes.values())


def end(processes):
    """Ends what still runs; one that waits for a dead one does not always listen."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--processes", type=int, help="number of processes, all on this machine")
    where.add_argument("--addresses", help="host:port of every process, the same on all machines")
    parser.add_argument("--index", type=int, help="with --addresses: the process to start here")
    parser.add_argument("--restarts", type=int, default=3, help="how often to begin again")
    parser.add_argument("command", nargs="+", help="after --, what each process runs")
    args = parser.parse_args()
    if args.processes is not None and args.processes < 1:
        parser.error(f"--processes must be at least 1. Received: {args.processes}")
    given = args.addresses.split(",") if args.addresses else None
    if given and not 0 <= (-1 if args.index is None else args.index) < len(given):
        parser.error(f"--index must be in 0 .. {len(given) - 1}. Received: {args.index}")

    for attempt in range(args.restarts + 1):
        if attempt:
            print(f"launch: all begin again, {attempt} of {args.restarts}", flush=True)
        addresses = given or free_addresses(args.processes)
        indices = [args.index] if given else range(args.processes)
        code = run(args.command, addresses, indices)
        if code == 0:
            break
    # A process that was killed has a negative code.
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

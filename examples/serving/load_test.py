"""A bounded load test of a server with the V2 inference protocol, with tritonclient.

    python load_test.py images.npy expected.npz --url 127.0.0.1:8081 --requests 200 --clients 4

`images.npy` holds images as the network takes them; `expected.npz` its outputs for them, by name.
Every answer is compared with what is expected. Prints one line of JSON and exits with 1 when a
request was lost (no answer, or an error) or answered wrongly.
"""

import argparse
import json
import queue
import sys
import threading
import time

import numpy as np


def client(url, protocol):
    """A tritonclient and its module, for gRPC or HTTP."""
    if protocol == "grpc":
        import tritonclient.grpc as module

        return module.InferenceServerClient(url), module
    import tritonclient.http as module

    return module.InferenceServerClient(url, network_timeout=60.0), module


def ask(connection, module, model, images, names):
    """One request; a dict of arrays."""
    kinds = {"float32": "FP32", "uint8": "UINT8"}
    given = module.InferInput("images", list(images.shape), kinds[images.dtype.name])
    if module.__name__.endswith("http"):
        # MLServer's HTTP side takes JSON, not the binary extension.
        given.set_data_from_numpy(images, binary_data=False)
        outputs = [module.InferRequestedOutput(name, binary_data=False) for name in names]
        answer = connection.infer(model, [given], outputs=outputs)
    else:
        given.set_data_from_numpy(images)
        outputs = [module.InferRequestedOutput(name) for name in names]
        answer = connection.infer(model, [given], outputs=outputs, client_timeout=60.0)
    return {name: answer.as_numpy(name) for name in names}


def right(answer, expected, rows, tolerance):
    """Whether an answer is what the network gives for these rows."""
    for name, value in expected.items():
        wanted, got = value[rows], answer[name]
        if got is None or got.shape != wanted.shape:
            return False
        scale = max(float(np.abs(value).max()), 1e-6)
        if not np.abs(got - wanted.astype("float64")).max() <= tolerance * scale:
            return False
    return True


def work(args, images, expected, jobs, results):
    """One client: takes jobs until there are none."""
    connection, module = client(args.url, args.protocol)
    while True:
        try:
            seed = jobs.get_nowait()
        except queue.Empty:
            return
        rows = np.random.default_rng(seed).integers(len(images), size=args.batch)
        started = time.perf_counter()
        try:
            answer = ask(connection, module, args.model, images[rows], list(expected))
            fate = "right" if right(answer, expected, rows, args.tolerance) else "wrong"
        except Exception as error:
            fate = f"lost: {type(error).__name__}: {error}"
        results.append((fate, time.perf_counter() - started))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images")
    parser.add_argument("expected")
    parser.add_argument("--url", default="127.0.0.1:8081")
    parser.add_argument("--protocol", choices=["grpc", "http"], default="grpc")
    parser.add_argument("--model", default="parts")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1, help="images a request")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    images = np.load(args.images)
    with np.load(args.expected) as stored:
        expected = dict(stored)
    jobs, results = queue.SimpleQueue(), []
    for seed in range(args.requests):
        jobs.put(seed)
    threads = [
        threading.Thread(target=work, args=(args, images, expected, jobs, results))
        for _ in range(args.clients)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    fates = [fate for fate, _ in results]
    took = np.array([spent for _, spent in results]) * 1000
    report = {
        "protocol": args.protocol,
        "requests": args.requests,
        "clients": args.clients,
        "images_a_request": args.batch,
        "right": fates.count("right"),
        "wrong": fates.count("wrong"),
        "lost": args.requests - fates.count("right") - fates.count("wrong"),
        "images_a_second": round(fates.count("right") * args.batch / seconds, 1),
        "latency_ms": {
            name: round(float(np.percentile(took, share)), 1)
            for name, share in (("median", 50), ("p95", 95), ("p99", 99), ("max", 100))
        },
        "errors": sorted({fate for fate in fates if fate.startswith("lost")})[:5],
    }
    print(json.dumps(report))
    return 0 if report["right"] == args.requests else 1


if __name__ == "__main__":
    sys.exit(main())

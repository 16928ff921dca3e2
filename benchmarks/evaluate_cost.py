"""What `metrics.evaluate` costs beside one `predict` over the same images, on generated pictures.

    python benchmarks/evaluate_cost.py --network squeezenet_interpretable --images 500 --rounds 5

In every round both are run in turns on warm networks; printed are the ratios of wall-clock and
of processor time, and their medians. The receptive field's radius is given, as it is for an
interpretable network measured beside its ordinary twin; measuring it by occlusion costs some
4,000 forward passes whatever the number of images.
"""

import argparse
import statistics
import time

import keras
import numpy as np

from keras_icnn import datasets, metrics, zoo

_SIZE = (224, 224)
_CATEGORIES = 6


def pictures(n):
    """Noise in memory, with two boxes as parts: reading files and masks would cost either side."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, *_SIZE, 3), "uint8")
    corners = rng.integers(0, 150, (n, 2, 2))
    y, x = np.arange(224)[:, None], np.arange(224)

    def parts(i):
        left, top = corners[i, :, 0, None, None], corners[i, :, 1, None, None]
        return (x >= left) & (x < left + 70) & (y >= top) & (y < top + 70)

    return datasets.PartDataset(
        image=images.__getitem__,
        parts=parts,
        labels=1 + np.arange(n) % _CATEGORIES,
        landmarks=corners + 35.0,
        files=[str(i) for i in range(n)],
        class_names=["background", *(f"category {c}" for c in range(_CATEGORIES))],
        landmark_names=["head", "legs"],
        part_names=["head", "legs"],
        image_size=_SIZE,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="squeezenet_interpretable")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    data = pictures(args.images)
    model = zoo.create_model(
        args.network,
        weights=None,
        input_shape=(*_SIZE, 3),
        classes=len(data.class_names),
        include_preprocessing=True,
    )
    layer = metrics.measured_layer(model)
    reader = metrics.MapReader(model, layer, args.batch_size)
    field = metrics.receptive_field(model, layer)

    def predict():
        model.predict(data.batches(args.batch_size), verbose=0)

    def evaluate():
        metrics.evaluate(
            model,
            data,
            batch_size=args.batch_size,
            radius=40.0,
            reader=reader,
            receptive_field=field,
        )

    predict()
    evaluate()
    rows = []
    print(f"{args.network}, layer {layer.name} {layer.output.shape[1:]}, {len(data)} images")
    for _ in range(args.rounds):
        (wall, cpu), (wall_all, cpu_all) = _timed(predict), _timed(evaluate)
        rows.append((wall_all / wall, cpu_all / cpu))
        print(
            f"wall {wall_all:.2f} / {wall:.2f} s = {rows[-1][0]:.3f}, "
            f"cpu {cpu_all:.2f} / {cpu:.2f} s = {rows[-1][1]:.3f}",
            flush=True,
        )
    for name, values in zip(("wall", "cpu"), zip(*rows, strict=True), strict=True):
        print(f"median {name} {statistics.median(values):.3f}")


def _timed(function):
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()

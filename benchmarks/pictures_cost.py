"""What pictures during `fit` cost: epochs with `PartPictures` beside the same epochs without.

    python benchmarks/pictures_cost.py --epochs 8 --rounds 3

In every round both are run in turns on the same network; printed are the ratios of wall-clock and
of processor time over all epochs; pictures before and after training are left out.
"""

import argparse
import statistics
import tempfile
import time

import keras
import numpy as np

import keras_icnn as icnn


class _Clock(keras.callbacks.Callback):
    """From the beginning of the first epoch to the end of the last."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self._began = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.wall = time.perf_counter() - self._began[0]
        self.cpu = time.process_time() - self._began[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="squeezenet_interpretable")
    parser.add_argument("--size", type=int, default=128, help="of the pictures, in pixels")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    size = (args.size, args.size)
    data = icnn.datasets.creatures(
        n_train=args.images, n_validation=1, n_test=64, image_size=size, seed=0
    ).cache()
    classes = len(data.class_names)
    model = icnn.zoo.create_model(
        args.network,
        weights=None,
        input_shape=(*size, 3),
        classes=classes,
        include_preprocessing=True,
    )
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    shown = data.test.subset(np.flatnonzero(data.test.labels > 0))

    def fit(*callbacks):
        clock = _Clock()
        batches = data.train.batches(32, shuffle=True, seed=0)
        model.fit(
            batches,
            epochs=args.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[batches.follow_epochs(), *callbacks, clock],
        )
        return clock

    fit()  # compiled
    ratios = []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            pictures = icnn.callbacks.PartPictures(shown, folder)
            if number % 2:
                without, with_pictures = fit(), fit(pictures)
            else:
                with_pictures, without = fit(pictures), fit()
        ratios.append((with_pictures.wall / without.wall, with_pictures.cpu / without.cpu))
        print(
            f"wall {with_pictures.wall:.1f} / {without.wall:.1f} s = {ratios[-1][0]:.3f}, "
            f"cpu {with_pictures.cpu:.1f} / {without.cpu:.1f} s = {ratios[-1][1]:.3f}; pictures of "
            f"epochs {pictures.written}, put off {pictures.put_off}",
            flush=True,
        )
    for name, values in zip(("wall", "cpu"), zip(*ratios, strict=True), strict=True):
        print(f"median {name} {statistics.median(values):.3f}")


if __name__ == "__main__":
    main()

"""Trains with JAX on all devices of all processes, by `keras.distribution` and plain `fit`.

    python launch.py --processes 2 -- python train_jax.py --out run

Without `launch.py` one process trains, on all devices that it finds.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import task

import keras_icnn as icnn


def main():
    args = task.arguments(__doc__)
    if int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", 1)) > 1:
        # A seed first, or Keras agrees on one by a collective of its own.
        keras.utils.set_random_seed(0)
        # Takes addresses and number from the environment. Before JAX is asked for anything.
        keras.distribution.initialize()
    index, count = jax.process_index(), jax.process_count()
    # Each process gives its own share of a batch, so Keras has nothing to divide.
    devices = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(devices)

    train = task.pictures(args)
    batches = train.batches(args.batch, shuffle=True, seed=0, share=(index, count))
    model = task.network(args, len(train.class_names))
    backup = icnn.callbacks.Backup(args.out / "backup.npz", delete=False)
    model.fit(
        batches,
        epochs=args.epochs,
        shuffle=False,
        callbacks=[batches.follow_epochs(), backup],
        verbose=2 if index == 0 else 0,
    )
    if index == 0:
        # Keras makes variables while it saves; distributed ones would wait for the other processes.
        keras.distribution.set_distribution(None)
        model.save(args.out / "model.keras")


if __name__ == "__main__":
    main()

"""Trains the example's network by plain `fit` on one device, with whole batches.

KERAS_BACKEND=jax python one_device.py --out run
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "distributed"))

import task

import keras_icnn as icnn

args = task.arguments(__doc__)
train = task.pictures(args)
batches = train.batches(args.batch, shuffle=True, seed=0, share=(0, 1))
task.network(args, len(train.class_names)).fit(
    batches,
    epochs=args.epochs,
    shuffle=False,
    callbacks=[
        batches.follow_epochs(),
        icnn.callbacks.Backup(args.out / "backup.npz", delete=False),
    ],
    verbose=0,
)

"""Trains with TensorFlow on all devices of all processes, with a loop of its own.

    python launch.py --processes 2 -- python train_tensorflow.py --out run

`fit` of Keras 3 does not work with `MultiWorkerMirroredStrategy` (keras issue 20585), so the steps
are taken here; callbacks are called as `fit` calls them. Without `launch.py` one process trains, on
all devices that it finds.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import task
import tensorflow as tf

import keras_icnn as icnn


def main():
    args = task.arguments(__doc__)
    # Who takes part is in `TF_CONFIG`. Before TensorFlow is asked for anything else.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    replicas = strategy.num_replicas_in_sync
    first = strategy.cluster_resolver.task_id in (None, 0)
    if args.batch % replicas:
        raise SystemExit(f"--batch {args.batch} cannot be shared equally by {replicas} devices.")

    train = task.pictures(args)
    with strategy.scope():
        model = task.network(args, len(train.class_names))
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")

    def batches(epoch):
        """The batches of an epoch, each replica's own part of them."""

        def of_process(context):
            share = (context.input_pipeline_id, context.num_input_pipelines)
            dataset = train.as_tf_dataset(
                args.batch, shuffle=True, seed=0, epoch=epoch, share=share
            )
            return dataset.unbatch().batch(args.batch // replicas, drop_remainder=True)

        return strategy.distribute_datasets_from_function(of_process)

    def replica_step(images, labels):
        with tf.GradientTape() as tape, icnn.labels(labels) as terms:
            losses = loss_of(labels, model(images, training=True))
            # The optimizer sums over replicas, so each divides by the whole batch.
            task_loss = tf.reduce_sum(losses) / args.batch
            total = task_loss + terms.total()
        gradients = tape.gradient(total, model.trainable_variables)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return total, terms.filter_loss() / replicas

    @tf.function
    def step(images, labels):
        values = strategy.run(replica_step, args=(images, labels))
        return [strategy.reduce("SUM", value, axis=None) for value in values]

    backup = icnn.callbacks.Backup(args.out / "backup.npz", delete=False)
    callbacks = keras.callbacks.CallbackList([backup], add_history=True, model=model)
    callbacks.on_train_begin()
    for epoch in range(backup.initial_epoch, args.epochs):
        callbacks.on_epoch_begin(epoch)
        values = [step(images, labels) for images, labels in batches(epoch)]
        means = tf.reduce_mean(tf.convert_to_tensor(values), axis=0).numpy()
        logs = {"loss": float(means[0]), "filter_loss": float(means[1])}
        if first:
            print(f"Epoch {epoch + 1}/{args.epochs} - {logs}", flush=True)
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()
    if first:
        model.save(args.out / "model.keras")


if __name__ == "__main__":
    main()

"""`PartBatches` as a `tf.data.Dataset`."""


def tf_dataset(batches):
    """The batches as a `tf.data.Dataset`; each complete pass advances the epoch.

    Args:
        batches: `PartBatches`.

    Returns:
        A `tf.data.Dataset` of pairs of images and labels, whose length is known.
    """
    import tensorflow as tf

    height, width = batches.dataset.image_size
    y_shape = () if batches.label_format == "int" else (len(batches.dataset.class_names),)
    y_dtype = "int32" if batches.label_format == "int" else "float32"
    signature = (
        tf.TensorSpec((None, height, width, 3), "float32"),
        tf.TensorSpec((None, *y_shape), y_dtype),
    )

    def one_pass():
        yield from batches
        batches.on_epoch_end()

    dataset = tf.data.Dataset.from_generator(one_pass, output_signature=signature)
    # The length lets Keras show how far an epoch is.
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return dataset.prefetch(tf.data.AUTOTUNE)

"""One forward pass of a view on a batch."""

import keras


def forward(view):
    """A function of a batch that gives a model's outputs, a list of tensors or arrays.

    It is compiled where the backend compiles. The model's variables are only read: on JAX
    `predict_on_batch` gives their memory away, and another thread finds it deleted.

    Args:
        view: functional Keras model.
    """
    if keras.backend.backend() != "jax":
        return lambda inputs: _listed(view.predict_on_batch(inputs))
    import jax

    @jax.jit
    def step(trainable, fixed, inputs):
        return view.stateless_call(trainable, fixed, inputs, training=False)[0]

    def run(inputs):
        trainable = [variable.value for variable in view.trainable_variables]
        fixed = [variable.value for variable in view.non_trainable_variables]
        return _listed(step(trainable, fixed, inputs))

    return run


def _listed(outputs):
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

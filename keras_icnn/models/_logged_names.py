"""The names under which values are logged: no two values may share one."""


def check_own_name(model, metric):
    """Refuses another metric of a model that logs its value under the name of `metric`.

    Keras itself lets the later one win. The names are known once metrics are built, that is in the
    first step of `fit` or `evaluate`.

    Args:
        model: Keras model.
        metric: Keras metric of the model.

    Raises:
        ValueError: naming the metric or the output to rename.
    """
    name = metric.name
    if all(other is metric or name not in _logged_by(other) for other in model.metrics):
        return
    # With several outputs Keras puts the output's name before that of its loss.
    outputs = [one for one in model.output_names if name == f"{one}_loss"]
    if outputs and len(model.output_names) > 1:
        received = f"an output '{outputs[0]}', whose loss is logged as `{name}` as well"
        fix = "Give the layer that makes this output another `name`."
    else:
        received = f"a metric with the name `{name}`"
        fix = f"Give it another one, such as `name='my_{name}'`; a function is called by its own."
    raise ValueError(
        f"Model '{model.name}' logs its filter loss as `{name}`, so no metric or output may log "
        f"another value under that name. Received: {received}. {fix}"
    )


def _logged_by(metric):
    """The names of the values that a metric logs."""
    result = metric.result()
    return result if isinstance(result, dict) else (metric.name,)

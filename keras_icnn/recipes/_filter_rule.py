"""`filter_loss` of a variant as a `FilterLoss`."""

from keras_icnn.layers._filter_loss import NAMED, FilterLoss
from keras_icnn.recipes._checks import check_choice, check_names, check_table


def filter_rule(said, where="a variant"):
    """The rule that a variant's `filter_loss` says.

    Args:
        said: A name; a table with `rule`, a name to start from, and what differs from it, where
            the table `templates` changes only what it names; `"none"`; or `""`, the default.
        where: The variant's name in messages.

    Returns:
        A `FilterLoss`, or None for the mask alone.

    Raises:
        ValueError: For rules that do not exist, unknown options and values out of range.
    """
    if said == "none":
        return None
    if isinstance(said, str):
        return FilterLoss.parse(said or "default")
    if not isinstance(said, dict):
        raise ValueError(f"`filter_loss` of {where} must be a name or a table. Received: {said!r}")
    options = dict(said)
    rule = options.pop("rule", "default")
    check_choice(rule, tuple(NAMED), "filter_loss.rule", where)
    base = FilterLoss.parse(rule).get_config()
    return FilterLoss(**_changed(base, options, f"filter_loss of {where}"))


def _changed(base, options, where):
    """The options of `base` with those given in their place; tables within it likewise."""
    check_names(options, tuple(base), where)
    changed = dict(base)
    for name, value in options.items():
        if isinstance(base[name], dict):
            check_table(value, f"`{name}` in {where}")
            value = _changed(base[name], value, f"`{name}` in {where}")
        changed[name] = value
    return changed

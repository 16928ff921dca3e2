"""Checks of a recipe's tables against the definitions of `_format`."""

import dataclasses
import difflib


def read_section(section, table, where):
    """A table as one of the dataclasses of `_format`: types, choices and ranges are checked.

    Args:
        section: The dataclass.
        table: What the recipe says.
        where: The table's name in messages.

    Raises:
        ValueError: Naming the key, what was expected and what was found.
    """
    check_table(table, where)
    keys = {field.name: field for field in dataclasses.fields(section)}
    check_names(table, keys, where)
    return section(**{name: _read_key(keys[name], value, where) for name, value in table.items()})


def _read_key(field, value, where):
    rules = field.metadata
    if "own" in rules:
        return value
    value = _typed(field.name, value, key_type(field), where)
    for one in value if isinstance(value, tuple) else (value,):
        if "choices" in rules:
            check_choice(one, rules["choices"], field.name, where)
    if "within" in rules and not rules["within"].holds(value):
        raise ValueError(
            f"`{field.name}` in {where} must be {rules['within'].text}. Received: {value}"
        )
    if "values" in rules:
        for name, one in value.items():
            if not rules["values"].holds(one):
                raise ValueError(
                    f"`{field.name}.{name}` in {where} must be {rules['values'].text}. "
                    f"Received: {one!r}"
                )
    return value


def key_type(field):
    """The type of a key, as its default has it: a class."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return str if field.default is dataclasses.MISSING else type(field.default)


def _typed(name, value, expected, where):
    if expected is tuple:
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        raise ValueError(f"`{name}` in {where} must be a list of strings. Received: {value!r}")
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        raise ValueError(
            f"`{name}` in {where} must be of type {expected.__name__}. Received: {value!r}"
        )
    return value


def check_table(table, where):
    """Refuses what is no table."""
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table. Received: {table!r}")


def check_names(table, names, where):
    """Refuses keys that are not among `names`, with the nearest one as a hint."""
    for name in table:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise ValueError(f"`{name}` is not known in {where}{hint} Known: {', '.join(names)}")


def check_choice(value, choices, name, where):
    """Refuses a value that is not among `choices`."""
    if value not in choices:
        raise ValueError(
            f"`{name}` in {where} must be one of {tuple(choices)}. Received: {value!r}"
        )

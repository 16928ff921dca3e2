"""The table of `FilterLoss`'s options, for `write_pages.py` (docs/understand/rules.md)."""

from dataclasses import MISSING, fields

from keras_icnn.layers import FilterLoss
from keras_icnn.layers._rules import readers

HEADER = """\
| option | default | read by |
|---|---|---|"""


def read_by(option):
    """Which rules read an option, as a user would write them."""
    choices = {}
    for argument, value in readers(option):
        choices.setdefault(argument, []).append(repr(value))
    if not choices:
        return "all rules"
    return "; ".join(f"`{argument}=` {_either(values)}" for argument, values in choices.items())


def _either(values):
    *first, last = (f"`{value}`" for value in values)
    return f"{', '.join(first)} or {last}" if first else last


def default(option):
    """An option's default, as a user would write it."""
    return repr(option.default_factory() if option.default is MISSING else option.default)


def table():
    """The table, as the page has it."""
    rows = [f"| `{o.name}` | `{default(o)}` | {read_by(o.name)} |" for o in fields(FilterLoss)]
    return "\n".join([HEADER, *rows, ""])


if __name__ == "__main__":
    print(table(), end="")

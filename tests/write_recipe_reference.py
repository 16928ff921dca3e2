"""Writes docs/reproduce/recipes.md: every table and key of a recipe, from their definitions."""

import dataclasses
from pathlib import Path

from keras_icnn.recipes._checks import key_type
from keras_icnn.recipes._format import (
    PER_NETWORK,
    PER_VARIANT,
    Data,
    Network,
    Training,
    Variant,
)

PAGE = Path(__file__).parents[1] / "docs" / "reproduce" / "recipes.md"
TYPES = {str: "string", int: "integer", float: "number", bool: "true or false"}
TYPES |= {tuple: "list of strings", dict: "table"}
TABLES = (("[data]", Data), ("[network]", Network), ("[training]", Training))
HEADER = """\
# Recipes

Every key of a recipe, with its type and default. A recipe is a TOML file that says which networks
are trained on which images, and how they are measured.

<!-- Written by: python tests/write_recipe_reference.py -->

```bash
keras-icnn recipes                                       # lists those that come with the package
keras-icnn recipes --copy birds                          # copies one, to change it
keras-icnn train birds --data DATA --out runs/birds      # runs it; run again to resume
```

```toml
title = "SqueezeNet 1.1 on birds"
seeds = [0, 1]

[data]
reader = "cub200"
path = "cub200"

[network]
weights = "weights/squeezenet1_1_imagenet_notop.npz"

[training]
epochs = 5

[[variant]]
name = "interpretable"
network = "squeezenet_interpretable"
```

Paths are relative to the folder of `--data`. Keys that are not here are refused, with an error that
names the file and the key. Every variant is built once before the first one is trained, so that a
mistake shows early. What comes out: [the paper's tables](tables.md#what-comes-out).

## The file itself

| key | type | default | meaning |
|---|---|---|---|
| `title` | string | the file's name | what is printed above its results |
| `seeds` | list of integers | `[0]` | every variant is trained once with each |
"""


def row(field):
    """A key as a row of its table."""
    rules = field.metadata
    text = rules["description"]
    if "choices" in rules:
        text += f"; one of {', '.join(f'`{choice}`' for choice in rules['choices'])}"
        text = text.replace("; one of", "; of", 1) if field.default in ((), ("train",)) else text
    for name in ("within", "values"):
        if name in rules:
            text += f"; {'each ' if name == 'values' else ''}{rules[name].text}"
    kind = rules.get("own") or TYPES[key_type(field)]
    return f"| `{field.name}` | {kind} | {default(field)} | {text} |"


def default(field):
    """A default as TOML has it."""
    if field.default is dataclasses.MISSING:
        return "empty" if field.default_factory is not dataclasses.MISSING else "must be given"
    value = field.default
    if value in ("", (), None):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(chr(34) + one + chr(34) for one in value)}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def section(title, text, kind):
    """A table of a recipe."""
    rows = [row(field) for field in dataclasses.fields(kind)]
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"\n## `{title}`\n", text, "", *head, *rows, ""])


def page():
    """The whole page."""
    text = [HEADER]
    for title, kind in TABLES:
        text.append(section(title, kind.__doc__.split(":")[0] + ".", kind))
    several = f"`{'`, `'.join(PER_NETWORK)}`"
    own = f"`{'`, `'.join(PER_VARIANT)}`"
    text.append(
        section(
            "[[variant]]",
            f"{Variant.__doc__.split(':')[0]}. There is at least one. `training` of a variant may "
            f"set {own}.",
            Variant,
        )
    )
    text.append(
        "\n## `[networks.NAME]`\n\nWhere there are such tables, every variant has `{network}` in "
        "its `name` and `network`, and is run once for each NAME. A table may set, in place of "
        f"`[network]` and `[training]`: {several}.\n"
    )
    return "".join(text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Tables of what a recipe may say, made from the definitions that recipes are checked by."""

import dataclasses

from keras_icnn.recipes import _format

TABLES = {
    "data": _format.Data,
    "network": _format.Network,
    "training": _format.Training,
    "variant": _format.Variant,
}


def default(field):
    if field.metadata.get("own") and field.default in ("", None):
        return ""
    if field.default_factory is not dataclasses.MISSING:
        return "empty table"
    if field.default is dataclasses.MISSING:
        return "must be given"
    return f"`{list(field.default) if isinstance(field.default, tuple) else field.default!r}`"


def meaning(field):
    """A key's description, with what its value must be."""
    rules = field.metadata
    parts = [rules["description"]]
    if "choices" in rules:
        parts.append("one of " + ", ".join(f"`{choice}`" for choice in rules["choices"]))
    if "within" in rules:
        parts.append(rules["within"].text)
    if "own" in rules:
        parts.append(rules["own"])
    return "; ".join(parts)


def table(name):
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(TABLES[name]):
        lines.append(f"| `{field.name}` | {default(field)} | {meaning(field)} |")
    return "\n".join(lines)

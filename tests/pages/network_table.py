"""The table of the zoo's builders, made from what is known of each network."""

from keras_icnn.zoo._manifest import MANIFEST


def table():
    lines = ["| function | network | parameters, 1000 classes | without head |", "|---|---|---|---|"]
    for name, card in sorted(MANIFEST.items()):
        sizes = f"{card.parameters:,} | {card.parameters_without_top:,}"
        lines.append(f"| `icnn.zoo.{name}` | {card.title} | {sizes} |")
        lines.append(f"| `icnn.zoo.{name}_interpretable` | the same with interpretable filters | | |")
    return "\n".join(lines)

"""The table of the zoo's builders, made from what is known of each network."""

from keras_icnn.zoo._manifest import MANIFEST


def table():
    headings = ("function", "network", "parameters, 1000 classes", "without head")
    lines = [f"| {' | '.join(headings)} |", "|---|---|---|---|"]
    for name, card in sorted(MANIFEST.items()):
        sizes = f"{card.parameters:,} | {card.parameters_without_top:,}"
        lines.append(f"| `icnn.zoo.{name}` | {card.title} | {sizes} |")
        twin = f"`icnn.zoo.{name}_interpretable`"
        lines.append(f"| {twin} | the same with interpretable filters | | |")
    return "\n".join(lines)

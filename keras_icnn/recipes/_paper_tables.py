"""The paper's tables as data: what is in them, and which recipes fill them."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

import keras_icnn

TABLES = tuple(f"table{number}" for number in range(1, 8))
# Readers of the paper's data sets, and rules that the shipped recipes have besides the default.
DATA_SETS = ("animal_part", "cub200", "pascal_part")
RULES = ("paper", "official")


@dataclass(frozen=True)
class Column:
    """One column: `category` of the recipe, or the mean over all of its categories (`None`).

    `figures` are columns of `results.csv`, the paper's first, then other rules for the same thing.
    """

    name: str
    recipes: tuple
    category: str | None
    figures: tuple


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables.

    `printed` and `final` map a network and whether it is interpretable to figures: as printed in
    the text at hand, a column each (the average last where there is one, NaN where the paper has
    none), and the average alone in the paper's final version.
    """

    name: str
    title: str
    better: str
    digits: int
    scale: float
    average: bool
    sqrt2_too_large: bool
    columns: tuple
    printed: dict
    final: dict

    @property
    def networks(self):
        """The paper's networks, in its order."""
        return list(dict.fromkeys(network for network, _ in self.printed))

    def paper(self, network, interpretable):
        """The paper's figures: a list, one a column, and the average (None where it has none).

        Where the text prints them sqrt(2) too large they are divided by it. The average is that of
        the final version where that is known.
        """
        key = network, interpretable
        if key not in self.printed:
            return [math.nan] * len(self.columns), None
        divisor = math.sqrt(2) if self.sqrt2_too_large else 1.0
        values = [value / divisor for value in self.printed[key]]
        average = values.pop() if self.average else None
        if key in self.final:
            if self.average:
                average = self.final[key]
            elif len(values) == 1:
                values = [self.final[key]]
        return values, average


def recipes_folder():
    """Where the recipes are: `zoo/recipes` of a clone or an editable install, else in the package.

    Raises:
        FileNotFoundError: When they are in neither place.
    """
    package = Path(keras_icnn.__file__).resolve().parent
    clone = package.parent
    places = [package / "shipped_recipes"]
    if (clone / "pyproject.toml").is_file():
        places.insert(0, clone / "zoo" / "recipes")
    for place in places:
        if (place / "tables").is_dir():
            return place
    raise FileNotFoundError(
        f"The recipes of the paper's tables are not in {[str(place) for place in places]}. Install "
        "keras-icnn anew, from a wheel or a clone."
    )


def read_table(name):
    """Reads one of the tables, `"table1"` to `"table7"`.

    Raises:
        ValueError: For another name, or a file that does not fit together.
    """
    if name not in TABLES:
        raise ValueError(f"`table` must be one of {TABLES}. Received: {name!r}")
    path = recipes_folder() / "tables" / f"{name}.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    figures = tuple(content["figures"])
    columns = [
        Column(heading, tuple(content["recipes"]), category, figures)
        for heading, category in content.get("categories", {}).items()
    ]
    columns += [
        Column(c["name"], tuple(c["recipes"]), None, tuple(c.get("figures", figures)))
        for c in content.get("column", [])
    ]
    kinds = (("ordinary", False), ("interpretable", True))
    table = PaperTable(
        name=name,
        title=content["title"],
        better=content["better"],
        digits=content["digits"],
        scale=content.get("scale", 1),
        average=content["average"],
        sqrt2_too_large=content.get("sqrt2_too_large", False),
        columns=tuple(columns),
        printed={
            (network, interpretable): values
            for kind, interpretable in kinds
            for network, values in content["printed"][kind].items()
        },
        final={
            (network, interpretable): value
            for kind, interpretable in kinds
            for network, value in content.get("final", {}).get(kind, {}).items()
        },
    )
    expected = len(columns) + table.average
    for key, values in table.printed.items():
        if len(values) != expected:
            raise ValueError(f"'{path}' must have {expected} figures for {key}, not {len(values)}")
    return table

"""Tables of the page on faithful explanations, from the published files in zoo/results."""

import math
from statistics import mean

from result_tables import read_rows

_VARIANTS = {
    "ordinary_extra": "ordinary",
    "mask_only": "the mask alone",
    "one_part": "rule `one_part`",
    "interpretable": "**default rule**",
}
_CORRUPTIONS = {
    "clean": "clean",
    "gaussian_noise": "Gaussian noise",
    "gaussian_blur": "Gaussian blur",
    "brightness": "brightness",
    "contrast": "contrast",
    "jpeg": "JPEG",
}


def _table(headings, lines):
    cells = [headings, ["---"] * len(headings), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _mean(rows, column):
    """The mean of a column with two digits, of the rows that have it."""
    found = [float(row[column]) for row in rows if row[column] not in ("", "nan")]
    return f"{mean(found):.2f}" if found else ""


def _faithfulness(variant, file="faithfulness"):
    """A line a method: means over categories of the means over images."""
    rows = [row for row in read_rows(file) if row["variant"] == variant]
    out = [
        "| method | deletion, blur / mean | insertion, blur / mean | advantage, blur / mean "
        "| pointing game, any part | agreement: moved, JPEG, noise | seconds |",
        "|---" * 7 + "|",
    ]
    # What is measured later is added at the end; the upper bound closes the table.
    methods = sorted(dict.fromkeys(row["method"] for row in rows), key="upper bound".__eq__)
    for method in methods:
        mine = [row for row in rows if row["method"] == method]

        def figure(column, mine=mine):
            by = {}
            for row in mine:
                if row.get(column) not in (None, "", "nan"):
                    by.setdefault(row["category"], []).append(float(row[column]))
            return f"{mean(map(mean, by.values())):.2f}" if by else ""

        def figures(columns, between):
            return between.join(filter(None, map(figure, columns)))

        cells = [
            *(
                figures([f"{name}_blur", f"{name}_mean"], " / ")
                for name in ("deletion", "insertion", "advantage")
            ),
            figure("points_any"),
            figures([f"agreement_{change}" for change in ("shift", "jpeg", "noise")], ", "),
            figure("seconds"),
        ]
        out.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(out)


def faithful_interpretable():
    return _faithfulness("interpretable")


def faithful_ordinary():
    return _faithfulness("ordinary_extra")


def faithful_vgg16():
    """The interpretable network's lines; of the ordinary one, those of the two kinds of map."""
    file = "faithfulness_vgg16"
    ordinary = [
        line.replace("| ", "| ordinary network: ", 1)
        for line in _faithfulness("ordinary_extra", file).splitlines()
        if line.startswith(("| parts |", "| grad-cam |", "| occlusion |"))
    ]
    return "\n".join([_faithfulness("interpretable", file), *ordinary])


def outside():
    """A line a network: the share of a decision that comes from outside of the shown places."""
    rows = read_rows("faithfulness_flags")
    names = list(dict.fromkeys(row["category"] for row in rows))
    lines = []
    for variant, label in _VARIANTS.items():
        mine = [row for row in rows if row["variant"] == variant]
        of = {row["category"]: [row] for row in mine}
        shares = [_mean(of[name], "outside_share_animal") for name in names]
        lines.append([label, *shares, _mean(mine, "outside_share_animal")])
    return _table(["network", *names, "mean"], lines)


def flags():
    """A line a network: how often its decisions are flagged, and how often those are wrong."""
    everything, lines = read_rows("faithfulness_flags"), []
    for variant, label in _VARIANTS.items():
        rows = [row for row in everything if row["variant"] == variant]
        kinds = [_mean(rows, f"flagged_{kind}") for kind in ("follow no", "border", "background")]
        flagged, wrong, images = 0, 0, 0
        for row in rows:
            here = round(float(row["images"]) * float(row["flagged"]))
            images, flagged = images + int(row["images"]), flagged + here
            share = float(row["wrong_if_flagged"])
            wrong += 0 if math.isnan(share) else round(here * share)
        all_wrong = sum(round(float(row["images"]) * float(row["wrong"])) for row in rows)
        lines.append(
            [
                label,
                _mean(rows, "flagged"),
                " / ".join(kinds),
                _of(wrong, flagged),
                _of(all_wrong - wrong, images - flagged),
            ]
        )
    headings = ["network", "flagged", "no part / border / background"]
    return _table([*headings, "wrong where flagged", "wrong where not"], lines)


def _of(some, everything):
    return f"{some} of {everything} ({some / everything:.2f})"


def pointing():
    """A line a network and part: how often the place that stands for the part lies in it."""
    columns = ("chosen_part", "strongest_part", "grad_cam", "fixed_place", "random")
    everything, lines = read_rows("faithfulness_pointing"), []
    for part in ("head", "front_legs"):
        for variant, label in _VARIANTS.items():
            rows = [row for row in everything if (row["part"], row["variant"]) == (part, variant)]
            if rows:
                name = f"{part.replace('_', ' ')}: {label}"
                lines.append([name, *(_mean(rows, column) for column in columns)])
    return _table(
        [
            "part, network",
            "the part of the layer chosen for it",
            "the part that decides most",
            "Grad-CAM",
            "the best fixed place",
            "any place",
        ],
        lines,
    )


def corruptions():
    """A line a corruption and strength, the ordinary network beside the default rule."""
    rows = read_rows("faithfulness_corruptions")
    columns = ("balanced_accuracy", "r2", "moved")
    lines = []
    for kind, label in _CORRUPTIONS.items():
        strengths = sorted({row["strength"] for row in rows if row["kind"] == kind})
        for strength in strengths:
            cells = []
            for variant in ("ordinary_extra", "interpretable"):
                key = (kind, strength, variant)
                mine = [r for r in rows if (r["kind"], r["strength"], r["variant"]) == key]
                cells += [_mean(mine, column) for column in columns]
            lines.append([label if kind == "clean" else f"{label}, {strength}", *cells])
    short = ["balanced accuracy", "R2", "moved"]
    return _table(
        ["images", *(f"ordinary: {n}" for n in short), *(f"default rule: {n}" for n in short)],
        lines,
    )

"""Tables of measured results for the pages, made from the published files in zoo/results."""

import csv
from pathlib import Path
from statistics import mean

RESULTS = Path(__file__).resolve().parents[2] / "zoo" / "results"
NETWORK, SUPERVISED, TRIVIAL = "network", "supervised detector", "trivial detector"

# Heading and digits of a column of the published files.
COLUMNS = {
    "accuracy": ("accuracy", 3),
    "balanced_accuracy": ("balanced accuracy", 3),
    "coverage": ("coverage", 2),
    "parts_followed": ("parts followed", 1),
    "anatomy": ("anatomy", 2),
    "r2": ("R2, mean", 2),
    "r2_median": ("R2, median", 2),
    "r2_strongest": ("R2, 30 strongest images", 2),
    "best_part": ("R2 of the best-followed part, 30 strongest images", 2),
    "r2_facing": ("R2 within facing", 2),
    "part_interpretability": ("part interpretability", 2),
    "instability": ("location instability", 3),
    "diversity": ("distance of peaks", 2),
}

# Label to kind and variant.
_ORDINARY = {
    "ordinary network": (NETWORK, "ordinary_extra"),
}
_OURS = {
    "interpretable, rule `one_part`": (NETWORK, "one_part"),
    "**interpretable, default rule**": (NETWORK, "interpretable"),
}
BIRDS = {
    **_ORDINARY,
    **_OURS,
    "supervised detectors, same features": (SUPERVISED, "supervised_landmarks"),
    "baseline: one bit, left or right": (TRIVIAL, "one bit"),
    "baseline: a perfect throat detector": (TRIVIAL, "perfect throat"),
}
# Rules beside each other on one network.
RULES = {
    **_ORDINARY,
    "the paper's rule, read literally": (NETWORK, "paper_rule"),
    "the authors' rule": (NETWORK, "official_rule"),
    **_OURS,
}
CATEGORIES = {
    **_ORDINARY,
    "the mask alone": (NETWORK, "mask_only"),
    **_OURS,
    "supervised head detector, same features": (SUPERVISED, "supervised_head"),
    "baseline: always the center": (TRIVIAL, "centre"),
    "baseline: one bit, left or right": (TRIVIAL, "one bit"),
    "baseline: a centered disc": (TRIVIAL, "centred disc"),
    "upper bound: a perfect head detector": (TRIVIAL, "perfect head"),
}
TRACKING = (
    "accuracy",
    "balanced_accuracy",
    "instability",
    "r2",
    "r2_median",
    "r2_strongest",
    "r2_facing",
    "part_interpretability",
    "diversity",
)
# Of the six categories that all variants were run on, with two seeds.
SIX = {"antelope", "bear", "cattle", "koala", "monkey", "squirrel"}
_TWINS = ((NETWORK, "ordinary_extra"), (NETWORK, "interpretable"))
ABLATION = {
    **_ORDINARY,
    "the mask alone": (NETWORK, "mask_only"),
    "the paper's rule, read literally": (NETWORK, "paper"),
    "the strengths of the authors' code": (NETWORK, "official"),
    "the paper's strengths, as large as the default's": (NETWORK, "one_template"),
    "the sum over all templates, as large": (NETWORK, "full_sum"),
    "equal strengths (`one_part`)": (NETWORK, "one_part"),
    "the same, no negative template": (NETWORK, "no_negatives"),
    "the same, no mask": (NETWORK, "no_mask"),
    "the same, the paper's narrow mask": (NETWORK, "mask_4"),
    "the same, gradient 0.03 of the task's": (NETWORK, "push_03"),
    "the same, gradient 0.3 of the task's": (NETWORK, "push_30"),
    "supervised head detector": (SUPERVISED, "supervised_head"),
}
WITH_COVERAGE = ("accuracy", "coverage", "parts_followed", "anatomy", "r2", "instability")


def read_rows(file):
    """All rows of a published file."""
    with open(RESULTS / f"{file}.csv", newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def rows_of(file, kind, variant, **where):
    """The rows of one network, or of one trivial baseline beside the ordinary network."""
    if kind == TRIVIAL:
        where = {**where, "beside": "ordinary_extra"}
    rows = [row for row in read_rows(file) if row["kind"] == kind]
    wanted = {"variant": variant, **where}
    return [
        row
        for row in rows
        if all(row[k] in v if isinstance(v, set) else row[k] == v for k, v in wanted.items())
    ]


def cell(rows, column):
    """The mean over rows, as a page shows it; empty where nothing was measured."""
    values = [float(row[column]) for row in rows if row.get(column)]
    return f"{mean(values):.{COLUMNS[column][1]}f}" if values else ""


def table(file, lines, columns, first="", **where):
    """A Markdown table: a line a network, a column a measure.

    Args:
        file: name of a file in zoo/results, without its ending.
        lines: label to kind and variant; lines without rows are left out.
        columns: names of columns of the file.
        first: heading of the first column.
        **where: what other columns must be: a value, or a set of values.
    """
    out = [
        "| " + " | ".join([first, *(COLUMNS[column][0] for column in columns)]) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for label, (kind, variant) in lines.items():
        rows = rows_of(file, kind, variant, **where)
        if rows:
            out.append("| " + " | ".join([label, *(cell(rows, c) for c in columns)]) + " |")
    return "\n".join(out)


def readme():
    """The README's one table."""
    four = {label: BIRDS[label] for label in BIRDS if "one_part" not in label}
    return table("birds", four, ("accuracy", "coverage", "parts_followed", "r2", "diversity"))


def birds():
    return table("birds", BIRDS, (*WITH_COVERAGE[:-1], "r2_median", "instability", "diversity"))


def paper_on_birds():
    """The paper's rule beside others; one seed, since it was run with one."""
    lines = {
        **_ORDINARY,
        "the paper's rule, read literally": (NETWORK, "paper_rule"),
        "`one_part`": (NETWORK, "one_part"),
        "default": (NETWORK, "interpretable"),
    }
    return table("birds", lines, (*WITH_COVERAGE, "diversity"), seed="0")


def vgg16():
    return table("vgg16_birds", RULES, (*WITH_COVERAGE, "diversity"))


def alexnet_v2():
    return table("alexnet_v2_birds", RULES, (*WITH_COVERAGE, "diversity"))


def vgg16_animals():
    columns = ("accuracy", "balanced_accuracy", "instability", "r2", "best_part", "coverage")
    columns = (*columns, "part_interpretability", "diversity")
    return table("vgg16_animals", RULES, columns)


def six_categories():
    return table("squeezenet", CATEGORIES, TRACKING, category=SIX)


def sixteen_categories():
    lines = {k: v for k, v in CATEGORIES.items() if k != "the mask alone"}
    return table("squeezenet", lines, TRACKING, seed="0")


def mobilenet():
    return table("mobilenet_v2", CATEGORIES, TRACKING)


def six_in_one():
    """Six categories in one network, by task loss."""
    out = []
    for loss in ("softmax", "logistic"):
        lines = {f"{label}, {loss}": line for label, line in CATEGORIES.items() if line in _TWINS}
        out.append(table(f"six_animals_{loss}", lines, (*WITH_COVERAGE, "diversity")))
    return out[0] + "\n" + "\n".join(out[1].splitlines()[2:])


def animals():
    return table("animals", BIRDS, (*WITH_COVERAGE, "diversity"))


def ablation():
    return table("ablation", ABLATION, TRACKING)


def paper_beside_mask():
    """Both networks have the paper's narrow mask here, so that only the filter loss differs."""
    lines = {
        **_ORDINARY,
        "the paper's mask alone": (NETWORK, "mask_only"),
        "the paper's mask and rule": (NETWORK, "paper"),
        "the paper's mask, equal strengths": (NETWORK, "default"),
    }
    return table("ablation_narrow", lines, TRACKING)


def first_hour():
    """A line a network and set of classes, with the figures of each seed."""
    rows = read_rows("first_hour")
    networks = {"mobilenet_v2": "MobileNetV2", "squeezenet": "SqueezeNet"}
    out = [
        '| `fine_tune="top"` | accuracy | R2 of the best-followed part | alive |',
        "|---" * 4 + "|",
    ]
    for key in dict.fromkeys((row["network"], row["classes"], row["kind"]) for row in rows):
        mine = [row for row in rows if (row["network"], row["classes"], row["kind"]) == key]

        def figures(column, digits, mine=mine):
            return ", ".join(f"{float(row[column]):.{digits}f}" for row in mine)

        label = f"{networks[key[0]]}; {', '.join(key[1].split())}: interpretable"
        label = label if key[2] == "interpretable" else "... ordinary twin"
        cells = (figures("accuracy", 3), figures("best_part_r2", 2), figures("alive", 2))
        out.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(out)

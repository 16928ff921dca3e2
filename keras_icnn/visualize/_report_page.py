"""Puts the report's page together: pictures, tables, words, and the template they go into."""

import base64
import hashlib
import io
import json
import math
from collections import Counter
from pathlib import Path

from keras_icnn import __version__
from keras_icnn._figure import check_path
from keras_icnn._files.whole_file import replacing
from keras_icnn.explanations._filter_groups import names_of

_FOLDER = Path(__file__).parent / "page"
_QUALITY = 80

# (key in `values`, heading, what it means, which way is better: 1 higher, -1 lower, 0 neither).
MEASURES = (
    ("accuracy", "Accuracy", "share of the pictures that are classified rightly", 1),
    ("balanced_accuracy", "Balanced", "the same, every class weighing alike", 1),
    (
        "r2_median",
        "R², typical filter",
        "how much of a part's movement the median filter's peak explains: 1 follows the part "
        "exactly, 0 is no better than a fixed place, below 0 is worse than that",
        1,
    ),
    ("r2", "R², mean", "the same, mean over filters; a filter not alive counts as minus 1", 1),
    ("r2_strongest", "R², 30 strongest", "over the 30 pictures each filter fires on most", 1),
    (
        "r2_facing",
        "R² within facing",
        "the same among pictures that face one way: telling left from right is worth nothing here",
        1,
    ),
    (
        "coverage",
        "Coverage",
        "how much of each landmark's movement the filter that suits it best follows, found on one "
        "half of the pictures and measured on the other, mean over the landmarks: many copies of "
        "one detector count once",
        1,
    ),
    (
        "parts_followed",
        "Parts followed",
        "how many landmarks are each followed by a twentieth of the filters or more",
        1,
    ),
    (
        "anatomy",
        "R², own frame",
        "how much of a part's movement a filter's peak explains once every picture is turned to "
        "face one way: a place to the left or right of a part is no part",
        1,
    ),
    (
        "instability",
        "Instability",
        "location instability: how much the distance from part to peak varies, as a share of the "
        "picture's diagonal",
        -1,
    ),
    (
        "part_interpretability",
        "Part overlap",
        "part interpretability: share of pictures in which a filter's region overlaps its part",
        1,
    ),
    ("alive", "Alive", "share of the filters that fire on most pictures", 1),
    (
        "diversity",
        "Peaks apart",
        "mean distance of two filters' peaks in a picture, of its "
        "diagonal: small means that many filters look at one place",
        1,
    ),
    ("part_diversity", "Parts", "effective number of different parts the filters stand for", 1),
)

# What the names of `metrics.trivial_detectors` stand for.
_DETECTORS = {
    "random": "a place drawn at random",
    "centre": "always the picture's centre",
    "best constant": "always the same, best place",
    "one bit": "knows one bit only, such as whether the head is left or right",
    "every landmark": "the limit of this grid: a detector for every landmark",
    "whole image": "always the whole picture",
    "centred disc": "always a disc in the middle",
}
_BITS = ("one bit", "every landmark")


def environment():
    """The Jinja2 environment of the page's template.

    Raises:
        ImportError: if Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            'The report needs Jinja2, which is not installed: pip install "keras-icnn[report]"'
        ) from error
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def checked_path(path):
    """The path, of a file in a folder that exists."""
    check_path(path)
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"`path` must be a file, such as 'report.html'. Received: the folder '{path}'"
        )
    return path


def thumbnails(dataset, longest):
    """JPEG of every picture as base64, its longer side at most `longest` pixels."""
    from PIL import Image

    result = []
    for i in range(len(dataset)):
        picture = Image.fromarray(dataset.image(i))
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=_QUALITY)
        result.append(base64.b64encode(file.getvalue()).decode("ascii"))
    return result


def write(environment, path, content, reports, title, dataset):
    """Fills the template in and writes the page; the file appears when it is complete.

    Returns:
        The path.
    """
    import markupsafe

    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    script = (_FOLDER / "report.js").read_text(encoding="utf-8")
    text = environment.get_template("report.html.jinja").render(
        title=title,
        content=markupsafe.Markup(as_json(content)),
        # The package's own files; the policy lets nothing else run or apply.
        style=markupsafe.Markup(style),
        script=markupsafe.Markup(script),
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
        networks=[
            {**network, "report": report, "has_parts": any(network["groups"]["keys"])}
            for network, report in zip(content["networks"], reports, strict=True)
        ],
        columns=_columns(reports),
        rows=_rows(reports),
        words=words(reports),
        shown=len(content["labels"]),
        total=len(dataset),
        size=content["size"],
        version=__version__,
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def as_json(value):
    """JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy_hash(text):
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


# --- the table ----------------------------------------------------------------------------------


def _columns(reports):
    """The measures that are known of any network or detector."""
    rows = reports[0].table(*reports[1:])
    return [
        {"key": key, "heading": heading, "meaning": meaning, "better": better}
        for key, heading, meaning, better in MEASURES
        if any(_known(row.get(key)) for row in rows)
    ]


def _rows(reports):
    """Networks, then trivial detectors: name, what it is, and the text of every measure."""
    result = []
    for number, row in enumerate(reports[0].table(*reports[1:])):
        name = row["detector"]
        network = number < len(reports)
        perfect = not network and name.startswith("perfect ")
        result.append(
            {
                "name": name,
                "network": number if network else None,
                "what": f"the limit of this grid: the unit nearest to the {name[8:]}"
                if perfect
                else ""
                if network
                else _DETECTORS.get(name, ""),
                "cells": {
                    key: f"{row[key]:.3f}".replace("-", "\N{MINUS SIGN}")
                    if _known(row.get(key))
                    else ""
                    for key, *_ in MEASURES
                },
            }
        )
    return result


def _known(value):
    return value is not None and math.isfinite(value)


# --- the words ----------------------------------------------------------------------------------


def words(reports):
    """What the figures say, whatever they are: a list of sentences."""
    own, others = reports[0], reports[1:]
    result = []
    if _known(own.values["r2_median"]):
        said = "; ".join(f"{r.name} {_explained(r.values['r2_median'])}" for r in reports)
        result.append(
            f"How much of a part's movement the typical filter follows: {said}. A fixed place "
            "follows 0%, the part itself 100%."
        )
        bit = own.trivial.get("one bit", {}).get("r2", math.nan)
        if _known(bit) and bit > 0:
            known = "whether the head is on the left or on the right"
            if "head" not in own.landmarks:
                known = "which way the landmarks face"
            result.append(f"Knowing only {known} already follows {bit:.0%}.")
        if len(own.landmarks) > 1 and _known(own.values["coverage"]):
            result.append(_coverage(reports))
        counts = "; ".join(f"{report.name}: {_landmarks(report)}" for report in reports)
        result.append(f"Filters that follow a part (R² above one half): {counts}.")
    else:
        result.append(
            "These pictures have no annotated parts, so nothing measures here whether filters "
            "follow one: look at the pictures."
        )
    if others and all(_known(r.values["diversity"]) for r in reports):
        apart = [r.values["diversity"] for r in reports]
        if apart[0] < 0.7 * apart[1]:
            result.append(
                f"The peaks of two filters of {own.name} are {apart[0]:.0%} of the picture's "
                f"diagonal apart, those of {others[0].name} {apart[1]:.0%}: many of the former "
                "look at one place. They are not as many parts as there are filters."
            )
    if all(_known(r.values["accuracy"]) for r in reports):
        accuracy = "; ".join(f"{r.name} {r.values['accuracy']:.1%}" for r in reports)
        result.append(f"Pictures classified rightly: {accuracy}.")
    return result


def _explained(r2):
    return f"{r2:.0%}" if r2 > 0 else f"nothing (R² is {r2:.2f})".replace("-", "\N{MINUS SIGN}")


def _coverage(reports):
    own = reports[0]
    said = "; ".join(f"{r.name} {r.values['coverage']:.0%}" for r in reports)
    text = f"How much of all landmarks' movement their best filters follow: {said}."
    known = [own.trivial.get(name, {}).get("coverage", math.nan) for name in _BITS]
    if all(_known(value) for value in known):
        text += " One bit would follow {:.0%}, a detector of every landmark {:.0%}.".format(*known)
    return text


def _landmarks(report):
    total = len(report.filters["filter"])
    counts = Counter(name for name in names_of(report, total) if name)
    if not counts:
        return f"none of {total}"
    listed = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{counts.total()} of {total} ({listed})"

"""Puts the report's page together: images, tables, words, and the template they go into."""

import base64
import hashlib
import io
import json
from pathlib import Path

from keras_icnn import __version__
from keras_icnn._figure import check_path
from keras_icnn._files.whole_file import replacing
from keras_icnn.visualize._report_words import known, trained, verdict, words

_FOLDER = Path(__file__).parent / "page"
_QUALITY = 80
# One program in pieces, in the order in which they need each other.
_SCRIPTS = ("data", "drawing", "names", "parts", "categories", "images", "views", "main")

# (key in `values`, heading, what it means, which way is better: 1 higher, -1 lower, 0 neither).
MEASURES = (
    ("accuracy", "Accuracy", "share of the images that are classified rightly", 1),
    ("balanced_accuracy", "Balanced", "the same, every class weighing alike", 1),
    (
        "r2_median",
        "R², typical filter",
        "how much of a part's movement the median filter's peak explains: 1 follows the part "
        "exactly, 0 is no better than a fixed place, below 0 is worse than that",
        1,
    ),
    ("r2", "R², mean", "the same, mean over filters; a filter not alive counts as minus 1", 1),
    ("r2_strongest", "R², 30 strongest", "over the 30 images each filter fires on most", 1),
    (
        "r2_facing",
        "R² within facing",
        "the same among images that face one way: telling left from right is worth nothing here",
        1,
    ),
    (
        "coverage",
        "Coverage",
        "how much of each landmark's movement the filter that suits it best follows, found on one "
        "half of the images and measured on the other, mean over the landmarks: many copies of "
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
        "how much of a part's movement a filter's peak explains once every image is turned to "
        "face one way: a place to the left or right of a part is no part",
        1,
    ),
    (
        "instability",
        "Instability",
        "location instability: how much the distance from part to peak varies, as a share of the "
        "image's diagonal",
        -1,
    ),
    (
        "part_interpretability",
        "Part overlap",
        "part interpretability: share of images in which a filter's region overlaps its part",
        1,
    ),
    ("alive", "Alive", "share of the filters that fire on most images", 1),
    (
        "diversity",
        "Peaks apart",
        "mean distance of two filters' peaks in an image, of its "
        "diagonal: small means that many filters look at one place",
        1,
    ),
    ("part_diversity", "Parts", "effective number of different parts the filters stand for", 1),
)

# What the names of `metrics.trivial_detectors` stand for.
_DETECTORS = {
    "random": "a place drawn at random",
    "centre": "always the image's centre",
    "best constant": "always the same, best place",
    "one bit": "knows one bit only, such as whether the head is left or right",
    "every landmark": "the limit of this grid: a detector for every landmark",
    "whole image": "always the whole image",
    "centred disc": "always a disc in the middle",
}


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
    """The path, of a page in a folder that exists."""
    check_path(path)
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"`path` must be a file, such as 'report.html'. Received: the folder '{path}'"
        )
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            "`path` must end in '.html', or no browser opens it as a page. Received: "
            f"path='{path}'. Call it '{path.with_suffix('.html').name}'."
        )
    return path


def thumbnails(dataset, longest):
    """JPEG of every image as base64, its longer side at most `longest` pixels."""
    from PIL import Image

    result = []
    for i in range(len(dataset)):
        image = Image.fromarray(dataset.image(i))
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=_QUALITY)
        result.append(base64.b64encode(file.getvalue()).decode("ascii"))
    return result


def write(environment, path, content, reports, title, trained_counts):
    """Fills the template in and writes the page; the file appears when it is complete.

    Returns:
        The path.
    """
    import markupsafe

    groups = content["networks"][0]["groups"]
    parts = [
        {"category": category, "follows": follows}
        for key, category, follows in zip(
            groups["keys"], groups["categories"], groups["follows"], strict=True
        )
        if key
    ]
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    script = "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
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
        verdict=verdict(reports, parts),
        words=words(reports),
        warnings=trained(reports, trained_counts),
        shown=len(content["labels"]),
        total=reports[0].values["images"],
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
        if any(known(row.get(key)) for row in rows)
    ]


def _rows(reports):
    """Networks, then trivial detectors: name, what it is, and the text of every measure."""
    result = []
    keys = [key for key, *_ in MEASURES]
    for number, row in enumerate(reports[0].table(*reports[1:])):
        # Of a detector that looks at nothing, annotated parts alone tell something.
        if number >= len(reports) and not any(known(row.get(key)) for key in keys):
            continue
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
                    if known(row.get(key))
                    else ""
                    for key, *_ in MEASURES
                },
            }
        )
    return result

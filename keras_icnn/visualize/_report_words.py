"""What a report says in words: the verdict at its top, and the figures explained."""

import math
from collections import Counter

from keras_icnn.explanations._filter_groups import names_of
from keras_icnn.metrics._training_mark import unmarked

_BITS = ("one bit", "every landmark")
# R2 of the typical filter from which on a word is said of it.
_CLOSELY, _LOOSELY = 0.75, 0.4
# Points of accuracy below which two networks count as equally good.
_SAME = 0.005


def verdict(reports, parts):
    """The verdict for a reader who knows none of the measures.

    Args:
        reports: list of `EvaluationReport`, the network's first, then the one it is compared with.
        parts: list of dicts of the network's own parts, `category` and `follows` (a landmark or
            ""); empty where the layer has none.

    Returns:
        List of (question, short answer, explanation), texts.
    """
    found = [_how_many(reports[0], parts), _how_well(reports), _at_what_cost(reports)]
    return [entry for entry in found if entry is not None]


def _how_many(report, parts):
    question = "How many different parts?"
    filters = len(report.filters["filter"])
    categories = len({part["category"] for part in parts})
    formed = ""
    if parts:
        formed = (
            f"Its {_plural(filters, 'filter')} form {_plural(len(parts), 'part')} of "
            f"{'one category' if categories == 1 else f'{categories} categories'}. "
        )
    if not _measured(report):
        answer = _plural(len(parts), "part") if parts else _plural(filters, "filter")
        return (
            question,
            answer,
            f"{formed}These images have no annotated parts, so nothing measures whether they are "
            "real parts: look at them.",
        )
    counts = Counter(name for name in names_of(report, filters) if name)
    followed = [name for name, count in counts.most_common() if count >= filters / 20]
    total = len(report.landmarks)
    answer = f"{len(followed)} of {total} annotated parts"
    text = formed + (
        f"They follow the {_listed(followed)}. " if followed else "They follow none of them. "
    )
    missing = [name for name in report.landmarks if name not in followed]
    if followed and missing:
        text += f"No part follows the {_listed(missing, 'or')}. "
    if len(followed) == 1 and len(parts) > categories:
        text += (
            f"Parts that all follow the {followed[0]} are places beside it, at a steady distance: "
            "they are not different parts of the body."
        )
    return question, answer, text.strip()


def _how_well(reports):
    own = reports[0]
    if not _measured(own):
        return None
    r2 = own.values["r2_median"]
    word = (
        "Not at all"
        if r2 <= 0
        else "Hardly"
        if r2 < _LOOSELY
        else "Loosely"
        if r2 < _CLOSELY
        else "Closely"
    )
    text = (
        f"When a part moves, the place where the typical filter fires follows {_share(r2)} of the "
        "movement. A fixed place follows 0%, the part itself 100%."
    )
    bit = own.trivial.get("one bit", {}).get("r2", math.nan)
    if known(bit) and bit > 0:
        text += f" Whoever knows only {_one_bit(own)} follows {bit:.0%}"
        text += ", which is no less." if bit >= r2 else "."
    for other in reports[1:]:
        text += f" The filters of {other.name} follow {_share(other.values['r2_median'])}."
    return "How well are they followed?", word, text


def _at_what_cost(reports):
    accuracy = [report.values["accuracy"] for report in reports]
    if not all(map(known, accuracy)):
        return None
    images = _plural(reports[0].values["images"], "image")
    said = f"It classifies {accuracy[0]:.1%} of {images} rightly"
    if len(reports) == 1:
        return "How often is it right?", f"{accuracy[0]:.1%}", f"{said}."
    lost = accuracy[1] - accuracy[0]
    points = f"{100 * abs(lost):.1f} points"
    answer = "Nothing" if abs(lost) <= _SAME else points if lost > 0 else f"It gained {points}"
    return (
        "What did it cost in accuracy?",
        answer,
        f"{said}, {reports[1].name} {accuracy[1]:.1%}.",
    )


def words(reports):
    """What the figures say, whatever they are: a list of sentences."""
    own, others = reports[0], reports[1:]
    result = []
    if _measured(own):
        if len(own.landmarks) > 1 and known(own.values["coverage"]):
            result.append(_coverage(reports))
        counts = "; ".join(f"{report.name}: {landmarks(report)}" for report in reports)
        result.append(f"Filters that follow a part (R² above one half): {counts}.")
    if others and all(known(r.values["diversity"]) for r in reports):
        apart = [r.values["diversity"] for r in reports]
        if apart[0] < 0.7 * apart[1]:
            result.append(
                f"The peaks of two filters of {own.name} are {apart[0]:.0%} of the image's "
                f"diagonal apart, those of {others[0].name} {apart[1]:.0%}: many filters of "
                f"{own.name} look at one place. They are not as many parts as there are filters."
            )
    return result


def trained(reports, counts):
    """A warning for each network that was trained on some of the images, a list of sentences.

    Args:
        reports: list of `EvaluationReport`.
        counts: for each, how many of the images it was trained on; None: not known.
    """
    return [
        f"{unmarked(report.name)} was trained on {count} of the {report.values['images']} images: "
        "figures on images that a network has seen are better than it deserves. Measure it on "
        "others."
        for report, count in zip(reports, counts, strict=True)
        if count
    ]


def known(value):
    """Whether a figure is one."""
    return value is not None and math.isfinite(value)


def landmarks(report):
    """Which landmarks how many filters follow, in words."""
    total = len(report.filters["filter"])
    counts = Counter(name for name in names_of(report, total) if name)
    if not counts:
        return f"none of {total}"
    listed = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{counts.total()} of {total} ({listed})"


def _measured(report):
    return known(report.values["r2_median"])


def _share(r2):
    return f"{r2:.0%}" if r2 > 0 else "nothing"


def _one_bit(report):
    if "head" in report.landmarks:
        return "whether the head is on the left or on the right"
    return "which way the landmarks face"


def _coverage(reports):
    own = reports[0]
    said = "; ".join(f"{r.name} {r.values['coverage']:.0%}" for r in reports)
    text = f"How much of all landmarks' movement their best filters follow: {said}."
    bounds = [own.trivial.get(name, {}).get("coverage", math.nan) for name in _BITS]
    if all(known(value) for value in bounds):
        text += " One bit would follow {:.0%}, a detector of every landmark {:.0%}.".format(*bounds)
    return text


def _plural(count, one):
    return f"{count} {one if count == 1 else one + 's'}"


def _listed(names, last="and"):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"

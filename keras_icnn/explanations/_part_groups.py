"""Groups of filters where the layer itself says which part each filter was assigned to."""

from collections import Counter
from dataclasses import replace

import numpy as np

from keras_icnn.explanations._filter_groups import FilterGroups, named_groups, names_of


def member_groups(membership, classes, others=None):
    """One group for each part of each category, in this order; then the filters without a part.

    Args:
        membership: `PartMembership`.
        classes: `Classes`, which names the categories.
        others: groups (tuples of filter numbers) of which the filters without a part are together;
            None: each of them is alone.

    Returns:
        `FilterGroups` without names; `keys` such as "tiger/0".
    """
    members = {}
    for f, place in enumerate(zip(membership.category, membership.part, strict=True)):
        if place[1] >= 0:
            members.setdefault((int(place[0]), int(place[1])), []).append(f)
    keys = sorted(members)
    left = set(np.flatnonzero(membership.part < 0).tolist())
    others = [(f,) for f in sorted(left)] if others is None else others
    rest = [tuple(f for f in group if f in left) for group in others]
    rest = [group for group in rest if group]
    return FilterGroups(
        [tuple(members[key]) for key in keys] + rest,
        [""] * (len(keys) + len(rest)),
        "membership",
        [classes.part_key(*key) for key in keys] + [""] * len(rest),
    )


def named_parts(groups, membership, given, names=None, report=None, categories=None):
    """Names the parts of a layer, by whatever is known of them.

    Args:
        groups: `FilterGroups` from `member_groups`.
        membership: `PartMembership`.
        given: dict of (number of the category, number of the part) to the name it was given.
        names: str `[filters]`, what somebody says of each filter, or None.
        report: `EvaluationReport` that says which landmarks filters follow, or None.
        categories: int `[filters]`, or None.

    Returns:
        `FilterGroups`.
    """
    if report is not None:
        follows = names_of(report, len(membership.category))
        groups = named_by_majority(groups, follows, report.filters["alive"], categories)
    elif names is not None:
        return named_as_given(groups, names, categories)
    return named_by_people(groups, given, membership)


def named_by_majority(groups, names, alive, categories=None):
    """Names each part after the landmark that at least half of its living filters follow.

    Filters without a part are grouped by their names, as in an ordinary layer.

    Args:
        groups: `FilterGroups` from `member_groups`.
        names: str `[filters]`, the landmark that each filter follows, or "".
        alive: bool `[filters]`.
        categories: int `[filters]`, or None.

    Returns:
        `FilterGroups`.
    """
    both = list(zip(groups.groups, groups.keys, strict=True))
    parts, rest = ([group for group, key in both if bool(key) == has] for has in (True, False))
    keys = [key for key in groups.keys if key]
    without = {f for group in rest for f in group}
    own = [name if f in without else "" for f, name in enumerate(names)]
    rest = named_groups(rest, own, categories)
    return FilterGroups(
        parts + rest.groups,
        [_majority([names[f] for f in group if alive[f]]) for group in parts] + rest.names,
        "membership",
        keys + [""] * len(rest.groups),
    )


def named_as_given(groups, names, categories=None):
    """Names the filters as somebody says: what is said wins over the membership.

    Filters of one given name and category are one part. A part of the layer stays together where
    all its filters have the same name, or none.

    Args:
        groups: `FilterGroups` from `member_groups`.
        names: str `[filters]`, "" where nothing is said.
        categories: int `[filters]`, or None.

    Returns:
        `FilterGroups`, by "membership" where it has the groups of the layer still.
    """
    key_of = dict(zip(groups.groups, groups.keys, strict=True))
    found = named_groups(groups.groups, names, categories)
    same = set(found.groups) == set(groups.groups)
    return FilterGroups(
        found.groups,
        found.names,
        "membership" if same else "annotation",
        [key_of.get(group, "") for group in found.groups],
    )


def named_by_people(groups, given, membership):
    """The names that parts were given, in place of the annotated parts that they follow.

    Where several parts of a category follow the same annotated part, their keys tell them apart:
    "torso (fox/3)".

    Args:
        groups: `FilterGroups` from `member_groups`, or of the same parts with names.
        given: dict of (number of the category, number of the part) to the name.
        membership: `PartMembership`.

    Returns:
        `FilterGroups`; `follows` has the annotated parts still.
    """
    names = list(groups.names)
    category = [int(membership.category[group[0]]) for group in groups.groups]
    shared = Counter(
        (category[number], names[number]) for number, key in enumerate(groups.keys) if key
    )
    for number, (group, key) in enumerate(zip(groups.groups, groups.keys, strict=True)):
        if not key:
            continue
        if names[number] and shared[category[number], groups.names[number]] > 1:
            names[number] = f"{names[number]} ({key})"
        place = category[number], int(membership.part[group[0]])
        names[number] = given.get(place, names[number])
    return replace(groups, names=names, follows=list(groups.names))


def _majority(names):
    """The name that at least half of the names are, and more of them than are another; or ""."""
    counts = Counter(name for name in names if name).most_common(2)
    if not counts or 2 * counts[0][1] < len(names):
        return ""
    tie = len(counts) > 1 and counts[1][1] == counts[0][1]
    return "" if tie else counts[0][0]

"""Which cases of a test always run, and which only with the slow ones."""

import pytest


def slow_except(kept, cases, ids=str):
    """Parameters of a test: those whose name is in `kept` are medium, the others slow."""
    unknown = set(kept) - {ids(case) for case in cases}
    assert not unknown, unknown
    return [
        pytest.param(
            case, id=ids(case), marks=pytest.mark.medium if ids(case) in kept else pytest.mark.slow
        )
        for case in cases
    ]

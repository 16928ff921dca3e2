"""Results as text."""

from keras_icnn import recipes


def row(variant, kind="network", beside="", **figures):
    return {"variant": variant, "kind": kind, "beside": beside, "category": "fox", "seed": 0} | {
        key: str(value) for key, value in figures.items()
    }


def test_comparison_by_hand():
    ordinary = row("twin", accuracy=0.9, instability=0.1, diversity=0.4, part_interpretability=0.1)
    mine = row(
        "mine", accuracy=0.88, instability=0.05, diversity=0.1, part_interpretability=0.5, r2=0.5
    )
    whole = row("whole image", "trivial detector", "mine", part_interpretability=0.3)
    other = row("whole image", "trivial detector", "twin", part_interpretability=0.9)
    taught = row("taught", "supervised detector", r2=0.75)
    line = recipes.compare([ordinary, mine, whole, other, taught]).splitlines()[-1].split()
    assert line == ["mine", "1", "-2.0", "-", "0.50", "0.25", "+0.20", "-0.25", "-"]

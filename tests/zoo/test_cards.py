"""Model cards: one a network, with the manifest's numbers."""

from pathlib import Path

import pytest

from keras_icnn.zoo._manifest import MANIFEST

CARDS = Path(__file__).resolve().parents[2] / "zoo" / "cards"
SECTIONS = (
    "## Architecture",
    "## What is interpretable",
    "## Weights",
    "## Preprocessing",
    "## How to train",
    "## Measured results",
)


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_card(name):
    text = (CARDS / f"{name}.md").read_text()
    card = MANIFEST[name]
    assert text.startswith(f"# {card.title}\n")
    assert card.reference in text
    assert f"{card.parameters:,}" in text and f"{card.parameters_without_top:,}" in text
    positions = [text.index(section) for section in SECTIONS]
    assert positions == sorted(positions)


def test_no_card_without_a_network():
    assert {path.stem for path in CARDS.glob("*.md")} == set(MANIFEST)

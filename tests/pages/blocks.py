"""The code blocks of the pages, with what a page says of how they are tested.

A line `<!-- parsed: WHY -->` before a block means that it is not run, and why. All other blocks of
Python are run, with the small stand-ins of `stand_ins.py`.
"""

import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCE = re.compile(
    r"(?:<!-- parsed: (?P<why>[^>]+) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """One fenced block: its language, its text, the line it is on, why it is not run."""

    language: str
    code: str
    line: int
    not_run: str | None


def blocks(page, language):
    """The blocks of a page in a language, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["language"], dedent(m["code"]), text[: m.start("code")].count("\n") + 1, m["why"])
        for m in _FENCE.finditer(text)
        if m["language"] == language
    ]


def pages_with(language):
    return [page for page in PAGES if blocks(page, language)]


def name(page):
    return str(page.relative_to(ROOT))

"""Writes anew what pages take from elsewhere: options, networks, measured results.

A page says `<!-- written: NAME -->`; what lies between that line and `<!-- end -->` is replaced:

    python tests/write_pages.py
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "pages"), str(ROOT / "tests")]

import faithfulness_tables  # noqa: E402
import network_table  # noqa: E402
import result_tables  # noqa: E402
import write_option_table  # noqa: E402

BLOCKS = {
    "options": write_option_table.table,
    "networks": network_table.table,
    "readme": result_tables.readme,
    "birds": result_tables.birds,
    "paper on birds": result_tables.paper_on_birds,
    "vgg16": result_tables.vgg16,
    "alexnet_v2": result_tables.alexnet_v2,
    "vgg16 animals": result_tables.vgg16_animals,
    "six categories": result_tables.six_categories,
    "sixteen categories": result_tables.sixteen_categories,
    "mobilenet": result_tables.mobilenet,
    "six in one": result_tables.six_in_one,
    "animals": result_tables.animals,
    "ablation": result_tables.ablation,
    "faithfulness, interpretable": faithfulness_tables.faithful_interpretable,
    "faithfulness, ordinary": faithfulness_tables.faithful_ordinary,
    "faithfulness, vgg16": faithfulness_tables.faithful_vgg16,
    "faithfulness, outside": faithfulness_tables.outside,
    "faithfulness, flags": faithfulness_tables.flags,
    "faithfulness, pointing": faithfulness_tables.pointing,
    "faithfulness, corruptions": faithfulness_tables.corruptions,
    "first hour": result_tables.first_hour,
    "paper beside mask": result_tables.paper_beside_mask,
}
_BLOCK = re.compile(r"(<!-- written: ([^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages():
    """The README, and every page of the site."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text):
    """A page's text with its written parts made anew."""
    return _BLOCK.sub(lambda m: f"{m[1]}\n{BLOCKS[m[2]]().strip()}\n\n{m[3]}", text)


def used(text):
    """The names of the parts that a page takes from elsewhere."""
    return [name for _, name, _ in _BLOCK.findall(text)]


if __name__ == "__main__":
    for page in pages():
        before = page.read_text(encoding="utf-8")
        if filled(before) != before:
            page.write_text(filled(before), encoding="utf-8")
            print(page.relative_to(ROOT))

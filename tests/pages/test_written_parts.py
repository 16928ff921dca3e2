"""Pages hold what the code, the recipes and the published results say."""

import pytest
from write_pages import BLOCKS, ROOT, filled, pages, used


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_written_parts_are_up_to_date(page):
    text = page.read_text(encoding="utf-8")
    assert text == filled(text), "run: python tests/write_pages.py"


def test_every_part_is_on_a_page():
    shown = {name for page in pages() for name in used(page.read_text(encoding="utf-8"))}
    assert shown == set(BLOCKS)

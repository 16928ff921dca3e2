"""The README is short, and what it names is there; pages begin with what they are for."""

import re

import pytest
from write_pages import ROOT, pages

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def test_at_most_700_words():
    assert len(README.split()) <= 700


def test_the_test_command_is_the_block_after_its_mark():
    (block,) = re.findall(r"^<!-- test command -->\n```bash\n(.*?)^```$", README, re.M | re.S)
    assert block.count("\n") == 1 and block.rstrip().endswith("tests/run_all.py")


def test_links_lead_to_files_of_the_repository():
    targets = [target for target in LINK.findall(README) if not re.match(r"\w+:", target)]
    assert len(targets) > 10
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_images_say_what_they_show():
    images = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    assert len(images) >= 2
    for text, path in images:
        assert len(text.split()) > 8 and (ROOT / path).is_file()


@pytest.mark.parametrize("page", pages()[1:], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_begins_with_what_it_is_for(page):
    title, empty, first, *_ = page.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ") and empty == ""
    assert re.match(r"[A-Z`]", first) and len(first.split()) > 5

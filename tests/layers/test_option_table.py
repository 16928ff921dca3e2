"""The documentation says which rules read an option, as the rules have it."""

from write_constraints import ROOT
from write_option_table import table


def test_the_page_has_the_table_of_the_rules():
    page = (ROOT / "docs" / "reference" / "filter_loss.md").read_text(encoding="utf-8")
    fix = "`python tests/write_option_table.py` prints the table for docs/reference/filter_loss.md"
    assert table() in page, fix

"""The reference of recipes names every key, as their definitions have them."""

import dataclasses
import re

from write_recipe_reference import PAGE, TABLES, page

from keras_icnn.recipes._format import Variant


def test_the_page_is_the_one_that_the_script_writes():
    fix = "run `python tests/write_recipe_reference.py`"
    assert PAGE.read_text(encoding="utf-8") == page(), fix


def test_every_key_has_a_row():
    rows = re.findall(r"^\| `(\w+)` \|", page(), re.M)
    kinds = [*(kind for _, kind in TABLES), Variant]
    expected = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    assert rows == ["title", "seeds", *expected]


def test_rows_say_type_default_and_choices():
    text = page()
    assert '| `schedule` | string | `"cosine"` |' in text
    assert "one of `cosine`, `constant`, `geometric` |" in text
    assert '| `train_on` | list of strings | `["train"]` |' in text
    assert "| `name` | string | must be given |" in text
    assert "| `flip` | true or false | `false` |" in text

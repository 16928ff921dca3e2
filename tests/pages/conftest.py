"""Tests of pages share what writes them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

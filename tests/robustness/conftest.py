"""The slow and the hostile: this folder breaks things on purpose."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

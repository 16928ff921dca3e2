"""What the zoo's tests share."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def data():
    """The folder of development data; tests that need it skip where it is absent."""
    if not (DATA / "weights").is_dir():
        pytest.skip("the development data (../shared/data beside the repository) is not here")
    return DATA

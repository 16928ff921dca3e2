"""What the zoo's tests share."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def pytest_configure(config):
    # Keras 3.15 under NumPy 2 warns on every `save_weights` with TensorFlow.
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    )


@pytest.fixture(scope="session")
def data():
    """The folder of development data; tests that need it skip where it is absent."""
    if not (DATA / "weights").is_dir():
        pytest.skip("the development data (../shared/data beside the repository) is not here")
    return DATA

"""What the tests of the measures share."""


def pytest_configure(config):
    # Keras 3.15 itself converts torch tensors in the way NumPy 2 warns about.
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    )

import pytest

from tests.devices import pretended


@pytest.fixture(autouse=True)
def there():
    """The pretended device."""
    with pretended.pretending() as device:
        yield device

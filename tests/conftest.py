import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """No test reads or writes the user's cache; what is expensive is made once a session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield

import os

import pytest
from hypothesis import settings

# No test fails for want of time on a busy machine; in CI (.ci/run, or a service that sets CI) examples are the same
# every time, elsewhere new ones are looked for.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """No test reads or writes the user's cache; what is expensive is made once a session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield

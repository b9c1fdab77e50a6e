"""The OpenAPI document holds: schemathesis sends what it allows and what it does not, and looks at every answer."""

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from scanwise.app.service.application import application
from scanwise.app.service.settings import Settings
from tests.app.service_scene import write_room

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_room(folder)
    (folder / ".scanwise").mkdir()
    app = application(Settings(root=folder, state=folder / ".scanwise", hosts=(), upload=1e6))
    yield schemathesis.openapi.from_asgi("/api/openapi.json", app)
    app.state.engine.close()


def test_every_answer_is_as_the_document_says(document):
    # Not by schemathesis' own pytest plugin, which pytest 9 does not suit.
    asked = 0
    for found in document.get_all_operations():

        @settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
        @given(case=found.ok().as_strategy())
        def as_said(case):
            case.call_and_validate(checks=CHECKS)

        as_said()
        asked += 1
    assert asked > 20

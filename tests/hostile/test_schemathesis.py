"""Requests made up from our own OpenAPI document: each answer is one that it promises."""

import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.http_calls import PNG
from tests.support.images import pictures

pytestmark = pytest.mark.slow

GETS = ["/models", "/metrics", "/livez", "/readyz", "/v2/repository/index"]
POSTS = ["/classify", "/price", "/classify/batch", "/price/batch"]
# Off unless switched on: answered 404 and 403.
OTHERS = ["/feedback", *(f"/v2/repository/models/{{name}}/{verb}" for verb in ("load", "unload"))]
OWN = {*GETS, *POSTS, *OTHERS}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FILES = [PNG, PNG[:300], b"", b"text", pictures.encoded(pictures.landscape(90, 60), "JPEG")]

schemathesis.openapi.format("binary", st.one_of(st.binary(max_size=200), st.sampled_from(FILES)))
for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, st.sampled_from(FILES))


@pytest.fixture(scope="module")
def document(attacked):
    return schemathesis.openapi.from_url(f"{attacked.url}/docs.json")


def ask(operation, mode, examples=60, **path_parameters):
    """Send what schemathesis makes up; the statuses that came back, each of them as promised."""
    seen = set()

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def sent(case):
        case.path_parameters = {**case.path_parameters, **path_parameters}
        seen.add(case.call_and_validate(checks=CHECKS).status_code)

    sent()
    return seen


def test_the_document_knows_every_call(document):
    paths = {result.ok().path for result in document.get_all_operations()}

    assert paths >= OWN
    assert "/hf/{name}" in paths


@pytest.mark.parametrize("path", GETS)
def test_what_is_asked_without_a_body_is_answered_as_promised(document, path):
    document[path]["GET"].Case().call_and_validate(checks=CHECKS)


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *itertools.product([*POSTS, "/feedback"], GenerationMode),
        # Any name may be a model's and no body is asked for: nothing to be sent otherwise.
        *((path, GenerationMode.POSITIVE) for path in OTHERS if path != "/feedback"),
    ],
)
def test_what_is_posted_is_answered_as_promised(document, path, mode):
    """Both as the document describes and, in the negative mode, otherwise."""
    seen = ask(document[path]["POST"], mode)

    if path in POSTS:
        assert 400 in seen if mode is GenerationMode.NEGATIVE else 200 in seen


@pytest.mark.parametrize("mode", GenerationMode)
def test_protocols_answer_as_they_promise(document, mode):
    """Of a model that there is: the name is never what is wrong."""
    foreign = [result.ok() for result in document.get_all_operations()]
    foreign = [operation for operation in foreign if operation.path not in OWN]
    assert foreign

    for operation in foreign:
        if operation.body or mode is GenerationMode.POSITIVE:
            named = {"name": "digits-cnn"} if "{name}" in operation.path else {}
            assert ask(operation, mode, examples=20, **named)  # there are forty of them

"""Malformed requests to foreign protocols: each is told so in the protocol's own form, and nothing leaks."""

import json

import pytest

from loadtests.hostile.doors import all_requests
from loadtests.server import REPO
from tests.support.http_calls import PNG

REQUESTS = all_requests(PNG)


@pytest.mark.parametrize("door", sorted({sent.name.partition("-")[0] for sent in REQUESTS}))
def test_each_is_answered_as_it_should(tell, door):
    """All of a door in one test: they are hundreds, and the fixtures around each would take longer."""
    for sent in (one for one in REQUESTS if one.name.partition("-")[0] == door):
        answers = tell(sent.data)

        assert sent.allows([answer.status for answer in answers]), (sent.name, answers)
        body = answers[0].body.decode()
        assert "Traceback" not in body, sent.name
        assert str(REPO) not in body, sent.name
        if answers[0].status >= 400:
            told = json.loads(body)
            assert isinstance(told.get("error", told.get("message")), str), sent.name  # MLflow's is `message`


def test_names_are_told_apart():
    assert len({sent.name for sent in REQUESTS}) == len(REQUESTS) > 500

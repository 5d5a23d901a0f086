"""Feedback over a real server: a line in the prediction log, or a word of what is wrong with it."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests.server import serving
from tests.support.http_calls import CLIENT
from tests.support.log_folder import lines_of, tell, written


@pytest.fixture(scope="module")
def logging_server(zoo, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server that logs predictions and feedback, and where; nobody else writes there."""
    folder = tmp_path_factory.mktemp("logged") / "new" / "folder"
    with serving(zoo, folder.parent.parent / "server.log", prediction_log=str(folder)) as url:
        yield url, folder


@pytest.mark.parametrize(
    "feedback",
    [
        {"request_id": "order-1", "truth": "7"},
        {"request_id": "order-1", "truth": 23500},
        {"request_id": "order-1", "truth": 0.5, "index": 0},
        {"request_id": "never-seen", "truth": "é" * 100, "index": 255},
    ],
)
def test_feedback_is_a_line(logging_server, feedback):
    url, folder = logging_server
    before = lines_of(folder)
    answer = tell(url, **feedback)
    (line,) = [line for line in written(folder, len(before) + 1) if line not in before]

    assert answer.status_code == 202
    assert answer.json() == feedback
    assert set(line) == {"feedback"}
    assert line["feedback"].pop("time").endswith("Z")
    assert line["feedback"] == feedback


MALFORMED = {
    "empty": b"",
    "no-object": b"[]",
    "broken": b"{",
    "no-text": b"\xff\xfe",
    "deep": b"[" * 4000,
    "no-id": b'{"truth": "7"}',
    "no-truth": b'{"request_id": "a"}',
    "line-in-the-id": b'{"request_id": "a\\n", "truth": "7"}',
    "path-as-id": b'{"request_id": "../a", "truth": "7"}',
    "number-as-id": b'{"request_id": 5, "truth": "7"}',
    "empty-truth": b'{"request_id": "a", "truth": ""}',
    "long-truth": b'{"request_id": "a", "truth": "%s"}' % (101 * b"x"),
    "negative": b'{"request_id": "a", "truth": -1}',
    "zero": b'{"request_id": "a", "truth": 0}',
    "infinite": b'{"request_id": "a", "truth": 1e999}',
    "huge": b'{"request_id": "a", "truth": %s}' % (1000 * b"9"),
    "nan": b'{"request_id": "a", "truth": NaN}',
    "boolean": b'{"request_id": "a", "truth": true}',
    "null": b'{"request_id": "a", "truth": null}',
    "list": b'{"request_id": "a", "truth": ["7"]}',
    "index": b'{"request_id": "a", "truth": "7", "index": -1}',
    "index-text": b'{"request_id": "a", "truth": "7", "index": "1"}',
    "more": b'{"request_id": "a", "truth": "7", "more": 1}',
}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b'{"request_id": "a", "truth": "7"}', "text/plain", id="another-type"),
        pytest.param(b'{"request_id": "a", "truth": "7"}', None, id="no-type"),
        *(pytest.param(body, "application/json", id=name) for name, body in MALFORMED.items()),
    ],
)
def test_malformed_feedback_is_told_how(logging_server, body, content_type):
    url, folder = logging_server
    before = lines_of(folder)
    headers = {"Content-Type": content_type} if content_type else {}
    answer = CLIENT.post(f"{url}/feedback", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith('Send {"request_id"')
    assert len(answer.json()["detail"]) < 300
    assert lines_of(folder) == before


def test_feedback_is_small_and_posted(logging_server):
    url, _ = logging_server
    large = CLIENT.post(f"{url}/feedback", content=bytes(5000), headers={"Content-Type": "application/json"})

    assert (large.status_code, large.json()["title"]) == (413, "Too large")
    assert CLIENT.get(f"{url}/feedback").status_code == 405


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=120),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["request_id", "truth", "index", "x"]), JSON, max_size=4)
    | st.fixed_dictionaries({"request_id": st.just("a"), "truth": st.text(max_size=101) | st.floats()})
)
def test_whatever_is_told_is_taken_or_refused(logging_server, feedback):
    url, _ = logging_server
    body = json.dumps(feedback).encode()
    answer = CLIENT.post(f"{url}/feedback", content=body, headers={"Content-Type": "application/json"})
    truth = feedback.get("truth")
    fine = (
        (isinstance(truth, str) and 1 <= len(truth) <= 100)
        or (isinstance(truth, float) and math.isfinite(truth) and truth > 0)
    )  # fmt: skip

    assert answer.status_code in ((202,) if fine and set(feedback) == {"request_id", "truth"}
                                  and feedback["request_id"] == "a" else (202, 400, 413))  # fmt: skip

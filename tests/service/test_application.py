"""The parts of a process together: what is refused early, and when a worker is ready."""

import asyncio

import pytest

from models.model import ZOO
from service.api.refusal import EarlyRefusals
from service.application import Application
from service.monitoring.shared.folder import SHARED_FOLDER
from service.monitoring.shared.worker_group import WorkerGroup
from service.settings import Settings

BODY = b"not looked at"
HEAD = b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: %d\r\n" % len(BODY)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "digits-linear.onnx").symlink_to(ZOO / "digits-linear.onnx")
    return folder


@pytest.fixture
def opened(zoo, monkeypatch):
    """Opens an application whose model takes two pictures at a time."""
    monkeypatch.delenv(SHARED_FOLDER, raising=False)
    settings = Settings(models_dir=zoo, device="cpu", queue_limit=2)
    return lambda group=None: Application.open(settings, group)


def test_what_one_turn_of_the_loop_lets_through_counts_at_once(opened):
    """Its tasks, which take the places, begin after the turn."""

    async def scenario():
        refusals = EarlyRefusals(opened())
        first = [refusals.of_head(b"/classify", []) for _ in range(3)]
        await asyncio.sleep(0)  # the turn is over; no task has taken a place
        return first, refusals.of_head(b"/classify", [])

    (one, two, three), next_turn = asyncio.run(scenario())
    assert (one, two, next_turn) == (None, None, None)
    assert three.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n",
        HEAD + b"Expect: 100-continue\r\n",
        HEAD + b"Connection: close\r\n",
        HEAD + b"X-Request-ID: order-66\r\n",
        HEAD + b"content-length: 3\r\n",
        HEAD.replace(b"POST", b"PUT"),
        HEAD.replace(b"%d" % len(BODY), b"%d" % (len(BODY) + 1)),
        HEAD.replace(b"%d" % len(BODY), b"+%d" % len(BODY)),
        HEAD.replace(b"Content-Length:", b"Content-Length :"),
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_only_plain_requests_are_refused_unparsed(opened, head):
    """Of others only the parser knows where they end, or what else they ask for."""
    application = opened()
    refusals = EarlyRefusals(application)
    with application.catalog.classifier(None).admission.slot():
        assert refusals.of_whole(HEAD + b"\r\n" + BODY) is None  # there is room
        with application.catalog.classifier(None).admission.slot():
            assert refusals.of_whole(HEAD + b"\r\n" + BODY).startswith(b"HTTP/1.1 503 ")
            assert refusals.of_whole(head + b"\r\n" + BODY) is None


def test_a_worker_is_ready_where_all_are(opened):
    group = WorkerGroup(2)
    application = opened(group)
    assert application.unready_reason == ""
    group.become(1)
    group.unready.own = 1
    group.become(0)
    assert "another worker" in application.unready_reason
    group.forget(1)
    assert application.unready_reason == ""

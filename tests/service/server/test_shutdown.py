"""How a process ends: on a signal under load, and killed under load."""

import os
import signal
import subprocess
import time
from functools import partial

import httpx
import pytest

from loadtests.server import REPO, SERVING, free_port, serving, wait_until_ready
from models.model import ZOO
from tests.support.clients.load_clients import Clients
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures
from tests.support.processes import has_ended, server_of, workers_of
from tests.support.waiting import WITHIN_S, wait_until

pytestmark = pytest.mark.slow


def ask(client: httpx.Client, path: str = "/classify", picture: bytes = PNG) -> str:
    try:
        return str(client.post(path, files={"image": picture}).status_code)
    except httpx.ConnectError:
        time.sleep(0.02)
        return "refused"  # it was never accepted: nothing was lost
    except httpx.TransportError as error:
        return f"lost: {error!r}"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_ends_under_load_loses_nothing(tmp_path, workers):
    log = tmp_path / "log"
    photo = pictures.encoded(pictures.landscape(1600, 1200), "JPEG")
    ask_about_photos = partial(ask, path="/price", picture=photo)
    settings = {"workers": str(workers), "drain_seconds": "4", "deadline_ms": "120000"}
    with serving(ZOO, log, **settings) as url:
        server = server_of(url)
        with Clients(url, 8, ask_about_photos) as clients:
            clients.wait_for(50)
            assert CLIENT.get(f"{url}/readyz").status_code == 200
            os.kill(server, signal.SIGTERM)
            answer = wait_until(lambda: unready(url))
            assert answer.status_code == 503
            assert "about to end" in answer.json()["detail"]
            assert answer.headers["connection"] == "close"
            clients.wait_for(8, "refused")
            wait_until(lambda: has_ended(server))
        assert set(clients.outcomes) == {"200", "refused"}, clients.outcomes


def unready(url: str) -> httpx.Response | None:
    """The response of /readyz, once it is not 200 any more."""
    answer = CLIENT.get(f"{url}/readyz")
    return None if answer.status_code == 200 else answer


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_the_exit_code_is_zero(tmp_path, workers, signum):
    log = tmp_path / "log"
    port = free_port()
    environment = {**os.environ, "GLIMPSE_WORKERS": str(workers)}
    with log.open("w") as output:
        process = subprocess.Popen(
            [SERVING / "python", "-m", "service", "--port", str(port)],
            cwd=REPO,
            env=environment,
            stdout=output,
            stderr=output,
        )
        wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        process.send_signal(signum)
        assert process.wait(WITHIN_S) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_a_killed_worker_takes_only_its_own_requests_with_it(tmp_path):
    with serving(ZOO, tmp_path / "log", workers="2") as url:
        before = workers_of(url)
        with Clients(url, 8, ask) as clients:
            clients.wait_for(100)
            os.kill(before[0], signal.SIGKILL)
            wait_until(lambda: len(set(workers_of(url)) - {before[0]}) == 2)
            clients.wait_for(200)
        lost = sum(count for outcome, count in clients.outcomes.items() if outcome.startswith("lost"))
        assert lost <= 8  # each client has one request under way
        assert set(clients.outcomes) <= {"200"} | {o for o in clients.outcomes if o.startswith("lost")}
        assert CLIENT.get(f"{url}/readyz").status_code == 200

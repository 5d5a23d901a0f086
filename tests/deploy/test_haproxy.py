"""Three replicas behind HAProxy, with the configuration of deploy/haproxy: whatever happens to one replica, a
client that retries once is answered."""

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import onnx
import pytest

from loadtests.server import REPO, SERVING, free_port, wait_until_ready
from models.model import ZOO
from tests.support.clients.load_clients import Clients
from tests.support.http_calls import CLIENT, PNG
from tests.support.waiting import WITHIN_S, wait_until

pytestmark = pytest.mark.slow

MODEL = "digits-linear"


class Replica:
    """One server on a port that stays its own."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._log = log

    def start(self, zoo: Path) -> None:
        environment = {**os.environ, "GLIMPSE_MODELS_DIR": str(zoo)}
        command = [SERVING / "python", "-m", "service", "--port", str(self.port)]
        with self._log.open("a") as output:
            self.process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=output, stderr=output)
        wait_until_ready(f"http://127.0.0.1:{self.port}", self.process, self._log)

    def stop(self, signum: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signum)
            self.process.wait(WITHIN_S)


class Retrying:
    """Asks, and once more on 503 or a refused connection. versions: those that answered."""

    def __init__(self) -> None:
        self.versions: Counter[str] = Counter()

    def __call__(self, client: httpx.Client) -> str:
        outcome = self._once(client)
        if outcome.partition(":")[0] in ("503", "ConnectError"):
            time.sleep(1)  # what Retry-After says
            outcome = self._once(client)
        time.sleep(0.02)
        return outcome

    def _once(self, client: httpx.Client) -> str:
        try:
            answer = client.post("/classify", files={"image": PNG})
        except httpx.TransportError as error:
            return f"{type(error).__name__}: {error}"
        if answer.status_code == 200:
            self.versions[answer.json()["version"]] += 1
        return str(answer.status_code)


def zoo_with(folder: Path, version: str) -> Path:
    folder.mkdir()
    proto = onnx.load(ZOO / f"{MODEL}.onnx")
    for entry in proto.metadata_props:
        card = entry.value
        start = card.index('"version"')
        old = card[start:].split('"')[3]
        entry.value = card.replace(f'"{old}"', f'"{version}"', 1)
    onnx.save(proto, folder / f"{MODEL}.onnx")
    return folder


def answers(url: str) -> bool:
    try:
        return CLIENT.get(url).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def balanced(replicas: list[Replica]) -> Iterator[str]:
    listen = f"127.0.0.1:{free_port()}"
    names = {
        f"REPLICA_{name}": f"127.0.0.1:{replica.port}" for name, replica in zip("ABC", replicas, strict=True)
    }
    process = subprocess.Popen(
        ["haproxy", "-q", "-f", REPO / "deploy" / "haproxy" / "haproxy.cfg"],
        env={**os.environ, "LISTEN": listen, **names},
    )
    try:
        wait_until(lambda: answers(f"http://{listen}/readyz"))
        yield f"http://{listen}"
    finally:
        process.kill()
        process.wait(WITHIN_S)


@pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed: apt-get install haproxy"
)
def test_every_request_is_answered_while_replicas_fail(tmp_path):
    old, new = zoo_with(tmp_path / "old", "old"), zoo_with(tmp_path / "new", "new")
    replicas = [Replica(tmp_path / f"log-{name}") for name in "abc"]
    killed, restarted, vanishing = replicas
    ask = Retrying()
    with ExitStack() as end:
        for replica in replicas:
            replica.start(old)
            end.callback(replica.stop, signal.SIGKILL)
        with balanced(replicas) as url, Clients(url, 6, ask) as clients:
            clients.wait_for(100)

            killed.stop(signal.SIGKILL)
            clients.wait_for(200)
            killed.start(old)
            clients.wait_for(100)

            assert set(ask.versions) == {"old"}
            restarted.stop(signal.SIGTERM)
            assert restarted.process.returncode == 0
            restarted.start(new)
            clients.wait_for(200)
            assert ask.versions["new"] > 0

            # As the balancer sees a partition: connections stand, and nothing comes back any more.
            vanishing.process.send_signal(signal.SIGSTOP)
            clients.wait_for(300)
            vanishing.process.send_signal(signal.SIGCONT)
            clients.wait_for(100)
        assert set(clients.outcomes) == {"200"}, clients.outcomes

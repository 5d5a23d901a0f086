"""The processes of a server: readiness, workers, log lines, spans, clients that hang up."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loadtests.server import REPO, SERVING, free_port, serving
from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG, post
from tests.support.images import pictures
from tests.support.models.hanging import Hang, serving_that_hangs
from tests.support.processes import workers_of
from tests.support.waiting import WITHIN_S, wait_for, wait_until

pytestmark = pytest.mark.slow


def counted(url: str) -> float:
    text = CLIENT.get(f"{url}/metrics").text
    found = re.findall(r'glimpse_requests_total\{call="/classify",status="200"\} (\S+)', text)
    return float(found[0]) if found else 0.0


@pytest.mark.slow
def test_two_workers_answer_as_one(tmp_path):
    with serving(ZOO, tmp_path / "log", workers="2") as url:
        for _ in range(40):
            post(url).raise_for_status()
        assert counted(url) == 40  # whichever of the two is asked
        names = {model["name"] for model in CLIENT.get(f"{url}/models").json()["models"]}
        assert "digits-cnn" in names

        before = workers_of(url)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(set(workers_of(url)) - {before[0]}) == 2)
        for _ in range(20):
            post(url).raise_for_status()
        assert counted(url) == 60
        # What the dead worker had under way is not counted for ever.
        assert 'glimpse_queue_pictures{model="digits-cnn"} 0.0' in CLIENT.get(f"{url}/metrics").text


@pytest.fixture
def bentoml_serve(tmp_path):
    """BentoML's own command on an empty folder of models: its base URL and its log."""
    port, log = free_port(), tmp_path / "bentoml.log"
    environment = {**os.environ, "GLIMPSE_MODELS_DIR": str(tmp_path)}
    command = [SERVING / "bentoml", "serve", "service.service:Glimpse", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=output, stderr=output)
        yield f"http://127.0.0.1:{port}", log
        process.terminate()
        process.wait(WITHIN_S)


@pytest.mark.slow
def test_bentoml_serve_says_why_it_is_not_ready(bentoml_serve):
    """It keeps the process; the probe, every call and the log tell the reason."""
    url, log = bentoml_serve

    def probe() -> httpx.Response | None:
        try:
            return CLIENT.get(f"{url}/readyz")
        except httpx.TransportError:
            return None

    ready = wait_until(probe)
    assert ready.status_code == 503
    assert ready.headers["content-type"] == "application/problem+json"
    assert "No .onnx file" in ready.json()["detail"]
    assert (post(url).status_code, post(url).json()["title"]) == (503, "Not ready")
    assert CLIENT.get(f"{url}/livez").status_code == 200
    assert "No .onnx file" in log.read_text()


class _Collector(BaseHTTPRequestHandler):
    """What an OpenTelemetry collector is to its clients: takes spans over HTTP."""

    spans: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def observed(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server that logs each request as JSON and sends its spans to the collector; and its log."""
    log = tmp_path_factory.mktemp("observed") / "log"
    collector = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with serving(ZOO, log, log_format="json", log_requests="true") as url:
            yield url, log
    collector.shutdown()
    collector.server_close()


def test_logs_are_json_lines_that_name_their_request(observed):
    url, log = observed
    CLIENT.post(f"{url}/classify", files={"image": PNG}, headers={"X-Request-ID": "order-66"})
    CLIENT.post(f"{url}/classify", files={"image": b"text"}, headers={"X-Request-ID": "order-67"})
    wait_until(lambda: "order-67" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert len(lines) > 3
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    said = {line["request_id"]: line["message"] for line in lines if "request_id" in line}
    assert said["order-66"].startswith("POST /classify: 200 in ")
    assert said["order-67"].startswith("POST /classify: 415 in ")


def test_spans_go_to_the_endpoint_that_is_set(observed):
    trace = "0af7651916cd43dd8448eb211c80319c"
    CLIENT.post(
        f"{observed[0]}/classify",
        files={"image": PNG},
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    ).raise_for_status()

    def sent() -> dict[str, Any]:
        return {span.name: span for span in _Collector.spans if span.trace_id.hex() == trace}

    wait_until(lambda: len(sent()) >= 5)
    spans = sent()
    assert set(spans) == {"POST /classify", "decode", "view", "queue", "infer"}
    call = spans["POST /classify"]
    for stage in ("decode", "view", "queue", "infer"):
        assert spans[stage].parent_span_id == call.span_id
        assert call.start_time_unix_nano <= spans[stage].start_time_unix_nano
        assert spans[stage].end_time_unix_nano <= call.end_time_unix_nano + 100_000  # rounding


def send_and_leave(url: str, path: str, content_type: str, body: bytes) -> None:
    host, port = urlsplit(url).hostname, urlsplit(url).port
    head = (
        f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}", "", "",
    )  # fmt: skip
    with socket.create_connection((host, port), timeout=WITHIN_S) as connection:
        connection.sendall("\r\n".join(head).encode() + body)


def dropped(url: str) -> float:
    """Photos that were not computed, as their clients had gone."""
    return counter(url, r'refusals_total\{model="cars-transfer",reason="gone"\}')


def computed(url: str) -> float:
    return counter(url, r'batch_pictures_sum\{model="cars-transfer"\}')


def waiting(url: str) -> float:
    return counter(url, r'glimpse_queue_pictures\{model="cars-transfer"\}')


def counter(url: str, pattern: str) -> float:
    return float(re.findall(rf"{pattern} (\S+)", CLIENT.get(f"{url}/metrics").text)[0])


@pytest.fixture(scope="module")
def hanging(tmp_path_factory) -> Iterator[tuple[str, Hang]]:
    """A server whose models hang while a test wants, and for which no request takes too long."""
    patience = {"batch_seconds": "600", "deadline_ms": "600000", "device": "cpu", "workers": "1"}
    with serving_that_hangs(ZOO, tmp_path_factory.mktemp("hanging"), **patience) as server:
        yield server


PHOTO = pictures.encoded(pictures.landscape(1600, 1200), "JPEG")


def test_a_client_that_hangs_up_is_not_computed(hanging):
    """The model is at work on as many photos as it takes at once; the clients of the others hang up."""
    url, hang = hanging
    before = dropped(url), computed(url)
    hang.every_run()
    for _ in range(30):
        send_and_leave(url, "/price", "image/jpeg", PHOTO)
    wait_for(before[0] + 30, lambda: dropped(url))
    hang.end()
    assert post(url, "/price", PHOTO).status_code == 200
    # One on each core, which was at work when its client left, and the last.
    assert computed(url) - before[1] <= (os.cpu_count() or 1) + 1


def test_a_batch_whose_client_hangs_up_is_not_computed(hanging):
    url, hang = hanging
    before = dropped(url), computed(url)
    part = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n%s\r\n' % PHOTO
    hang.every_run()
    send_and_leave(url, "/price/batch", "multipart/form-data; boundary=x", 60 * part + b"--x--\r\n")
    wait_until(lambda: dropped(url) > before[0] + 10 and waiting(url) == 0)
    hang.end()
    assert post(url, "/price", PHOTO).status_code == 200
    assert computed(url) - before[1] <= (os.cpu_count() or 1) + 1


@pytest.mark.slow
def test_what_is_late_is_refused_or_dropped(tmp_path):
    """With a deadline that no photo can meet: 504 where it was let in, 503 where it was plain at once."""
    photo = pictures.encoded(pictures.landscape(2000, 1500), "JPEG")
    with serving(ZOO, tmp_path / "log", deadline_ms="1") as url:
        alone = CLIENT.post(f"{url}/price", files={"image": photo})
        with ThreadPoolExecutor(8) as clients:
            crowd = list(
                clients.map(lambda _: CLIENT.post(f"{url}/price", files={"image": photo}), range(40))
            )
        text = CLIENT.get(f"{url}/metrics").text
    assert (alone.status_code, alone.json()["title"]) == (504, "Deadline passed")
    refused = [answer for answer in crowd if answer.status_code == 503]
    assert {answer.status_code for answer in crowd} == {503, 504}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert f'refusals_total{{model="cars-transfer",reason="late"}} {len(refused)}.0' in text
    assert 'batch_pictures_sum{model="cars-transfer"} 0.0' in text  # nothing of it was computed

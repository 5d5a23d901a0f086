"""What one sees of the processes: readiness, workers, log lines, clients that hang up."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loadtests.server import REPO, SERVING, free_port, serving
from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures
from tests.support.processes import workers_of


def classify(url: str, timeout: float = 30) -> httpx.Response:
    return CLIENT.post(f"{url}/classify", files={"image": PNG}, timeout=timeout)


def counted(url: str) -> float:
    text = CLIENT.get(f"{url}/metrics").text
    found = re.findall(r'glimpse_requests_total\{call="/classify",status="200"\} (\S+)', text)
    return float(found[0]) if found else 0.0


@pytest.mark.slow
def test_two_workers_answer_as_one_and_a_killed_one_comes_back(tmp_path):
    with serving(ZOO, tmp_path / "log", workers="2") as url:
        for _ in range(40):
            classify(url).raise_for_status()
        assert counted(url) == 40  # whichever of the two is asked
        names = {model["name"] for model in CLIENT.get(f"{url}/models").json()["models"]}
        assert "digits-cnn" in names

        before = workers_of(url)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 20
        while len(set(workers_of(url)) - {before[0]}) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        assert len(set(workers_of(url)) - {before[0]}) == 2
        for _ in range(20):
            classify(url).raise_for_status()
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
        process.wait(30)


def test_bentomls_own_command_says_why_it_is_not_ready(bentoml_serve):
    """It keeps the process; the probe, every call and the log tell the reason."""
    url, log = bentoml_serve
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            ready = CLIENT.get(f"{url}/readyz")
            break
        except httpx.TransportError:
            time.sleep(0.1)

    assert ready.status_code == 503
    assert ready.headers["content-type"] == "application/problem+json"
    assert "No .onnx file" in ready.json()["detail"]
    assert (classify(url).status_code, classify(url).json()["title"]) == (503, "Not ready")
    assert CLIENT.get(f"{url}/livez").status_code == 200
    assert "No .onnx file" in log.read_text()


def test_logs_are_json_lines_that_name_their_request(tmp_path):
    log = tmp_path / "log"
    with serving(ZOO, log, log_format="json", log_requests="true") as url:
        CLIENT.post(f"{url}/classify", files={"image": PNG}, headers={"X-Request-ID": "order-66"})
        CLIENT.post(f"{url}/classify", files={"image": b"text"}, headers={"X-Request-ID": "order-67"})
    lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert len(lines) > 3
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    said = {line["request_id"]: line["message"] for line in lines if "request_id" in line}
    assert said["order-66"].startswith("POST /classify: 200 in ")
    assert said["order-67"].startswith("POST /classify: 415 in ")


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


def test_spans_go_to_the_endpoint_that_is_set(tmp_path, monkeypatch):
    collector = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    trace = "0af7651916cd43dd8448eb211c80319c"
    with serving(ZOO, tmp_path / "log") as url:
        CLIENT.post(
            f"{url}/classify",
            files={"image": PNG},
            headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
        ).raise_for_status()
        until = time.monotonic() + 10
        while len(_Collector.spans) < 5 and time.monotonic() < until:
            time.sleep(0.05)
    collector.shutdown()
    collector.server_close()
    spans = {span.name: span for span in _Collector.spans}

    assert set(spans) == {"POST /classify", "decode", "view", "queue", "infer"}
    call = spans["POST /classify"]
    assert call.trace_id.hex() == trace
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
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall("\r\n".join(head).encode() + body)


def when_idle(url: str) -> tuple[float, float]:
    """How many photos were dropped, which some must have been, and how many computed."""
    until = time.monotonic() + 20
    while True:
        text = CLIENT.get(f"{url}/metrics").text
        gone, computed = (
            float(re.findall(rf"{name} (\S+)", text)[0])
            for name in (
                r'refusals_total\{model="cars-transfer",reason="gone"\}',
                r'batch_pictures_sum\{model="cars-transfer"\}',
            )
        )
        if gone and 'glimpse_queue_pictures{model="cars-transfer"} 0.0' in text:
            return gone, computed
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_client_that_hangs_up_is_not_computed(tmp_path):
    """Many large photos, and nobody who waits for them: most are dropped, and the metric says so."""
    photo = pictures.encoded(pictures.landscape(3000, 2000), "JPEG")
    with serving(ZOO, tmp_path / "log", decoders="1") as url:
        for _ in range(30):
            send_and_leave(url, "/price", "image/jpeg", photo)
        classify(url).raise_for_status()
        gone, computed = when_idle(url)
    assert gone > 10
    assert computed + gone <= 30 + 1


def test_a_client_that_hangs_up_on_a_batch_is_not_computed(tmp_path):
    photo = pictures.encoded(pictures.landscape(3000, 2000), "JPEG")
    part = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n%s\r\n' % photo
    body = 60 * part + b"--x--\r\n"
    with serving(ZOO, tmp_path / "log", decoders="1") as url:
        send_and_leave(url, "/price/batch", "multipart/form-data; boundary=x", body)
        gone, computed = when_idle(url)
    assert gone > 10
    assert computed < 50


def test_what_cannot_be_answered_in_time_is_refused_or_dropped(tmp_path):
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

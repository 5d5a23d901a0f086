"""Request bodies of the benchmark, and the output of wrk."""

import email
import email.policy

import pytest

from loadtests.bench.load import payloads
from loadtests.bench.load.closed_loop import parse_wrk
from loadtests.pictures import Upload

pytestmark = pytest.mark.bench

WRK = """Running 4s test @ http://127.0.0.1:8000/classify
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    30.12ms   10.01ms  80.00ms   81.00%
    Req/Sec   500.00     10.00   520.00     70.00%
  2000 requests in 4.00s, 1.00MB read
Requests/sec:    500.00
Transfer/sec:    256.00KB
{"requests": 2000, "duration": 4000000, "p50": 29500, "p99": 61250, "status": 100, "socket": 3}
"""


def test_wrk_throughput_counts_only_2xx():
    result = parse_wrk(WRK)

    assert result.answers == 1900
    assert result.requests_per_s == pytest.approx(475)
    assert (result.p50_ms, result.p99_ms) == (29.5, 61.25)
    assert result.failures == 103


def test_a_mail_parser_reads_the_forms():
    pictures = [
        Upload("a.png", b"\x89PNG\r\n--\x00", "image/png"),
        Upload("b.jpg", b"\xff\xd8", "image/jpeg"),
    ]
    body = payloads.batch_form(pictures)
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    parts = list(email.message_from_bytes(head + body.content, policy=email.policy.HTTP).iter_parts())

    assert [part.get_param("name", header="content-disposition") for part in parts] == ["images", "images"]
    assert [part.get_content_type() for part in parts] == ["image/png", "image/jpeg"]
    assert [part.get_filename() for part in parts] == ["a.png", "b.jpg"]
    assert pictures[0].content in body.content


def test_headers_of_a_body_hold_its_type():
    upload = Upload("a.png", b"\x89PNG", "image/png")

    assert payloads.raw_body(upload).headers == {"Content-Type": "image/png"}
    assert payloads.raw_tensor(upload).headers["Inference-Header-Content-Length"] == "0"

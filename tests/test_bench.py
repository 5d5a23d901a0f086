"""The benchmark: what it reads, computes and writes; and once, short, against a real peer."""

import email
import email.policy
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from loadtests.bench import bodies, chart, document, processes
from loadtests.bench.contenders import CONTENDERS, ContenderError, install, versions
from loadtests.bench.generators import GeneratorError, parse_h2load, parse_wrk
from loadtests.bench.goals import judge, price_deviation
from loadtests.bench.results import Case, Results, Sample
from loadtests.bench.rounds import Plan
from loadtests.pictures import Upload
from loadtests.server import REPO

LOCKS = REPO / "loadtests" / "peers" / "locks"
PEERS = [name for name in CONTENDERS if name != "glimpse"]
DIGITS = Case("digits", "digits-cnn", 16)

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


def sample(server: str, case: Case, number: int = 0, **values: float) -> Sample:
    return Sample(number, server, case, values)


def plan(**differences: object) -> Plan:
    usual = {
        "rounds": 1, "servers": ["glimpse", "fastapi"], "rows": ["digits"], "models": ["digits-cnn"],
        "overload": [], "seconds": 1, "overload_seconds": 1,
    }  # fmt: skip
    return Plan(**usual | differences)


def test_wrk_counts_only_good_answers_as_throughput():
    result = parse_wrk(WRK)

    assert result.requests_per_s == pytest.approx(475)
    assert (result.p50_ms, result.p99_ms) == (29.5, 61.25)
    assert result.failures == 103


def test_h2load_is_read_without_its_first_period():
    # Microseconds: sent at, status, took. The first period is for opening connections.
    sent = [(0, 200, 5_000), (1_500_000, 503, 400_000)]
    sent += [(2_000_000 + 10_000 * index, 200, 40_000) for index in range(90)]
    sent += [(2_000_000 + 10_000 * index, 503, 2_000) for index in range(10)]
    sent += [(2_500_000, 504, 10_000), (2_600_000, -1, 10_000), (2_990_000, 200, 500_000)]
    result = parse_h2load("".join(f"{start}\t{status}\t{took}\n" for start, status, took in sent), seconds=1)

    assert result.sent_per_s == 103
    assert result.goodput == 90  # the last 200 came too late
    assert result.p99_ms == pytest.approx(40)
    assert (result.refused, result.refused_p50_ms) == (10, 2)
    assert result.others == 2


def test_h2load_without_any_answer_is_an_error():
    with pytest.raises(GeneratorError, match="no answer"):
        parse_h2load("", seconds=1)


def test_ratios_are_taken_within_rounds():
    # The machine is three times as slow in the second round.
    rates = {"glimpse": (1500.0, 500.0, 1600.0), "fastapi": (1000.0, 333.3, 800.0)}
    results = Results([
        sample(server, DIGITS, number, requests_per_s=rate)
        for server, in_rounds in rates.items() for number, rate in enumerate(in_rounds)
    ])  # fmt: skip
    rate = "requests_per_s"

    assert results.median("glimpse", DIGITS, rate) == 1500
    assert results.ratio(("glimpse", DIGITS, rate), ("fastapi", DIGITS, rate)) == pytest.approx(1.5, abs=0.01)
    assert results.ratio(("glimpse", DIGITS, rate), ("ray", DIGITS, rate)) is None
    assert results.median("glimpse", DIGITS, "p50_ms") is None


@pytest.mark.parametrize(("ours", "met"), [(1300, True), (1299, False)])
def test_a_goal_is_judged_by_the_worse_of_its_figures(ours, met):
    results = Results([
        sample(server, Case("digits", "digits-cnn", count), requests_per_s=rate, p99_ms=10.0, failures=0)
        for count in (1, 16, 64)
        for server, rate in (("glimpse", ours if count == 64 else 2000), ("fastapi", 1000))
    ])  # fmt: skip
    verdicts = {verdict.goal: verdict for verdict in judge(results, "digits-cnn", deadline_ms=1000)}

    assert verdicts["at least 1.3x FastAPI"].met is met
    assert verdicts["p99 not above FastAPI's"].met is True
    assert verdicts["no failures"].met is True
    assert verdicts["at least 1.8x LitServe"].met is None


def test_every_goal_of_an_overload_is_judged():
    case = Case("overload", "digits-cnn")
    values = {"capacity": 1000.0, "goodput": 960.0, "p99_ms": 800.0, "refused_p50_ms": 30.0, "others": 1}
    results = Results([sample("glimpse", case, **values)])
    verdicts = [v for v in judge(results, "digits-cnn", deadline_ms=1000) if v.work.startswith("open loop")]

    assert [verdict.met for verdict in verdicts] == [True, True, False, False]


def test_the_price_deviation_is_the_mean_over_photos():
    photos = (("a.jpg", 10_100), ("b.jpg", 9_800), ("c.jpg", 10_000))
    results = Results([
        sample(server, Case("prices", photo), price=price)
        for photo, ours in photos for server, price in (("glimpse", ours), ("fastapi", 10_000))
    ])  # fmt: skip

    assert price_deviation(results) == pytest.approx(0.01)


def test_the_section_is_replaced_and_nothing_else():
    older = f"# Benchmarks\n\nolder\n\n## Side by side\n\n{document.BEGIN}\nold\n{document.END}\n"
    before = older + "\n## Models\n\nx\n"

    after = document.rewrite(before, "new\n")

    assert after == before.replace("\nold\n", "\nnew\n")
    assert document.rewrite(after, "new") == after


def test_the_section_is_added_where_there_is_none():
    after = document.rewrite("# Benchmarks\n\nolder\n", "new")

    assert after.startswith("# Benchmarks\n\nolder\n\n## Side by side\n\n")
    assert document.rewrite(after, "newer") == after.replace("\nnew\n", "\nnewer\n")


def test_half_a_marker_is_an_error():
    with pytest.raises(ValueError, match="without its"):
        document.rewrite(f"x\n{document.BEGIN}\n", "new")


def test_the_section_has_a_line_for_each_server_and_its_goals(tmp_path):
    results = Results([
        sample(server, Case("digits", "digits-cnn", connections), number, requests_per_s=rate, p50_ms=1.0,
               p99_ms=2.0, failures=0)
        for number in range(3) for connections in (1, 16, 64)
        for server, rate in (("glimpse", 2000.0), ("fastapi", 1000.0))
    ])  # fmt: skip
    run = document.Run("make bench", {"CPU": "one of them"}, plan())
    written = document.section(results, judge(results, "digits-cnn", 1000), run)
    chart.draw(results, ["digits-cnn"], tmp_path / "bench.png")

    assert re.search(r"^\| FastAPI \| 1,000 .*\| 2\.00 \| 2\.00 \| 0 \|$", written, re.MULTILINE)
    assert "| at least 1.3x FastAPI | 2.00x and 2.00x | met |" in written
    assert "Ray Serve |" not in written
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_forms_are_what_a_mail_parser_reads_in_them():
    pictures = [
        Upload("a.png", b"\x89PNG\r\n--\x00", "image/png"),
        Upload("b.jpg", b"\xff\xd8", "image/jpeg"),
    ]
    body = bodies.forms(pictures)
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    parts = list(email.message_from_bytes(head + body.content, policy=email.policy.HTTP).iter_parts())

    assert [part.get_param("name", header="content-disposition") for part in parts] == ["images", "images"]
    assert [part.get_content_type() for part in parts] == ["image/png", "image/jpeg"]
    assert [part.get_filename() for part in parts] == ["a.png", "b.jpg"]
    assert pictures[0].content in body.content


@pytest.mark.parametrize("name", PEERS)
def test_peers_open_pictures_and_models_with_the_versions_we_serve_with(name):
    def pins(lock: Path) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            found.setdefault(package, set()).add(version)
        return found

    ours, theirs = pins(REPO / "deploy" / "locks" / "serve.txt"), pins(LOCKS / f"{name}.txt")

    for package in ("numpy", "opencv-python-headless", "pillow", "pillow-heif", "pydantic", "onnxruntime"):
        assert theirs[package] == ours[package]
    assert set(versions(CONTENDERS[name])) <= theirs.keys()


def test_processes_are_found_and_ended_wherever_they_have_gone():
    mark = uuid.uuid4().hex
    # A grandchild in a session of its own that does not listen to SIGTERM.
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True);"
        " time.sleep(60)"
    )
    source = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {stubborn!r}], start_new_session=True)\n"
        "time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", source], env=os.environ | {processes.MARK: mark}, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        found = processes.marked(mark)
        memory = processes.memory(mark)
        processes.end(mark, patience=0.5)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()

    assert len(found) == 2
    assert child.pid in found
    assert 0 < memory.largest < 100
    assert memory.together > 0
    assert processes.marked(mark) == []


@pytest.mark.slow
def test_a_short_bench_beside_fastapi(tmp_path):
    for program in ("wrk", "h2load"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    try:
        install(CONTENDERS["fastapi"])
    except ContenderError as error:
        pytest.skip(str(error))
    report, raw = tmp_path / "report.md", tmp_path / "raw.json"
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.bench", "--only", "glimpse", "fastapi", "--rows", "digits",
         "--model", "digits-mlp", "--rounds", "1", "--seconds", "1", "--report", report, "--raw", raw],
        cwd=REPO, capture_output=True, text=True, timeout=180,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| no failures | 0 | met |" in report.read_text()
    samples = json.loads(raw.read_text())["samples"]
    answered = [one for one in samples if one["values"].get("requests_per_s", 0) > 10]
    assert {(one["server"], one["case"]["connections"]) for one in answered} == {
        (server, count) for server in ("glimpse", "fastapi") for count in (1, 16, 64)
    }
    assert (tmp_path / "bench.png").exists()

"""The part of docs/benchmarks.md that the benchmark writes."""

import re

import pytest

from loadtests.bench.report import chart, markdown
from loadtests.bench.report.goals import judge
from loadtests.bench.report.results import Results, Sample, Scenario
from loadtests.bench.rounds import Plan

pytestmark = pytest.mark.bench

MODEL = "digits-cnn"
REAL, HALVES = "2 real cores", "2 halves of one core"


def plan(**differences: object) -> Plan:
    defaults = {
        "rounds": 3, "servers": ["glimpse", "fastapi"], "rows": ["raw"], "models": [MODEL], "overload": [],
        "connections": (1, 16, 64), "seconds": 1, "warm_up_seconds": 1, "open_seconds": 1,
    }  # fmt: skip
    return Plan(**defaults | differences)


def results(cpu_ms_on_two: float = 3.1) -> Results:
    rates = {"glimpse": 550.0, "mosec": 500.0, "fastapi": 300.0}
    loads = [
        Sample(number, server, Scenario("raw", MODEL, connections),
               {"requests_per_s": rate, "cpu_ms": 3.5, "p50_ms": 1.0, "p99_ms": 2.0, "failures": 0})
        for number in range(3) for connections in (1, 16, 64) for server, rate in rates.items()
    ]  # fmt: skip
    bare = [
        Sample(number, "bare", Scenario("bare", MODEL, count),
               {"requests_per_s": 310.0 * count, "cpu_ms": cpu_ms, "p50_ms": 3.0})
        for number in range(3) for count, cpu_ms in ((1, 3.0), (2, cpu_ms_on_two))
    ]  # fmt: skip
    overloads = [
        Sample(0, "glimpse", Scenario("overload", MODEL, overload=multiple),
               {"sent_per_s": 500 * multiple, "requests_per_s": 450.0, "refused": 0, "refused_p50_ms": 0.0})
        for multiple in (0.7, 5.0)
    ]  # fmt: skip
    closed = Sample(0, "glimpse", Scenario("overload", MODEL, 64), {"requests_per_s": 500.0})
    return Results([*loads, *bare, closed, *overloads])


def document(*sections: str) -> str:
    inside = "\n\n".join(sections)
    return f"# Benchmarks\n\n## Side by side\n\n{markdown.BEGIN}\n{inside}\n{markdown.END}\n\n## Models\n"


def test_only_the_section_of_this_kind_is_replaced():
    before = document(f"### {HALVES}\n\nold halves", f"### {REAL}\n\nold real\n\n| x |")

    after = markdown.rewrite(before, REAL, "new\n")

    assert after == document(f"### {HALVES}\n\nold halves", f"### {REAL}\n\nnew")
    assert markdown.rewrite(after, REAL, "new") == after


def test_another_kind_comes_last():
    # What stands before the first heading is nobody's to replace.
    before = document("older", f"### {HALVES}\n\nold halves")

    after = markdown.rewrite(before, REAL, "new")

    assert after == document("older", f"### {HALVES}\n\nold halves", f"### {REAL}\n\nnew")


def test_section_is_appended_without_markers():
    after = markdown.rewrite("# Benchmarks\n\nolder\n", REAL, "new")

    assert after.startswith("# Benchmarks\n\nolder\n\n## Side by side\n\n")
    assert markdown.rewrite(after, REAL, "newer") == after.replace("\nnew\n", "\nnewer\n")


def test_a_marker_without_its_end_is_an_error():
    with pytest.raises(ValueError, match="without its"):
        markdown.rewrite(f"x\n{markdown.BEGIN}\n", REAL, "new")


@pytest.mark.parametrize(("cpu_ms_on_two", "kind"), [(3.1, REAL), (4.6, HALVES)])
def test_kind_follows_the_bare_loop(cpu_ms_on_two, kind):
    assert markdown.kind(results(cpu_ms_on_two), MODEL) == kind


def test_section_lists_servers_and_goals(tmp_path):
    run = markdown.Run("make bench", {"CPU": "one of them"}, plan(), {"ray": "Ray Serve needs more."})
    written = markdown.section(results(), judge(results(), MODEL), run)
    chart.draw(results(), [MODEL], tmp_path / "bench.png")

    assert re.search(r"^\| mosec, \d+ workers \| 500 \| 0\.81 \| 3\.50 \|.*\| 0 \| 1\.10 \|$", written, re.M)
    assert "| bare loop, 2 processes | 620 | 1.00 | 3.10 | 3.0 |" in written
    assert "| at least 2x FastAPI, one worker | 1.83 and 1.83 | not met |" in written
    assert "| 5x | 2,500 | 450 | 1.00 |" in written
    assert "Ray Serve |" not in written
    assert "Not measured: Ray Serve needs more." in written
    assert f"({markdown.chart_name(REAL)})" in written
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_lines_but_tables_are_short():
    run = markdown.Run("make bench", {"CPU": "one of them"}, plan(servers=["glimpse", "fastapi", "ray"]))
    lines = markdown.section(results(), judge(results(), MODEL), run).splitlines()

    assert not [line for line in lines if len(line) > 120 and not line.startswith("|")]

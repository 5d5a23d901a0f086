"""The figures and the report of the benchmark."""

import re

import pytest

from loadtests.bench.report import chart, markdown
from loadtests.bench.report.goals import judge, price_deviation
from loadtests.bench.report.results import Results, Sample, Scenario
from loadtests.bench.rounds import Plan

pytestmark = pytest.mark.bench

DIGITS = Scenario("digits", "digits-cnn", 16)


def sample(server: str, case: Scenario, number: int = 0, **values: float) -> Sample:
    return Sample(number, server, case, values)


def plan(**differences: object) -> Plan:
    defaults = {
        "rounds": 1, "servers": ["glimpse", "fastapi"], "rows": ["digits"], "models": ["digits-cnn"],
        "overload": [], "seconds": 1, "overload_seconds": 1,
    }  # fmt: skip
    return Plan(**defaults | differences)


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
def test_goals_are_judged_by_their_worst_figure(ours, met):
    results = Results([
        sample(server, Scenario("digits", "digits-cnn", count), requests_per_s=rate, p99_ms=10.0, failures=0)
        for count in (1, 16, 64)
        for server, rate in (("glimpse", ours if count == 64 else 2000), ("fastapi", 1000))
    ])  # fmt: skip
    verdicts = {verdict.goal: verdict for verdict in judge(results, "digits-cnn", deadline_ms=1000)}

    assert verdicts["at least 1.3x FastAPI"].met is met
    assert verdicts["p99 not above FastAPI's"].met is True
    assert verdicts["no failures"].met is True
    assert verdicts["at least 1.8x LitServe"].met is None


def test_goals_of_an_overload():
    case = Scenario("overload", "digits-cnn")
    values = {"capacity": 1000.0, "goodput": 960.0, "p99_ms": 800.0, "refused_p50_ms": 30.0, "others": 1}
    results = Results([sample("glimpse", case, **values)])
    verdicts = [v for v in judge(results, "digits-cnn", deadline_ms=1000) if v.work.startswith("open loop")]

    assert [verdict.met for verdict in verdicts] == [True, True, False, False]


def test_price_deviation_is_the_mean_over_photos():
    photos = (("a.jpg", 10_100), ("b.jpg", 9_800), ("c.jpg", 10_000))
    results = Results([
        sample(server, Scenario("prices", photo), price=price)
        for photo, ours in photos for server, price in (("glimpse", ours), ("fastapi", 10_000))
    ])  # fmt: skip

    assert price_deviation(results) == pytest.approx(0.01)


def test_only_the_section_is_replaced():
    older = f"# Benchmarks\n\nolder\n\n## Side by side\n\n{markdown.BEGIN}\nold\n{markdown.END}\n"
    before = older + "\n## Models\n\nx\n"

    after = markdown.rewrite(before, "new\n")

    assert after == before.replace("\nold\n", "\nnew\n")
    assert markdown.rewrite(after, "new") == after


def test_section_is_appended_without_markers():
    after = markdown.rewrite("# Benchmarks\n\nolder\n", "new")

    assert after.startswith("# Benchmarks\n\nolder\n\n## Side by side\n\n")
    assert markdown.rewrite(after, "newer") == after.replace("\nnew\n", "\nnewer\n")


def test_a_marker_without_its_end_is_an_error():
    with pytest.raises(ValueError, match="without its"):
        markdown.rewrite(f"x\n{markdown.BEGIN}\n", "new")


def test_section_lists_servers_and_goals(tmp_path):
    results = Results([
        sample(server, Scenario("digits", "digits-cnn", connections), number, requests_per_s=rate, p50_ms=1.0,
               p99_ms=2.0, failures=0)
        for number in range(3) for connections in (1, 16, 64)
        for server, rate in (("glimpse", 2000.0), ("fastapi", 1000.0))
    ])  # fmt: skip
    run = markdown.Run("make bench", {"CPU": "one of them"}, plan())
    written = markdown.section(results, judge(results, "digits-cnn", 1000), run)
    chart.draw(results, ["digits-cnn"], tmp_path / "bench.png")

    assert re.search(r"^\| FastAPI \| 1,000 .*\| 2\.00 \| 2\.00 \| 0 \|$", written, re.MULTILINE)
    assert "| at least 1.3x FastAPI | 2.00x and 2.00x | met |" in written
    assert "Ray Serve |" not in written
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")

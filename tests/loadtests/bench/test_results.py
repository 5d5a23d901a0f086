"""The figures of the benchmark and its goals."""

import pytest

from loadtests.bench.report.goals import Verdict, judge, price_deviation
from loadtests.bench.report.results import Results, Sample, Scenario

pytestmark = pytest.mark.bench

MODEL = "digits-cnn"
RAW = Scenario("raw", MODEL, 16)
BARE_ONE, BARE_TWO = Scenario("bare", MODEL, 1), Scenario("bare", MODEL, 2)


def sample(server: str, case: Scenario, number: int = 0, **values: float) -> Sample:
    return Sample(number, server, case, values)


def verdict(results: Results, goal: str, work: str = "") -> Verdict:
    (found,) = [one for one in judge(results, MODEL) if goal in one.goal and work in one.work]
    return found


def test_ratios_are_taken_within_rounds():
    # The machine is three times as slow in the second round.
    rates = {"glimpse": (1500.0, 500.0, 1600.0), "fastapi": (1000.0, 333.3, 800.0)}
    results = Results([
        sample(server, RAW, number, requests_per_s=rate)
        for server, in_rounds in rates.items() for number, rate in enumerate(in_rounds)
    ])  # fmt: skip
    rate = "requests_per_s"

    assert results.median("glimpse", RAW, rate) == 1500
    assert results.ratio(("glimpse", RAW, rate), ("fastapi", RAW, rate)) == pytest.approx(1.5, abs=0.01)
    assert results.ratio(("glimpse", RAW, rate), ("ray", RAW, rate)) is None
    assert results.median("glimpse", RAW, "p50_ms") is None


def test_gain_of_more_cores():
    # Something else takes a core while both are measured: the rates show it, the CPU time does not.
    results = Results([
        sample("bare", BARE_ONE, requests_per_s=300.0, cpu_ms=3.0),
        sample("bare", BARE_TWO, requests_per_s=330.0, cpu_ms=3.1),
    ])  # fmt: skip

    assert results.bare(MODEL) == BARE_TWO
    assert results.gain(MODEL, "requests_per_s") == pytest.approx(1.1)
    assert results.gain(MODEL, "cpu_ms") == pytest.approx(1.94, abs=0.01)
    assert Results([]).gain(MODEL, "cpu_ms") == 1.0


@pytest.mark.parametrize(("ours", "met"), [(1400, True), (1399, False)])
def test_goals_are_judged_by_their_worst_figure(ours, met):
    results = Results([
        sample(server, Scenario("raw", MODEL, count), requests_per_s=rate, p99_ms=10.0, failures=0)
        for count in (1, 16, 64)
        for server, rate in (("glimpse", ours if count == 64 else 2000), ("fastapi-workers", 1000))
    ])  # fmt: skip

    assert verdict(results, "at least 1.4x FastAPI, ", "raw").met is met
    assert verdict(results, "p99 not above FastAPI, 2", "raw").met is True
    assert verdict(results, "no failure", "raw").met is True
    assert verdict(results, "at least 1.05x mosec").met is None


@pytest.mark.parametrize(("cpu_ms", "rate", "met"), [(3.4, 530.0, True), (3.5, 520.0, False)])
def test_goals_beside_the_bare_loop(cpu_ms, rate, met):
    results = Results([
        sample("bare", BARE_ONE, requests_per_s=300.0, cpu_ms=2.0, p50_ms=3.0),
        sample("bare", BARE_TWO, requests_per_s=600.0, cpu_ms=3.0, p50_ms=3.0),
        *(sample("glimpse", Scenario("raw", MODEL, count), requests_per_s=rate, cpu_ms=cpu_ms, p50_ms=3.8)
          for count in (1, 16, 64)),
    ])  # fmt: skip

    assert verdict(results, "CPU per picture at most 1.15 of the bare loop's", "raw").met is met
    assert verdict(results, "requests/s at least 0.88", "raw").met is met
    assert verdict(results, "raw: p50 at most 1.1").met is True
    assert verdict(results, "raw: p50 at most 1.1").figure == "3.80 ms, bare 3.00, 1.00 of what is allowed"


def test_goals_of_an_overload():
    rates = {0.7: 350.0, 1.0: 500.0, 1.5: 490.0, 2.0: 480.0, 3.0: 459.0, 5.0: 120.0}
    results = Results([
        sample("glimpse", Scenario("overload", MODEL, overload=multiple), requests_per_s=rate,
               p99_ms=100 * multiple, refused_p50_ms=5 * multiple, others=0, errors=multiple == 5)
        for multiple, rate in rates.items()
    ])  # fmt: skip

    assert results.goodput_share("glimpse", MODEL, 3.0) == pytest.approx(0.918)
    assert verdict(results, "at 1.5x at least 0.95").met is True
    assert verdict(results, "at 3x at least 0.92").met is False
    assert verdict(results, "at 5x at least 0.9").figure == "0.24"
    assert verdict(results, "p99 of 200s").figure == "500 ms"
    assert verdict(results, "refusals").met is False
    assert verdict(results, "only 200 and 503").figure == "1 others"


def test_memory_of_all_processes_counts():
    results = Results([
        sample("glimpse", Scenario("memory"), largest_mb=200.0, together_mb=401.0),
        sample("glimpse", Scenario("start"), ready_s=1.4),
    ])  # fmt: skip

    assert verdict(results, "400 MB").met is False
    assert verdict(results, "1.5 s").met is True


def test_price_deviation_is_the_mean_over_photos():
    photos = (("a.jpg", 10_100), ("b.jpg", 9_800), ("c.jpg", 10_000))
    results = Results([
        sample(server, Scenario("prices", photo), price=price)
        for photo, ours in photos for server, price in (("glimpse", ours), ("fastapi", 10_000))
    ])  # fmt: skip

    assert price_deviation(results) == pytest.approx(0.01)

"""The goals and whether they are met.

Each is judged by its worst figure over 16 and 64 connections.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.bench.report.results import Results, Scenario

OURS = "glimpse"

BUSY_CONNECTIONS = (16, 64)
"""Connections at which throughput is judged."""


@dataclass(frozen=True)
class Verdict:
    """One line of the table of goals.

    Attributes:
        work: What the server does.
        goal: What is asked.
        figure: What was measured.
        met: None where it was not measured.
    """

    work: str
    goal: str
    figure: str
    met: bool | None


def judge(results: Results, model: str, deadline_ms: float) -> list[Verdict]:
    """Judge all goals.

    Args:
        results: All samples.
        model: The classifier that the goals are about.
        deadline_ms: GLIMPSE_DEADLINE_MS of the service.
    """
    return [
        *_digits(results, model), *_raw(results, model), *_price(results), *_batch(results, model),
        *_overload(results, model, deadline_ms), *_start(results), *_idle(results, model),
    ]  # fmt: skip


def price_deviation(results: Results) -> float | None:
    """Mean relative difference to the prices after a whole decode, over all photos."""
    ratios = [
        results.ratio((OURS, case, "price"), ("fastapi", case, "price")) for case in results.cases("prices")
    ]
    differences = [abs(ratio - 1) for ratio in ratios if ratio is not None]
    return sum(differences) / len(differences) if differences else None


def _digits(results: Results, model: str) -> Iterator[Verdict]:
    work = "one 280 x 280 PNG digit per request, multipart"
    cases = [Scenario("digits", model, connections) for connections in BUSY_CONNECTIONS]
    for server, title, factor in (
        ("fastapi", "FastAPI", 1.3),
        ("litserve", "LitServe", 1.8),
        ("bentoml", "stock BentoML", 2.0),
    ):
        yield _times(work, title, factor, _ratios(results, cases, server, "requests_per_s"))
    ratios = _ratios(results, cases, "fastapi", "p99_ms")
    yield _at_most(work, "p99 not above FastAPI's", max(ratios, default=None), 1.0, "{:.2f} of it")
    cases = [Scenario("digits", model, connections) for connections in (1, *BUSY_CONNECTIONS)]
    counts = [results.total(OURS, case, "failures") for case in cases]
    measured = [count for count in counts if count is not None]
    yield _at_most(work, "no failures", sum(measured) if measured else None, 0, "{:.0f}")


def _raw(results: Results, model: str) -> Iterator[Verdict]:
    cases = [Scenario("raw", model, connections) for connections in BUSY_CONNECTIONS]
    ratios = _ratios(results, cases, "fastapi", "requests_per_s")
    yield _times("the same, raw body", "FastAPI", 1.6, ratios)


def _price(results: Results) -> Iterator[Verdict]:
    work = "one 12-megapixel JPEG to a price"
    ratios = _ratios(results, results.cases("price"), "fastapi", "requests_per_s")
    yield _times(work, "FastAPI with plain Pillow decoding", 4.0, ratios)
    figure = f"{{:.2%}} over {len(results.cases('prices'))} photos"
    goal = "price within 0.5 % of the whole decode on average"
    yield _at_most(work, goal, price_deviation(results), 0.005, figure)


def _batch(results: Results, model: str) -> Iterator[Verdict]:
    case = Scenario("batch", model)
    fraction = results.ratio((OURS, case, "pictures_per_s"), (OURS, case, "alone_pictures_per_s"))
    ours, alone = (
        results.median(OURS, case, value) or 0 for value in ("pictures_per_s", "alone_pictures_per_s")
    )
    yield _at_least(
        "64 digits in one /classify/batch request", "60 % of decode + view + session alone, one thread",
        fraction, 0.6, f"{{:.0%}}: {ours:,.0f} of {alone:,.0f} pictures/s",
    )  # fmt: skip


def _overload(results: Results, model: str, deadline_ms: float) -> Iterator[Verdict]:
    case = Scenario("overload", model)
    work = "open loop at 2x capacity"
    fraction = results.ratio((OURS, case, "goodput"), (OURS, case, "capacity"))
    goodput, capacity = (results.median(OURS, case, value) or 0 for value in ("goodput", "capacity"))
    figure = f"{{:.0%}}: {goodput:,.0f} of {capacity:,.0f} digits/s"
    yield _at_least(work, "goodput at least 95 % of capacity", fraction, 0.95, figure)
    goal = f"p99 of accepted at most {deadline_ms:,.0f} ms (DEADLINE_MS)"
    yield _at_most(work, goal, results.median(OURS, case, "p99_ms"), deadline_ms, "{:,.0f} ms")
    refused = results.median(OURS, case, "refused_p50_ms")
    yield _at_most(work, "refused in at most 20 ms (median)", refused, 20.0, "{:.1f} ms")
    others = results.total(OURS, case, "others")
    yield _at_most(work, "nothing but 200 and 503", others, 0, "{:.0f} others")


def _start(results: Results) -> Iterator[Verdict]:
    work = "cold start and memory"
    ready = results.median(OURS, Scenario("start"), "ready_s")
    stock = results.median("bentoml", Scenario("start"), "ready_s")
    figure = "{:.2f} s" + (f"; bare BentoML with one model {stock:.2f} s" if stock else "")
    yield _at_most(work, "every model verified and warm in at most 2.5 s", ready, 2.5, figure)
    largest = results.median(OURS, Scenario("memory"), "largest_mb")
    goal = "one worker at most 350 MB resident"
    yield _at_most(work, goal, largest, 350.0, "{:.0f} MB after all load")


def _idle(results: Results, model: str) -> Iterator[Verdict]:
    case = Scenario("idle", model)
    ours, alone = results.median(OURS, case, "p50_ms"), results.median(OURS, case, "alone_ms") or 0
    limit = 1.3 * alone + 1
    yield _at_most(
        "idle latency of one digit, p50 over HTTP", "1.3x decode + view + session alone + 1 ms",
        ours, limit, f"{{:.2f}} ms; alone {alone:.2f} ms, allowed {limit:.2f} ms",
    )  # fmt: skip


def _ratios(results: Results, cases: list[Scenario], server: str, value: str) -> list[float]:
    """Ours over theirs in each scenario; empty unless all were measured."""
    ratios = [results.ratio((OURS, case, value), (server, case, value)) for case in cases]
    measured = [ratio for ratio in ratios if ratio is not None]
    return measured if len(measured) == len(ratios) else []


def _times(work: str, other: str, factor: float, ratios: list[float]) -> Verdict:
    figure = " and ".join(f"{ratio:.2f}x" for ratio in ratios)
    return _at_least(work, f"at least {factor:g}x {other}", min(ratios, default=None), factor, figure)


def _at_least(work: str, goal: str, value: float | None, limit: float, figure: str) -> Verdict:
    """Whether the value is not below the limit; figure is a format string for it."""
    return Verdict(work, goal, *(("", None) if value is None else (figure.format(value), value >= limit)))


def _at_most(work: str, goal: str, value: float | None, limit: float, figure: str) -> Verdict:
    """Whether the value is not above the limit; figure is a format string for it."""
    return Verdict(work, goal, *(("", None) if value is None else (figure.format(value), value <= limit)))

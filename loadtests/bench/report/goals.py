"""The goals, and whether they are met. A goal is judged by its worst figure: 16 or 64 connections."""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.bench.report.results import Results, Scenario

US = "glimpse"
BUSY = (16, 64)
"""Connections at which throughput is judged."""


@dataclass(frozen=True)
class Verdict:
    """met: None where it was not measured."""

    work: str
    goal: str
    figure: str
    met: bool | None


def judge(results: Results, model: str, deadline_ms: float) -> list[Verdict]:
    """model: the one that the goals are about. deadline_ms: GLIMPSE_DEADLINE_MS of the service."""
    return [
        *_digits(results, model), *_raw(results, model), *_price(results), *_batch(results, model),
        *_overload(results, model, deadline_ms), *_start(results), *_idle(results, model),
    ]  # fmt: skip


def price_deviation(results: Results) -> float | None:
    """Mean relative difference between our prices and those of the whole decode, over all photos."""
    ratios = [
        results.ratio((US, case, "price"), ("fastapi", case, "price")) for case in results.cases("prices")
    ]
    differences = [abs(ratio - 1) for ratio in ratios if ratio is not None]
    return sum(differences) / len(differences) if differences else None


def _digits(results: Results, model: str) -> Iterator[Verdict]:
    work = "one 280 x 280 PNG digit per request, multipart"
    cases = [Scenario("digits", model, connections) for connections in BUSY]
    for server, name, factor in (
        ("fastapi", "FastAPI", 1.3),
        ("litserve", "LitServe", 1.8),
        ("bentoml", "stock BentoML", 2.0),
    ):
        yield _at_least(
            work, f"{factor:g}x {name}", _ratios(results, cases, server, "requests_per_s"), factor
        )
    ratios = _ratios(results, cases, "fastapi", "p99_ms")
    yield _verdict(
        work, "p99 not above FastAPI's", max(ratios, default=None), 1.0, "{:.2f} of it", below=True
    )
    cases = [Scenario("digits", model, connections) for connections in (1, *BUSY)]
    failures = [results.total(US, case, "failures") for case in cases]
    known = [count for count in failures if count is not None]
    yield _verdict(work, "no failures", sum(known) if known else None, 0, "{:.0f}", below=True)


def _raw(results: Results, model: str) -> Iterator[Verdict]:
    cases = [Scenario("raw", model, connections) for connections in BUSY]
    ratios = _ratios(results, cases, "fastapi", "requests_per_s")
    yield _at_least("the same, raw body", "1.6x FastAPI", ratios, 1.6)


def _price(results: Results) -> Iterator[Verdict]:
    work = "one 12-megapixel JPEG to a price"
    cases = results.cases("price")
    ratios = _ratios(results, cases, "fastapi", "requests_per_s")
    yield _at_least(work, "4x FastAPI with plain Pillow decoding", ratios, 4.0)
    photos = len(results.cases("prices"))
    yield _verdict(
        work, "price within 0.5 % of the whole decode on average", price_deviation(results), 0.005,
        f"{{:.2%}} over {photos} photos", below=True,
    )  # fmt: skip


def _batch(results: Results, model: str) -> Iterator[Verdict]:
    case = Scenario("batch", model)
    share = results.ratio((US, case, "pictures_per_s"), (US, case, "alone_pictures_per_s"))
    ours, alone = (results.median(US, case, value) for value in ("pictures_per_s", "alone_pictures_per_s"))
    figure = f"{{:.0%}}: {ours or 0:,.0f} of {alone or 0:,.0f} pictures/s"
    yield _verdict(
        "64 digits in one /classify/batch request", "60 % of decode + view + session alone, one thread",
        share, 0.6, figure,
    )  # fmt: skip


def _overload(results: Results, model: str, deadline_ms: float) -> Iterator[Verdict]:
    case = Scenario("overload", model)
    work = "open loop at 2x capacity"

    def median(value: str) -> float | None:
        return results.median(US, case, value)

    goodput = results.ratio((US, case, "goodput"), (US, case, "capacity"))
    figure = f"{{:.0%}}: {median('goodput') or 0:,.0f} of {median('capacity') or 0:,.0f} digits/s"
    yield _verdict(work, "goodput at least 95 % of capacity", goodput, 0.95, figure)
    yield _verdict(
        work,
        f"p99 of accepted at most {deadline_ms:,.0f} ms (DEADLINE_MS)",
        median("p99_ms"),
        deadline_ms,
        "{:,.0f} ms",
        below=True,
    )
    yield _verdict(
        work, "refused in at most 20 ms (median)", median("refused_p50_ms"), 20.0, "{:.1f} ms", below=True
    )
    yield _verdict(
        work, "nothing but 200 and 503", results.total(US, case, "others"), 0, "{:.0f} others", below=True
    )


def _start(results: Results) -> Iterator[Verdict]:
    work = "cold start and memory"
    ready = results.median(US, Scenario("start"), "ready_s")
    bare = results.median("bentoml", Scenario("start"), "ready_s")
    figure = "{:.2f} s" + (f"; bare BentoML with one model {bare:.2f} s" if bare else "")
    yield _verdict(work, "every model verified and warm in at most 2.5 s", ready, 2.5, figure, below=True)
    yield _verdict(
        work, "one worker at most 350 MB resident",
        results.median(US, Scenario("memory"), "largest_mb"), 350.0,
        "{:.0f} MB after all load", below=True,
    )  # fmt: skip


def _idle(results: Results, model: str) -> Iterator[Verdict]:
    case = Scenario("idle", model)
    ours, alone = results.median(US, case, "p50_ms"), results.median(US, case, "alone_ms")
    limit = None if alone is None else 1.3 * alone + 1
    figure = f"{{:.2f}} ms; alone {alone or 0:.2f} ms, allowed {limit or 0:.2f} ms"
    yield _verdict(
        "idle latency of one digit, p50 over HTTP", "1.3x decode + view + session alone + 1 ms",
        ours, limit or 0.0, figure, below=True,
    )  # fmt: skip


def _ratios(results: Results, cases: list[Scenario], server: str, value: str) -> list[float]:
    """Ours over theirs, case by case; empty unless all were measured."""
    ratios = [results.ratio((US, case, value), (server, case, value)) for case in cases]
    known = [ratio for ratio in ratios if ratio is not None]
    return known if len(known) == len(ratios) else []


def _at_least(work: str, goal: str, ratios: list[float], factor: float) -> Verdict:
    figure = " and ".join(f"{ratio:.2f}x" for ratio in ratios)
    return _verdict(work, f"at least {goal}", min(ratios, default=None), factor, figure)


def _verdict(
    work: str, goal: str, value: float | None, limit: float, figure: str, *, below: bool = False
) -> Verdict:
    """figure: a format string for the value."""
    if value is None:
        return Verdict(work, goal, "", None)
    met = value <= limit if below else value >= limit
    return Verdict(work, goal, figure.format(value), met)

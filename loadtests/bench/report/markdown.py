"""The section of docs/benchmarks.md that the benchmark writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.bench.contenders import CONTENDERS, versions
from loadtests.bench.report.goals import OURS, Verdict
from loadtests.bench.report.results import Results, Scenario
from loadtests.bench.rounds import WARM_UP_S, Plan
from loadtests.bench.scenarios import CONNECTIONS
from loadtests.markdown_table import markdown_table

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
HEADING = "## Side by side"
VERDICTS = {True: "met", False: "not met", None: "not measured"}


@dataclass(frozen=True)
class Run:
    """How the benchmark was run.

    Attributes:
        command: As it was typed.
        machine: Facts about the machine by name.
        plan: What was measured.
    """

    command: str
    machine: Mapping[str, str]
    plan: Plan


def rewrite(text: str, section: str) -> str:
    """Replace the section between the markers; without any, append it.

    Raises:
        ValueError: There is a first marker without a second.
    """
    before, begin, rest = text.partition(BEGIN)
    if not begin:
        return f"{text.rstrip()}\n\n{HEADING}\n\n{BEGIN}\n{section.strip()}\n{END}\n"
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"there is a {BEGIN} without its {END}")
    return f"{before}{BEGIN}\n{section.strip()}\n{END}{after}"


def section(results: Results, verdicts: Sequence[Verdict], run: Run) -> str:
    """The whole section, without its markers."""
    parts = [
        _conditions(run),
        _goals(verdicts),
        "![Requests per second of each server](bench.png)",
    ]
    for model in run.plan.models:
        parts += [_digits(results, "digits", model, "multipart"), _digits(results, "raw", model, "raw body")]
    parts += [_prices(results), _overload(results), _processes(results), _versions()]
    return "\n\n".join(part for part in parts if part)


def _conditions(run: Run) -> str:
    machine = "; ".join(f"{name} {value}" for name, value in run.machine.items())
    return (
        f"`{run.command}`: {run.plan.rounds} rounds, servers in turn, {run.plan.seconds} s for each load"
        f" after {WARM_UP_S} s that do not count, {run.plan.overload_seconds} s of open loop.\n"
        f"{machine}. The generators (wrk, h2load) run on the same cores.\n"
        "Figures are medians over the rounds, ratios medians of the ratios within a round. Every server\n"
        "opens the same .onnx with the same view, in one worker, access log off; its other settings and why\n"
        "stand at the head of its file in loadtests/peers/. wrk adds to p99 what a slow answer kept from\n"
        "being sent."
    )


def _goals(verdicts: Sequence[Verdict]) -> str:
    lines, previous = [], ""
    for verdict in verdicts:
        work = "" if verdict.work == previous else verdict.work
        lines.append((work, verdict.goal, verdict.figure, VERDICTS[verdict.met]))
        previous = verdict.work
    return markdown_table(("work", "goal", "figure", ""), lines)


def _digits(results: Results, row: str, model: str, body: str) -> str:
    cases = [Scenario(row, model, connections) for connections in CONNECTIONS]
    lines = []
    for name in _measured_servers(results, cases):
        cells = [CONTENDERS[name].title]
        for case in cases:
            cells += [
                _number(results.median(name, case, "requests_per_s"), ",.0f"),
                _number(results.median(name, case, "p50_ms"), ".1f"),
                _number(results.median(name, case, "p99_ms"), ".1f"),
            ]
        for case in cases[1:]:
            rate = "requests_per_s"
            cells.append(_number(results.ratio((OURS, case, rate), (name, case, rate)), ".2f"))
        failures = [results.total(name, case, "failures") or 0 for case in cases]
        lines.append((*cells, f"{sum(failures):.0f}"))
    if not lines:
        return ""
    heads = [
        f"{connections}: {column}"
        for connections in CONNECTIONS
        for column in ("requests/s", "p50 ms", "p99 ms")
    ]
    ratios = [f"Glimpse over it, {connections}" for connections in CONNECTIONS[1:]]
    title = f"One 280 x 280 PNG digit per request, {body}, {model}; at 1, 16 and 64 connections:"
    return f"{title}\n\n" + markdown_table(("server", *heads, *ratios, "failures"), lines)


def _prices(results: Results) -> str:
    cases = results.cases("price")
    lines = [
        (CONTENDERS[name].title, str(case.connections), *(
            _number(results.median(name, case, value), form)
            for value, form in (("requests_per_s", ".1f"), ("p50_ms", ",.0f"), ("p99_ms", ",.0f"))
        ), _number(results.total(name, case, "failures"), ".0f"))
        for case in cases for name in _measured_servers(results, [case])
    ]  # fmt: skip
    heads = ("server", "connections", "requests/s", "p50 ms", "p99 ms", "failures")
    return "One 12-megapixel JPEG to a price:\n\n" + markdown_table(heads, lines) if lines else ""


def _overload(results: Results) -> str:
    forms = {
        "capacity": ",.0f", "sent_per_s": ",.0f", "goodput": ",.0f", "p99_ms": ",.0f", "refused": ",.0f",
        "refused_p50_ms": ".1f", "others": ",.0f",
    }  # fmt: skip
    lines = []
    for case in results.cases("overload"):
        for name in _measured_servers(results, [case]):
            cells = {value: _number(results.median(name, case, value), form) for value, form in forms.items()}
            if cells["refused"] == "0":
                cells["refused_p50_ms"] = ""
            lines.append((CONTENDERS[name].title, *cells.values()))
    heads = (
        "server", "capacity/s", "sent/s", "200s/s", "p99 ms of 200s", "503s", "p50 ms of 503s", "others"
    )  # fmt: skip
    note = "Where less was sent, no connection was free: the server owed an answer on every one."
    return f"Open loop at twice the capacity. {note}\n\n" + markdown_table(heads, lines) if lines else ""


def _processes(results: Results) -> str:
    lines = [
        (CONTENDERS[name].title, *(
            _number(results.median(name, Scenario(row), value), form)
            for row, value, form in (
                ("start", "ready_s", ".2f"), ("start", "largest_mb", ".0f"), ("memory", "largest_mb", ".0f"),
                ("memory", "together_mb", ".0f"),
            )
        ))
        for name in _measured_servers(results, [Scenario("start")])
    ]  # fmt: skip
    heads = (
        "server", "ready, s", "largest process when ready, MB (RSS)", "after all load, MB (RSS)",
        "all processes after all load, MB (PSS)",
    )  # fmt: skip
    note = "Glimpse opens the whole zoo, the others one digit model (FastAPI a price model too, once asked)."
    return f"Start and memory. {note}\n\n" + markdown_table(heads, lines) if lines else ""


def _versions() -> str:
    listed = "; ".join(
        f"{contender.title}: "
        + ", ".join(f"{name} {version}" for name, version in versions(contender).items())
        for contender in CONTENDERS.values()
    )
    return f"Versions: {listed}."


def _measured_servers(results: Results, cases: Sequence[Scenario]) -> list[str]:
    """Servers that any of the scenarios was measured with, in order."""
    measured = {name for case in cases for name in results.servers(case)}
    return [name for name in CONTENDERS if name in measured]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)

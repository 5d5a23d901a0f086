"""The tables of the report: one for each load, a line for each server."""

from collections.abc import Mapping, Sequence

from loadtests.bench.contenders import BARE, CONTENDERS, OURS, title
from loadtests.bench.report.goals import CPU, P50, P99, RATE, Verdict
from loadtests.bench.report.results import Results, Scenario
from loadtests.bench.scenarios import PRICE_MODEL
from loadtests.markdown_table import markdown_table

VERDICTS = {True: "met", False: "not met", None: "not measured"}


def goals(verdicts: Sequence[Verdict]) -> str:
    """The goals; what is asked of the same work stands together."""
    lines, previous = [], ""
    for verdict in verdicts:
        work = "" if verdict.work == previous else verdict.work
        lines.append((work, verdict.goal, verdict.figure, VERDICTS[verdict.met]))
        previous = verdict.work
    return markdown_table(("work", "goal", "figure", ""), lines)


def closed_loops(results: Results, row: str, heading: str, model: str = "", bare_model: str = "") -> str:
    """A table for each number of connections; empty where none was measured.

    Args:
        results: All samples.
        row: A row of closed loops.
        heading: Stands above each table.
        model: The classifier in the scenarios of the row; empty where they have none.
        bare_model: The model of the bare loop beside them.
    """
    cases = sorted(
        (case for case in results.cases(row) if case.model == model), key=lambda case: case.connections
    )
    return "\n\n".join(
        f"{heading}, {case.connections} connection{'s'[: case.connections - 1]}:\n\n"
        + _closed_loop(results, case, bare_model or model)
        for case in cases
    )


def _closed_loop(results: Results, case: Scenario, bare_model: str) -> str:
    # One connection never has more than one picture under way.
    bare = Scenario("bare", bare_model, 1) if case.connections == 1 else results.bare(bare_model)
    lines = []
    if bare in results.cases("bare"):
        processes = "1 process" if bare.connections == 1 else f"{bare.connections} processes"
        lines.append((
            f"bare loop, {processes}", number(results.median(BARE, bare, RATE), ",.0f"), "1.00",
            number(results.median(BARE, bare, CPU), ".2f"),
            number(results.median(BARE, bare, P50), ",.1f"), "", "", "",
        ))  # fmt: skip
    lines += [
        (
            title(name),
            number(results.median(name, case, RATE), ",.1f" if case.row == "price" else ",.0f"),
            number(results.ratio((name, case, RATE), (BARE, bare, RATE)) if bare else None, ".2f"),
            number(results.median(name, case, CPU), ".2f"),
            number(results.median(name, case, P50), ",.1f"),
            number(results.median(name, case, P99), ",.1f"),
            number(results.total(name, case, "failures"), ".0f"),
            number(results.ratio((OURS, case, RATE), (name, case, RATE)), ".2f"),
        )
        for name in measured_servers(results, [case])
    ]
    heads = ("server", "requests/s", "of bare", "CPU ms", "p50 ms", "p99 ms", "failures", "Glimpse over it")
    return markdown_table(heads, lines)


def prices(results: Results) -> str:
    """Requests with a large photo."""
    return closed_loops(results, "price", "One 12-megapixel JPEG to a price", bare_model=PRICE_MODEL)


def batches(results: Results, model: str) -> str:
    """A sentence on requests with many digits."""
    case = Scenario("batch", model)
    pictures, cpu = results.median(OURS, case, "pictures_per_s"), results.median(OURS, case, CPU)
    if pictures is None or cpu is None:
        return ""
    figures = f"{pictures:,.0f} pictures/s, {cpu:.2f} ms CPU each"
    return f"64 digits in one /classify/batch request, one at a time: {figures}."


def open_loops(results: Results, model: str) -> str:
    """A table for each server that got the open loop."""
    cases = [case for case in results.cases("overload") if case.model == model]
    closed = [case for case in cases if not case.overload]
    return "\n\n".join(
        f"Open loop, {title(name)}, {number(results.median(name, closed[0], RATE), ',.0f')} requests/s in the"
        " closed loop before it:\n\n" + _open_loop(results, name, [case for case in cases if case.overload])
        for name in measured_servers(results, cases)
    )


def _open_loop(results: Results, server: str, cases: Sequence[Scenario]) -> str:
    forms: Mapping[str, str] = {
        P50: ",.0f", P99: ",.0f", CPU: ".2f", "refused": ",.0f", "refused_p50_ms": ".1f", "others": ",.0f",
        "errors": ",.0f", "connections": ",.0f", "late_ms": ".1f",
    }  # fmt: skip
    lines = []
    for case in cases:
        cells = {value: number(results.median(server, case, value), form) for value, form in forms.items()}
        if cells["refused"] == "0":
            cells["refused_p50_ms"] = ""
        lines.append((
            f"{case.overload:g}x",
            number(results.median(server, case, "sent_per_s"), ",.0f"),
            number(results.median(server, case, RATE), ",.0f"),
            number(results.goodput_share(server, case.model, case.overload), ".2f"),
            *cells.values(),
        ))  # fmt: skip
    heads = (
        "rate", "sent/s", "200s/s", "of best", "p50 ms", "p99 ms", "CPU ms", "503s", "their p50 ms", "others",
        "errors", "connections", "late ms",
    )  # fmt: skip
    return markdown_table(heads, lines)


def processes(results: Results) -> str:
    """Start and memory."""
    lines = [
        (title(name), *(
            number(results.median(name, Scenario(row), value), form)
            for row, value, form in (
                ("start", "ready_s", ".2f"), ("start", "largest_mb", ".0f"), ("memory", "largest_mb", ".0f"),
                ("memory", "together_mb", ".0f"),
            )
        ))
        for name in measured_servers(results, [Scenario("start")])
    ]  # fmt: skip
    heads = ("server", "ready, s", "largest process, MB", "after all load, MB", "all processes then, MB")
    note = (
        "Start and memory (RSS of the largest process, PSS of all together). Glimpse opens the whole zoo,\n"
        "the others one digit model (FastAPI a price model too, once asked)."
    )
    return f"{note}\n\n" + markdown_table(heads, lines) if lines else ""


def measured_servers(results: Results, cases: Sequence[Scenario]) -> list[str]:
    """Servers that any of the scenarios was measured with, in order."""
    measured = {name for case in cases for name in results.servers(case)}
    return [name for name in CONTENDERS if name in measured]


def number(value: float | None, form: str) -> str:
    """The formatted value; empty where there is none."""
    return "" if value is None else format(value, form)

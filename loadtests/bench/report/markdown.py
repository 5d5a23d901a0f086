"""The part of docs/benchmarks.md that the benchmark writes: a section for each kind of machine."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.bench import cores
from loadtests.bench.contenders import CONTENDERS, versions
from loadtests.bench.load.closed_loop import RESPONSE_TIMEOUT_S
from loadtests.bench.report import tables
from loadtests.bench.report.goals import Verdict
from loadtests.bench.report.results import Results
from loadtests.bench.rounds import Plan

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
HEADING = "## Side by side"
WIDTH = 118


@dataclass(frozen=True)
class Run:
    """How the benchmark was run.

    Attributes:
        command: As it was typed.
        machine: Facts about the machine by name.
        plan: What was measured.
        absences: Why servers could not run here, by name.
    """

    command: str
    machine: Mapping[str, str]
    plan: Plan
    absences: Mapping[str, str] = field(default_factory=dict)


def rewrite(text: str, kind: str, section: str) -> str:
    """Replace the section of one kind of machine between the markers; the others stay.

    Without such a section it comes last; without markers, at the end of the text.

    Raises:
        ValueError: There is a first marker without a second.
    """
    heading, section = f"### {kind}", section.strip()
    before, begin, rest = text.partition(BEGIN)
    if not begin:
        return f"{text.rstrip()}\n\n{HEADING}\n\n{BEGIN}\n{heading}\n\n{section}\n{END}\n"
    written, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"there is a {BEGIN} without its {END}")
    sections = [part.strip() for part in re.split(r"^(?=### )", written, flags=re.MULTILINE) if part.strip()]
    kinds = [part.partition("\n")[0] for part in sections]
    place = kinds.index(heading) if heading in kinds else len(sections)
    sections[place : place + 1] = [f"{heading}\n\n{section}"]
    return f"{before}{BEGIN}\n" + "\n\n".join(sections) + f"\n{END}{after}"


def kind(results: Results, model: str) -> str:
    """The kind of machine that the bare loop found, and the heading of its section."""
    bare = results.bare(model)
    return cores.kind(bare.connections if bare else 1, results.gain(model, "cpu_ms"))


def chart_name(kind: str) -> str:
    """The file of the chart beside the document."""
    return f"bench-{kind.replace(' ', '-')}.png"


def section(results: Results, verdicts: Sequence[Verdict], run: Run) -> str:
    """The whole section of this machine, without its heading."""
    first = run.plan.models[0]
    parts = [
        _conditions(results, run),
        tables.goals(verdicts),
        f"![Requests per second of each server]({chart_name(kind(results, first))})",
    ]
    for model in run.plan.models:
        for row, body in (("raw", "raw body"), ("form", "form")):
            parts.append(tables.closed_loops(results, row, f"One 280 x 280 PNG, {body}, {model}", model))
    parts += [tables.prices(results), tables.batches(results, first), _overload(results, run)]
    parts += [tables.processes(results), _versions(run)]
    return "\n\n".join(part for part in parts if part)


def _conditions(results: Results, run: Run) -> str:
    machine = "; ".join(f"{name} {value}" for name, value in run.machine.items())
    model = run.plan.models[0]
    plan = run.plan
    return "\n".join(
        textwrap.fill(" ".join(paragraph.split()), WIDTH, break_on_hyphens=False)
        for paragraph in (
            f"`{run.command}`: {plan.rounds} rounds, servers in turn, {plan.seconds} s for each load after"
            f" {plan.warm_up_seconds} s that do not count. {machine}.",
            _gains(results, model),
            """Figures are medians over the rounds, ratios medians of the ratios within a round. Every server
            opens the same .onnx with the same view and one thread per session; its other settings and why
            stand at the head of its file in loadtests/peers/. CPU ms is user and system time of all processes
            of a server for each answered picture, "of bare" the share of the bare loop's pictures/s on as
            many processes as there are cores (on one, at one connection).""",
            f"""wrk runs on the cores of the server, where the bare loop has them for itself, and adds to p99
            what a slow answer kept from being sent; requests fail after {RESPONSE_TIMEOUT_S} s.""",
        )
    )


def _gains(results: Results, model: str) -> str:
    bare = results.bare(model)
    count = bare.connections if bare else 1
    by_rate, by_cpu = (results.gain(model, value) for value in ("requests_per_s", "cpu_ms"))
    return (
        f"A bare loop of decode, view and session on {count} processes does {by_rate:.2f} times what it does"
        f" on one; by the CPU time of a picture, which other work disturbs less, {by_cpu:.2f} times:"
        f" {kind(results, model)}."
    )


def _overload(results: Results, run: Run) -> str:
    written = tables.open_loops(results, run.plan.models[0])
    pins = "Server and generator have a core each" if cores.COUNT > 1 else "There is one core for all"
    note = f"""Open loops: {run.plan.open_seconds} s at each rate, evenly spaced, every latency from the
        moment that the request was due. {pins}; the rates are multiples of the closed loop's just before, at
        64 connections. "of best" is the share of the best rate of the run, late the 99th percentile of how
        late the generator was itself. Where less was sent than is due, no connection was free: the server
        owed an answer on every one."""
    return f"{textwrap.fill(' '.join(note.split()), WIDTH)}\n\n{written}" if written else ""


def _versions(run: Run) -> str:
    listed = "; ".join(
        f"{CONTENDERS[name].title}: "
        + ", ".join(f"{package} {version}" for package, version in versions(CONTENDERS[name]).items())
        for name in run.plan.servers
    )
    absent = "".join(f" Not measured: {reason}" for reason in run.absences.values())
    return textwrap.fill(f"Versions: {listed}.{absent}", WIDTH, break_on_hyphens=False)

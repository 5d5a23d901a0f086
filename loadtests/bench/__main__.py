"""`python -m loadtests.bench`: every server in turn, round after round.

Writes the section of this kind of machine in docs/benchmarks.md. Needs wrk (`apt-get install wrk`). The
environments of the other servers are installed on first use. With --quick, --only or --rows the tables are
only printed, unless --report names a file.
"""

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests import machine
from loadtests.bench import rounds
from loadtests.bench.contenders import CONTENDERS, QUICK, title
from loadtests.bench.report import chart, markdown
from loadtests.bench.report.goals import judge
from loadtests.bench.report.results import Results, Sample
from loadtests.bench.rounds import Listener, Plan
from loadtests.bench.scenarios import CONNECTIONS, ROWS
from loadtests.server import REPO
from loadtests.subprocesses import UnavailableError, require_program

REPORT = REPO / "docs" / "benchmarks.md"


def main() -> int:
    """Measure, print the report, write it if it is complete; exit code 1 on errors."""
    options = _options()
    plan = _quick_plan(options) if options.quick else _plan(options)
    # An open loop keeps thousands of connections; servers and generators inherit the limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    facts, console = machine.facts(), Console()
    absences: dict[str, str] = {}
    samples, errors = _measured(plan, facts, options.raw, absences, console)
    results = Results(samples)
    verdicts = [one for one in judge(results, plan.models[0]) if one.met is not None or not options.quick]
    section = markdown.section(results, verdicts, markdown.Run(_command(), facts, plan, absences))
    console.print(section, markup=False, highlight=False, soft_wrap=True)
    for error in errors:
        console.print(f"error: {error}", style="red", markup=False)
    complete = set(plan.servers) == set(CONTENDERS) and set(plan.rows) == set(ROWS) and not errors
    report = options.report or (REPORT if complete else None)
    if report is None:
        console.print(f"{REPORT.name} is unchanged: not every server and every row was measured.")
        return 1 if errors else 0
    kind = markdown.kind(results, plan.models[0])
    written = report.read_text() if report.exists() else "# Benchmarks\n"
    report.write_text(markdown.rewrite(written, kind, section))
    chart.draw(results, plan.models, report.with_name(markdown.chart_name(kind)))
    return 1 if errors else 0


def _measured(
    plan: Plan, facts: dict[str, str], raw: Path, absences: dict[str, str], console: Console
) -> tuple[list[Sample], list[str]]:
    """All samples and errors; raw is written after each, for runs cut short. Fills in absences."""
    samples: list[Sample] = []
    errors: list[str] = []
    logs = REPO / "runs" / "bench"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, _progress(console) as progress:
        task = progress.add_task("environments and pictures", total=rounds.turns(plan))

        def show_turn(turn: int, description: str) -> None:
            progress.update(task, completed=turn, description=description)

        listener = Listener(show_turn, errors.append, absences.__setitem__)
        for sample in rounds.samples(plan, listener, logs, Path(scratch)):
            samples.append(sample)
            console.print(_line(sample), highlight=False, soft_wrap=True)
            written = {"machine": facts, "samples": [dataclasses.asdict(one) for one in samples]}
            raw.write_text(json.dumps(written, indent=1))
    return samples, errors


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        options.rounds, options.only, options.rows, options.model, options.overload, CONNECTIONS,
        options.seconds, 2, options.open_seconds,
    )  # fmt: skip


def _quick_plan(options: argparse.Namespace) -> Plan:
    """What fits into three minutes."""
    return Plan(2, QUICK, ["raw"], options.model[:1], [], CONNECTIONS, 4, 1, 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main table in three minutes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="length of each closed loop")
    parser.add_argument("--open-seconds", type=int, default=30, help="length of the open loop at each rate")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="SERVER")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument(
        "--model", nargs="+", default=["digits-cnn"], help="classifiers; the goals are about the first"
    )
    parser.add_argument(
        "--overload", nargs="+", choices=CONTENDERS, default=[], metavar="SERVER",
        help="servers that get the open loop beside Glimpse",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, help="the document to write, with its chart beside it")
    parser.add_argument(
        "--raw", type=Path, default=REPO / "runs" / "bench.json", help="the JSON file for all samples"
    )  # fmt: skip
    options = parser.parse_args()
    try:
        require_program("wrk", "wrk")
    except UnavailableError as error:
        sys.exit(f"error: {error}")
    return options


def _command() -> str:
    return "make bench" if len(sys.argv) == 1 else " ".join(["python -m loadtests.bench", *sys.argv[1:]])


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip


def _line(sample: Sample) -> str:
    case = sample.case
    overload = f"{case.overload:g}x" if case.overload else ""
    scenario = " ".join(
        part for part in (case.row, case.model, str(case.connections or ""), overload) if part
    )
    values = ", ".join(f"{name} {value:,.4g}" for name, value in sample.values.items())
    return f"{title(sample.server)}, {scenario}: {values}"


if __name__ == "__main__":
    sys.exit(main())

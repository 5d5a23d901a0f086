"""`python -m loadtests.bench`: every server in turn, round after round.

Writes docs/benchmarks.md. Needs wrk, and h2load for the row overload (`apt-get install wrk nghttp2-client`).
The environments of the other servers are installed on first use. With --only or --rows the tables are only
printed, unless --report names a file.
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
from loadtests.bench.contenders import CONTENDERS
from loadtests.bench.report import chart, markdown
from loadtests.bench.report.goals import judge
from loadtests.bench.report.results import Results, Sample
from loadtests.bench.rounds import Listener, Plan
from loadtests.bench.scenarios import ROWS
from loadtests.server import REPO, SERVING
from loadtests.subprocesses import UnavailableError, output, require_program

REPORT = REPO / "docs" / "benchmarks.md"


def main() -> int:
    """Measure, print the report, write it if it is complete; exit code 1 on errors."""
    options = _options()
    plan = Plan(
        options.rounds, options.only, options.rows, options.model, options.overload, options.seconds,
        options.overload_seconds,
    )  # fmt: skip
    # An open loop keeps thousands of connections; servers and generators inherit the limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    facts, console = machine.facts(), Console()
    samples, errors = _measured(plan, facts, options.raw, console)
    results = Results(samples)
    verdicts = judge(results, plan.models[0], _deadline_ms())
    section = markdown.section(results, verdicts, markdown.Run(_command(), facts, plan))
    console.print(section, markup=False, highlight=False, soft_wrap=True)
    for error in errors:
        console.print(f"error: {error}", style="red", markup=False)
    complete = set(plan.servers) == set(CONTENDERS) and set(plan.rows) == set(ROWS) and not errors
    report = options.report or (REPORT if complete else None)
    if report is None:
        console.print(f"{REPORT.name} is unchanged: not every server and every row was measured.")
        return 1 if errors else 0
    report.write_text(markdown.rewrite(report.read_text() if report.exists() else "# Benchmarks\n", section))
    chart.draw(results, plan.models, report.with_name("bench.png"))
    return 1 if errors else 0


def _measured(
    plan: Plan, facts: dict[str, str], raw: Path, console: Console
) -> tuple[list[Sample], list[str]]:
    """All samples and errors; raw is written after each, for runs cut short."""
    samples: list[Sample] = []
    errors: list[str] = []
    logs = REPO / "runs" / "bench"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, _progress(console) as progress:
        task = progress.add_task("environments and pictures", total=rounds.turns(plan))

        def show_turn(turn: int, description: str) -> None:
            progress.update(task, completed=turn, description=description)

        for sample in rounds.samples(plan, Listener(show_turn, errors.append), logs, Path(scratch)):
            samples.append(sample)
            console.print(_line(sample), highlight=False, soft_wrap=True)
            written = {"machine": facts, "samples": [dataclasses.asdict(one) for one in samples]}
            raw.write_text(json.dumps(written, indent=1))
    return samples, errors


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="length of each closed loop")
    parser.add_argument("--overload-seconds", type=int, default=60, help="length of the open loop")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="SERVER")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument(
        "--model", nargs="+", default=["digits-cnn", "digits-mlp"],
        help="classifiers; the goals are about the first",
    )  # fmt: skip
    parser.add_argument(
        "--overload", nargs="+", choices=CONTENDERS, default=[], metavar="SERVER",
        help="servers that get the open loop beside Glimpse",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, help="the document to write, with bench.png beside it")
    parser.add_argument(
        "--raw", type=Path, default=REPO / "runs" / "bench.json", help="the JSON file for all samples"
    )  # fmt: skip
    options = parser.parse_args()
    try:
        require_program("wrk", "wrk")
        if "overload" in options.rows:
            require_program("h2load", "nghttp2-client")
    except UnavailableError as error:
        sys.exit(f"error: {error}")
    return options


def _command() -> str:
    return "make bench" if len(sys.argv) == 1 else " ".join(["python -m loadtests.bench", *sys.argv[1:]])


def _deadline_ms() -> float:
    """GLIMPSE_DEADLINE_MS or its default; only the serving environment can read it."""
    source = "from service.settings import Settings; print(Settings().deadline_ms)"
    return float(output([SERVING / "python", "-c", source]))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip


def _line(sample: Sample) -> str:
    case = sample.case
    scenario = " ".join(part for part in (case.row, case.model, str(case.connections or "")) if part)
    values = ", ".join(f"{name} {value:,.4g}" for name, value in sample.values.items())
    return f"{CONTENDERS[sample.server].title}, {scenario}: {values}"


if __name__ == "__main__":
    sys.exit(main())

"""`python -m loadtests.bench`: every server in turn, round after round; then docs/benchmarks.md.

Needs wrk and h2load (`apt-get install wrk nghttp2-client`). The peers' environments are installed when they
are first asked for. With --only or --rows the tables are only printed, unless --report names a file.
"""

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests import machine
from loadtests.bench import rounds
from loadtests.bench.contenders import CONTENDERS
from loadtests.bench.load.generators import GeneratorError, require
from loadtests.bench.report import chart, markdown
from loadtests.bench.report.goals import judge
from loadtests.bench.report.results import Results, Sample
from loadtests.bench.rounds import Listener, Plan
from loadtests.bench.scenarios import ROWS
from loadtests.server import REPO, SERVING

REPORT = REPO / "docs" / "benchmarks.md"


def main() -> int:
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
        console.print(f"{REPORT.name} is as it was: not every server and every row was measured.")
        return 1 if errors else 0
    report.write_text(markdown.rewrite(report.read_text() if report.exists() else "# Benchmarks\n", section))
    chart.draw(results, plan.models, report.with_name("bench.png"))
    return 1 if errors else 0


def _measured(
    plan: Plan, facts: dict[str, str], raw: Path, console: Console
) -> tuple[list[Sample], list[str]]:
    """(all samples, what went wrong). raw: where the samples are written to, after each of them: a run that
    is interrupted has not been for nothing."""
    samples: list[Sample] = []
    errors: list[str] = []
    logs = REPO / "runs" / "bench"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, _progress(console) as progress:
        task = progress.add_task("environments and pictures", total=rounds.turns(plan))

        def begins(turn: int, what: str) -> None:
            progress.update(task, completed=turn, description=what)

        for sample in rounds.samples(plan, Listener(begins, errors.append), logs, Path(scratch)):
            samples.append(sample)
            console.print(_line(sample), highlight=False, soft_wrap=True)
            written = {"machine": facts, "samples": [dataclasses.asdict(one) for one in samples]}
            raw.write_text(json.dumps(written, indent=1))
    return samples, errors


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of each closed loop")
    parser.add_argument("--overload-seconds", type=int, default=60, help="of the open loop")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="SERVER")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument(
        "--model", nargs="+", default=["digits-cnn", "digits-mlp"],
        help="classifiers; the goals are about the first",
    )  # fmt: skip
    parser.add_argument(
        "--overload", nargs="+", choices=CONTENDERS, default=[], metavar="SERVER",
        help="give these the open loop too, beside Glimpse",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, help="the document to write, with bench.png beside it")
    parser.add_argument("--raw", type=Path, default=REPO / "runs" / "bench.json", help="every sample")
    options = parser.parse_args()
    try:
        require("wrk", "wrk")
        require("h2load", "nghttp2-client")
    except GeneratorError as error:
        sys.exit(f"error: {error}")
    return options


def _command() -> str:
    return "make bench" if len(sys.argv) == 1 else " ".join(["python -m loadtests.bench", *sys.argv[1:]])


def _deadline_ms() -> float:
    """GLIMPSE_DEADLINE_MS as the service reads it, or its default; only its own environment can tell."""
    source = "from service.settings import Settings; print(Settings().deadline_ms)"
    said = subprocess.run(
        [SERVING / "python", "-c", source], cwd=REPO, capture_output=True, text=True, check=True
    )
    return float(said.stdout)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip


def _line(sample: Sample) -> str:
    case = sample.case
    what = " ".join(part for part in (case.row, case.model, str(case.connections or "")) if part)
    values = ", ".join(f"{name} {value:,.4g}" for name, value in sample.values.items())
    return f"{CONTENDERS[sample.server].title}, {what}: {values}"


if __name__ == "__main__":
    sys.exit(main())

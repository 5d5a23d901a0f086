"""`python -m loadtests.gpu`: everything that needs a GPU, in one report.

For every model: the provider really in use, outputs equal to the CPU's, pictures/s beside a bare session.
For the service: requests/s over HTTP. For training: the time of digits-cnn. Without a GPU the same on the
CPU. The exit code is 0 where no check failed; what could not run is listed with its reason.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from loadtests import machine
from loadtests.gpu import checks
from loadtests.gpu.report import Check, render
from loadtests.subprocesses import CommandError, UnavailableError
from models.model import find_model_files

HTTP_SECONDS_FACTOR = 5
"""The load over HTTP lasts as many times longer than one measurement of a session: users start first."""


def main() -> int:
    """Run all checks and write the report; the exit code is 1 where one failed."""
    options = _options()
    if options.device == "cpu":
        print("This is a CPU run: it says nothing about a GPU.")
    facts = machine.facts()
    results: list[Check] = []
    options.report.parent.mkdir(parents=True, exist_ok=True)
    for part in _parts(options):
        for check in part:
            print(f"{check.outcome}: {check.subject}, {check.name}: {check.figure}", flush=True)
        results += part
        # After each part, so that a run that is cut short leaves the results so far.
        options.report.write_text(render(options.device, facts, results))
    failed = any(check.outcome == "fail" for check in results)
    print(f"{'FAIL' if failed else 'PASS'}: see {options.report}")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.gpu", description=__doc__)
    models = [path.stem for path in find_model_files()]
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if machine.gpu() else "cpu")
    parser.add_argument("--report", type=Path, default=Path("runs/gpu_check.md"))
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement of a session")
    parser.add_argument("--users", type=int, default=16, help="number of users of the load over HTTP")
    parser.add_argument("--models", nargs="+", metavar="NAME", choices=models, default=models)
    parser.add_argument("--train-epochs", type=int, help="default: the recipe's on cuda, none on the CPU")
    options = parser.parse_args()
    if options.train_epochs is None and options.device == "cpu":
        options.train_epochs = 0
    return options


def _parts(options: argparse.Namespace) -> Iterator[list[Check]]:
    device, folder = options.device, options.report.parent.resolve()
    for model in options.models:
        yield run_part(
            model, "session", lambda model=model: checks.check_session(model, device, options.seconds)
        )
    http_seconds = HTTP_SECONDS_FACTOR * options.seconds
    yield run_part(
        "service", "load over HTTP", lambda: checks.check_http(device, http_seconds, options.users, folder)
    )
    yield run_part(
        checks.TRAINED_MODEL, "training",
        lambda: checks.check_training(device, options.train_epochs, folder),
    )  # fmt: skip


def run_part(subject: str, name: str, part: Callable[[], list[Check]]) -> list[Check]:
    """The checks of one part, or one check with the reason why it did not run."""
    try:
        return part()
    except UnavailableError as error:
        return [Check(subject, name, "not run", str(error))]
    except CommandError as error:
        return [Check(subject, name, "fail", str(error))]


if __name__ == "__main__":
    sys.exit(main())

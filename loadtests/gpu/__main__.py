"""`python -m loadtests.gpu`: everything that needs a GPU, in one command, into one report.

For every model: the provider really in use, answers equal to the CPU's, pictures/s beside a bare session.
For the service: requests/s over HTTP. For training: the time of digits-cnn. Without a GPU the same on the
CPU. The exit code is 0 where no check failed; what could not run is named with its reason.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from loadtests import machine
from loadtests.gpu import checks as gpu_parts
from loadtests.gpu.report import Check, render
from loadtests.subprocesses import Broken, Missing
from models.model import find_model_files

LOADED = 5
"""Times as long as one measurement of a session: users have to come first."""


def main() -> int:
    options = _options()
    if options.device == "cpu":
        print("This is a CPU run: it says nothing about a GPU.")
    facts = machine.facts()
    checks: list[Check] = []
    options.report.parent.mkdir(parents=True, exist_ok=True)
    for found in _parts(options):
        for check in found:
            print(f"{check.outcome}: {check.subject}, {check.name}: {check.figure}", flush=True)
        checks += found
        # After each part: a run that is cut short leaves what it had.
        options.report.write_text(render(options.device, facts, checks))
    failed = any(check.outcome == "fail" for check in checks)
    print(f"{'FAIL' if failed else 'PASS'}: see {options.report}")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.gpu", description=__doc__)
    models = [path.stem for path in find_model_files()]
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if machine.gpu() else "cpu")
    parser.add_argument("--report", type=Path, default=Path("runs/gpu_check.md"))
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement of a session")
    parser.add_argument("--users", type=int, default=16, help="of the service")
    parser.add_argument("--models", nargs="+", metavar="NAME", choices=models, default=models)
    parser.add_argument("--train-epochs", type=int, help="default: the recipe's on cuda, none on the CPU")
    options = parser.parse_args()
    if options.train_epochs is None and options.device == "cpu":
        options.train_epochs = 0
    return options


def _parts(options: argparse.Namespace) -> Iterator[list[Check]]:
    device, folder = options.device, options.report.parent.resolve()
    for model in options.models:
        yield attempt(model, "session", lambda model=model: gpu_parts.session(model, device, options.seconds))
    yield attempt(
        "service", "load over HTTP",
        lambda: gpu_parts.http(device, LOADED * options.seconds, options.users, folder),
    )  # fmt: skip
    yield attempt(
        gpu_parts.TRAINED, "training", lambda: gpu_parts.training(device, options.train_epochs, folder)
    )


def attempt(subject: str, name: str, part: Callable[[], list[Check]]) -> list[Check]:
    try:
        return part()
    except Missing as missing:
        return [Check(subject, name, "not run", str(missing))]
    except Broken as broken:
        return [Check(subject, name, "fail", str(broken))]


if __name__ == "__main__":
    sys.exit(main())

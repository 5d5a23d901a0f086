"""Other programs: whether they can run and what they print."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from loadtests.server import REPO

Command = Sequence[str | Path]


class UnavailableError(Exception):
    """Something cannot run here; the message names what is missing and the remedy."""


class CommandError(Exception):
    """A command failed; the message names it and ends with its last line of output."""


def require_modules(python: Path, modules: Sequence[str]) -> None:
    """Check that an environment exists and has these modules.

    Args:
        python: The interpreter of the environment.
        modules: The names that have to be importable.

    Raises:
        UnavailableError: The environment or a module is missing.
    """
    environment, remedy = python.parent.parent.name, "`make gpu-check` installs it from deploy/locks"
    if not python.exists():
        raise UnavailableError(f"there is no environment {environment}; {remedy}")
    source = "import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec(m) is None))"
    missing = output([python, "-c", source, *modules]).split()
    if missing:
        raise UnavailableError(f"{', '.join(missing)} not installed in {environment}; {remedy}")


def require_program(name: str, package: str) -> None:
    """Check that a program is on PATH.

    Args:
        name: The program.
        package: The Debian package that contains it.

    Raises:
        UnavailableError: It is not installed.
    """
    if shutil.which(name) is None:
        raise UnavailableError(f"{name} is not installed; `apt-get install {package}` brings it.")


def run(command: Command, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository and capture its output, also if it fails."""
    return subprocess.run(command, cwd=REPO, env=os.environ | environment, capture_output=True, text=True)


def output(command: Command, **environment: str) -> str:
    """What a command prints.

    Raises:
        CommandError: It ended with another exit code than 0.
    """
    completed = run(command, **environment)
    if completed.returncode:
        raise CommandError(f"{Path(command[0]).name} failed: {last_line(completed)}")
    return completed.stdout


def timed_output(command: Command, **environment: str) -> tuple[list[tuple[float, str]], bool]:
    """Run a command and note when each line of its output arrives.

    Returns:
        The lines, each after the second (monotonic) it arrived at, and whether the command failed.
    """
    with subprocess.Popen(
        command, cwd=REPO, env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = [(time.monotonic(), line.strip()) for line in process.stdout if line.strip()]
    return lines, process.returncode != 0


def last_line(completed: subprocess.CompletedProcess[str]) -> str:
    """The last line on standard error, or on standard output where that is empty."""
    lines = (completed.stderr or completed.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {completed.returncode} without any output"

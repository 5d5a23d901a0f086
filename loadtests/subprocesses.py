"""Other programs, in whichever environment they belong: whether they can run, and what they say."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from loadtests.server import REPO

Command = Sequence[str | Path]


class Missing(Exception):
    """A part cannot run here; the message says what it lacks and what to do."""


class Broken(Exception):
    """A part ended with an error; the message is its last line."""


def need(python: Path, modules: Sequence[str]) -> None:
    """Raises Missing where the environment or one of the modules is not there."""
    environment, remedy = python.parent.parent.name, "`make gpu-check` installs it from deploy/locks"
    if not python.exists():
        raise Missing(f"there is no environment {environment}; {remedy}")
    source = "import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec(m) is None))"
    absent = output([python, "-c", source, *modules]).split()
    if absent:
        raise Missing(f"{', '.join(absent)} not installed in {environment}; {remedy}")


def run(command: Command, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPO, env=os.environ | environment, capture_output=True, text=True)


def output(command: Command, **environment: str) -> str:
    """What a command prints. Raises Broken where it fails."""
    done = run(command, **environment)
    if done.returncode:
        raise Broken(last_line(done))
    return done.stdout


def timed(command: Command, **environment: str) -> tuple[list[tuple[float, str]], bool]:
    """(each line with the second it came at, whether the command failed)."""
    with subprocess.Popen(
        command, cwd=REPO, env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = [(time.monotonic(), line.strip()) for line in process.stdout if line.strip()]
    return lines, process.returncode != 0


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[-1] if said else f"exit code {done.returncode}, and not a word"

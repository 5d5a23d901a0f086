"""The client as people start it: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from loadtests.server import REPO

COMMAND = [sys.executable, "-m", "service.client"]


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "*", "COLUMNS": "200", **variables}


@pytest.fixture
def client() -> Callable[..., Done]:
    """Run `python -m service.client` with arguments, bytes on standard input, and variables."""

    def run(*arguments: object, standard_input: bytes = b"", **variables: str) -> Done:
        command = [*COMMAND, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=REPO, input=standard_input, env=environment(**variables), capture_output=True
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
